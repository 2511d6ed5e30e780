"""Polygons are exactly the mask, however it is cut into strips."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rasterio import features

from geocloud.geometry import polygons
from geocloud.geometry.polygons import PolygonTracer, burn
from geocloud.geometry.shapes import Shapes


def random_mask(seed: int, shape: tuple[int, int], share: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.random((shape[0] // 4 + 1, shape[1] // 4 + 1)) < share
    mask = np.kron(coarse, np.ones((4, 4), dtype=bool))[: shape[0], : shape[1]] ^ (rng.random(shape) < 0.05)
    codes = mask.astype(np.uint8)
    codes[rng.random(shape) < 0.02] = 255
    return codes


def trace_in_strips(mask: np.ndarray, values: np.ndarray, strip: int, squares: int = 1) -> Shapes:
    tracer = PolygonTracer(mask.shape[1], squares)
    for row in range(0, len(mask), strip):
        tracer.add(mask[row : row + strip], values[row : row + strip])
    return tracer.finish().all()


masks = st.tuples(
    st.integers(0, 10**6), st.tuples(st.integers(1, 150), st.integers(1, 90)), st.floats(0.0, 1.0), st.integers(1, 80)
)


@settings(max_examples=60)
@given(masks)
@example((151, (4, 3), 1.0, 1))  # a hole, closed by a seam, that touches the outline
def test_polygons_rasterised_back_are_the_mask(case: tuple[int, tuple[int, int], float, int]) -> None:
    seed, shape, share, strip = case
    mask = random_mask(seed, shape, share)
    values = np.random.default_rng(seed).random(shape)
    shapes = trace_in_strips(mask, values, strip)
    assert (burn(shapes, shape) == (mask == 1)).all()
    assert shapes.pixels.sum() == (mask == 1).sum()
    assert shapes.weight.sum() == pytest.approx(values[mask == 1].sum(), abs=1e-6)
    assert (shapely.area(shapes.geometry) == shapes.pixels).all()
    assert shapely.is_valid(shapes.geometry).all()


@settings(max_examples=40)
@given(masks)
def test_strips_give_the_same_polygons_as_the_whole_mask(case: tuple[int, tuple[int, int], float, int]) -> None:
    seed, shape, share, strip = case
    mask = random_mask(seed, shape, share)
    values = np.ones(shape)
    oracle = [shapely.geometry.shape(g) for g, _ in features.shapes(mask, mask=mask == 1, connectivity=4)]
    mine = trace_in_strips(mask, values, strip)
    assert len(mine) == len(oracle)
    assert sorted(shapely.to_wkb(shapely.normalize(shapely.simplify(mine.geometry, 0)))) == sorted(
        shapely.to_wkb(shapely.normalize(shapely.simplify(np.array(oracle, dtype=object), 0)))
    )


@settings(max_examples=40)
@given(masks, st.integers(2, 4), st.sampled_from(["both", "mask", "values"]))
def test_squares_make_no_difference(case: tuple[int, tuple[int, int], float, int], side: int, whole: str) -> None:
    seed, shape, share, strip = case
    square = np.ones((side, side), dtype=np.uint8)
    codes, chances = random_mask(seed, shape, share), np.random.default_rng(seed).random(shape, dtype=np.float32)
    mask, values = (np.kron(coarse, square)[: 1 - side, : 1 - side] for coarse in (codes, chances))  # the last cut off
    if whole == "values":
        mask[len(mask) // 2, ::3] = 255
    if whole == "mask":
        values = np.random.default_rng(seed).random(mask.shape)
    plain, squared = (trace_in_strips(mask, values, strip * side, squares) for squares in (1, side))
    assert shapely.equals_exact(shapely.normalize(plain.geometry), shapely.normalize(squared.geometry)).all()
    np.testing.assert_array_equal(plain.pixels, squared.pixels)
    np.testing.assert_allclose(plain.weight, squared.weight, rtol=1e-5)


def test_mean_inside_each_polygon_is_that_of_its_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polygons, "STRIP_PIXELS", 64 * 40)
    mask = np.zeros((200, 40), dtype=np.uint8)
    mask[10:150, 5:20] = 1
    mask[50:60, 8:12] = 0
    mask[170:180, 30:35] = 1
    values = np.random.default_rng(1).random(mask.shape)
    values[0, 0] = np.nan
    shapes = trace_in_strips(mask, values, 200)
    large, small = np.argmax(shapes.pixels), np.argmin(shapes.pixels)
    first = (mask == 1) & (np.arange(200)[:, None] < 160)
    assert shapes.weight[large] / shapes.pixels[large] == pytest.approx(values[first].mean())
    assert shapes.weight[small] == pytest.approx(values[170:180, 30:35].sum())


def test_classes_touching_at_a_seam_stay_apart() -> None:
    mask = np.array([[1, 1, 2], [2, 1, 2]], dtype=np.uint8)
    shapes = trace_in_strips(mask, np.ones(mask.shape), 1)
    assert sorted(zip(shapes.code.tolist(), shapes.pixels.tolist(), strict=True)) == [(1, 3), (2, 1), (2, 2)]


def test_a_mask_without_cloud_has_no_polygons() -> None:
    shapes = trace_in_strips(np.zeros((10, 10), dtype=np.uint8), np.ones((10, 10)), 4)
    assert len(shapes) == 0
    assert not burn(shapes, (10, 10)).any()
    assert features.rasterize([(shapely.box(0, 0, 1, 1), 1)], (2, 2), transform=Affine.identity()).sum() == 1


@pytest.mark.parametrize(("strip", "squares"), [(1, 1), (7, 1), (8, 2), (200, 1), (200, 2)])
def test_groups_are_the_polygons_of_one_kind_that_share_an_edge(strip: int, squares: int) -> None:
    """Codes 1 and 2 are one kind; the oracle traces a mask in which they are one code."""
    rng = np.random.default_rng(5)
    codes = np.kron(rng.choice(np.array([0, 0, 1, 2, 3, 255], dtype=np.uint8), (40, 30)), np.ones((2, 2), np.uint8))
    kinds = np.arange(256, dtype=np.uint8)
    kinds[2] = 1
    tracer = PolygonTracer(codes.shape[1], squares, kinds=kinds)
    for row in range(0, len(codes), strip):
        tracer.add(codes[row : row + strip], np.ones_like(codes[row : row + strip], dtype=np.float32))
    store = tracer.finish()
    groups = tracer.groups(store)
    found = store.all()
    wholes = list(features.shapes(kinds[codes], mask=np.isin(codes, (1, 2, 3)), connectivity=4))
    whole = {}
    for number, (shape, _) in enumerate(wholes):
        polygon = shapely.geometry.shape(shape)
        for part in np.flatnonzero(shapely.within(shapely.point_on_surface(found.geometry), polygon)):
            whole[int(part)] = number
    assert len(found) > len(wholes) > 50
    oracle = [whole[number] for number in range(len(found))]
    assert len(set(zip(oracle, groups.tolist(), strict=True))) == len(wholes) == len(set(groups.tolist()))
