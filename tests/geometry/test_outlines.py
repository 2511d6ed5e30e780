"""Smooth outlines are those of the whole field, however it is cut; their areas are the mask's."""

from __future__ import annotations

import contourpy
import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rasterio import features

from geocloud.errors import UsageError
from geocloud.geometry import outlines, shapes
from geocloud.geometry.outlines import OutlineTracer


def field(seed: int, shape: tuple[int, int], grain: int) -> np.ndarray:
    """Smooth noise, with some values at and near one half."""
    rng = np.random.default_rng(seed)
    p = rng.random((shape[0] // grain + 3, shape[1] // grain + 3))
    rows, cols = (np.arange(size) / grain for size in shape)
    down = np.stack([np.interp(rows, np.arange(len(p)), column) for column in p.T], axis=1)
    smooth = np.stack([np.interp(cols, np.arange(p.shape[1]), row) for row in down])
    smooth[rng.random(shape) < 0.05] = 0.5
    smooth[rng.random(shape) < 0.02] = 0.4999
    return smooth.astype(np.float32)


def mask_of(p: np.ndarray, nodata: float = 0.0, seed: int = 0) -> np.ndarray:
    mask = (p >= 0.5).astype(np.uint8)
    if nodata:
        mask[np.random.default_rng(seed).random(p.shape) < nodata] = 255
    return mask


def trace(mask: np.ndarray, p: np.ndarray, rows: int, squares: int = 1) -> shapes.Shapes:
    tracer = OutlineTracer(mask.shape, squares)
    for row in range(0, len(mask), rows):
        tracer.add(mask[row : row + rows], p[row : row + rows])
    return tracer.finish().all()


cases = st.tuples(
    *(st.integers(0, 10**6), st.tuples(st.integers(1, 60), st.integers(1, 50)), st.integers(1, 8)),
    *(st.integers(1, 40), st.sampled_from([0.0, 0.0, 0.03, 0.4])),
)


@settings(max_examples=80)
@given(cases)
@example((0, (1, 1), 1, 1, 0.0))
def test_polygons_are_valid_and_hold_the_centres_of_cloud(case: tuple) -> None:
    """Each centre of cloud is inside, each other outside; no two polygons overlap; none reaches into nodata."""
    seed, shape, grain, rows, nodata = case
    p = field(seed, shape, grain)
    mask = mask_of(p, nodata, seed)
    found = trace(mask, p, rows)
    assert shapely.is_valid(found.geometry).all()
    assert (shapely.get_type_id(found.geometry) == 3).all()
    centres = features.rasterize([(one, 1) for one in found.geometry] or [(shapely.Point(-9, -9), 1)], shape)
    np.testing.assert_array_equal(centres == 1, mask == 1)
    assert found.pixels.sum() == (mask == 1).sum()
    assert found.weight.sum() == pytest.approx(p[mask == 1].sum(), abs=1e-3)
    together = shapely.union_all(found.geometry)
    assert shapely.area(together) == pytest.approx(shapely.area(found.geometry).sum(), abs=1e-6)
    row, col = np.nonzero(mask == 255)
    gaps = shapely.union_all(shapely.box(col, row, col + 1, row + 1))
    assert shapely.area(shapely.intersection(together, gaps)) == pytest.approx(0, abs=1e-6)
    for one, pixels, weight in zip(found.geometry, found.pixels, found.weight, strict=True):
        own = features.rasterize([(one, 1)], shape) == 1
        assert (own.sum(), p[own].sum()) == (pixels, pytest.approx(weight, abs=1e-3))


@settings(max_examples=50)
@given(cases)
def test_strips_leave_no_seam(case: tuple) -> None:
    seed, shape, grain, rows, nodata = case
    p = field(seed, shape, grain)
    mask = mask_of(p, nodata, seed)
    whole, cut = (trace(mask, p, step).geometry for step in (shape[0], rows))
    assert len(whole) == len(cut)
    assert set(shapely.to_wkb(shapely.normalize(whole))) == set(shapely.to_wkb(shapely.normalize(cut)))


def test_outlines_cross_between_centres_where_p_is_one_half() -> None:
    """Against contourpy on the centres alone: on the lines between them both cross at the same points."""
    p = field(5, (40, 30), 6)
    p[np.abs(p - 0.5) < 0.03] += 0.05  # nothing at the middle itself
    found = trace(mask_of(p), p, 7)
    lines = contourpy.contour_generator(np.arange(30) + 0.5, np.arange(40) + 0.5, p.astype(float)).lines(0.5)
    crossings = shapely.points(np.concatenate(lines))
    assert len(crossings) > 100
    outline = shapely.union_all(shapely.boundary(found.geometry))
    assert shapely.distance(crossings, outline).max() < 0.02


def test_a_cloud_reaches_the_edge_of_the_scene_and_of_nodata() -> None:
    mask, p = np.ones((6, 8), dtype=np.uint8), np.ones((6, 8), dtype=np.float32)
    assert trace(mask, p, 4).geometry[0].equals(shapely.box(0, 0, 8, 6))
    mask[:, 5:] = 255
    assert trace(mask, p, 4).geometry[0].equals(shapely.box(0, 0, 5, 6))


def test_squares_are_traced_at_their_centres_to_the_scene_s_end() -> None:
    p = np.kron(field(1, (9, 7), 2), np.ones((4, 4), dtype=np.float32))
    cut = p[:34, :27]
    found = trace(mask_of(cut), cut, 8, 4)
    coarse = trace(mask_of(p[::4, ::4]), p[::4, ::4], 9)
    assert len(found) == len(coarse)
    assert found.pixels.sum() == (cut >= 0.5).sum()
    assert shapely.total_bounds(found.geometry)[2] <= 27
    assert shapely.total_bounds(found.geometry)[3] <= 34
    inner = shapely.box(0, 0, 24, 30)
    scaled = shapely.transform(coarse.geometry, lambda xy: xy * 4)
    ours, theirs = (shapely.intersection(shapely.union_all(g), inner) for g in (found.geometry, scaled))
    assert shapely.area(shapely.symmetric_difference(ours, theirs)) < 1e-6
    assert shapely.is_valid(found.geometry).all()


def test_grown_clouds_end_half_way() -> None:
    """Where the mask was changed after scoring, P says nothing of its edge."""
    mask, p = np.zeros((20, 20), dtype=np.uint8), np.full((20, 20), 0.1, dtype=np.float32)
    mask[5:15, 5:15], p[8:12, 8:12] = 1, 0.9
    p[16:, 16:] = 0.5
    found = trace(mask, p, 20)
    assert len(found) == 1
    assert found.geometry[0].bounds == pytest.approx((5, 5, 15, 15), abs=0.01)


def test_further_classes_are_refused() -> None:
    mask = np.full((4, 4), 5, dtype=np.uint8)
    with pytest.raises(UsageError, match="of cloud alone"):
        OutlineTracer((4, 4)).add(mask, np.ones((4, 4), dtype=np.float32))


def test_strips_are_as_small_as_memory_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    p = field(3, (50, 40), 5)
    whole = trace(mask_of(p), p, 50)
    seen = []
    monkeypatch.setattr(outlines, "STRIP_PIXELS", 200)
    monkeypatch.setattr(outlines, "_polygons", lambda *given, do=outlines._polygons: seen.append(given) or do(*given))
    cut = trace(mask_of(p), p, 50)
    assert len(seen) == 10
    assert set(shapely.to_wkb(shapely.normalize(cut.geometry))) == set(
        shapely.to_wkb(shapely.normalize(whole.geometry))
    )
