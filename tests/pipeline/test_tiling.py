"""Tiling then stitching is the identity, edges are reflected as numpy does, nodata never reaches a scorer as 0."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from testutils import BlurScorer, EchoScorer, coordinate_scene

from geocloud.pipeline.scoring import Stitcher, score_scene, scored_rows
from geocloud.pipeline.tiling import cut_blocks, fill_nodata, read_segments, reflect
from geocloud.raster import Georef, PatchGrid, Raster, Window
from geocloud.readers import MemoryScene

sizes = st.tuples(st.integers(1, 300), st.integers(1, 300))


@settings(max_examples=40)
@given(sizes, st.integers(1, 3), st.sampled_from([0, 16, 64]), st.integers(1, 100_000))
def test_tile_then_stitch_is_the_identity(shape: tuple[int, int], block: int, halo: int, most: int) -> None:
    scene = coordinate_scene(*shape)
    for band in (0, 1):
        scorer = EchoScorer(band, block, halo)
        rows = list(scored_rows(scene, scorer, threads=2, segment_pixels=most))
        score = np.concatenate([part.score for part in rows])
        assert (score == scene.raster.data[band]).all()


@settings(max_examples=40)
@given(st.data(), st.integers(1, 3), st.integers(1, 5), st.integers(1, 100_000))
def test_the_scores_of_a_part_are_those_of_the_whole(data: st.DataObject, block: int, factor: int, most: int) -> None:
    rng = np.random.default_rng(3)
    raster = Raster(rng.random((2, 333, 517), dtype=np.float32), rng.random((333, 517)) > 0.2)
    scene, scorer = MemoryScene(raster, ("blue", "green"), Georef((333, 517))), BlurScorer(block, halo=8)
    row, col = data.draw(st.integers(0, 332)), data.draw(st.integers(0, 516))
    part = Window(row, col, data.draw(st.integers(1, 333 - row)), data.draw(st.integers(1, 517 - col)))
    whole = np.concatenate([rows.score for rows in scored_rows(scene, scorer, factor=factor)])
    rows = list(scored_rows(scene, scorer, factor=factor, part=part, segment_pixels=most))
    assert [one.row for one in rows] == np.cumsum([0, *(len(one.score) for one in rows)])[:-1].tolist()
    np.testing.assert_array_equal(np.concatenate([one.score for one in rows]), whole[part.slices()])


@given(st.integers(1, 40), st.integers(0, 100), st.integers(0, 100))
def test_reflection_is_that_of_numpy(size: int, before: int, after: int) -> None:
    expected = np.pad(np.arange(size), (before, after), mode="reflect") if size > 1 else np.zeros(before + 1 + after)
    assert (reflect(-before, size + after, size) == expected).all()


@settings(max_examples=25)
@given(st.integers(70, 260), st.integers(70, 260))
def test_halo_is_the_scene_itself_and_reflection_beyond_it(height: int, width: int) -> None:
    scene = coordinate_scene(height, width)
    halo = 20
    score, _ = score_scene(scene, BlurScorer(block=1, halo=halo))
    mean = scene.raster.data.mean(axis=0)
    padded = np.pad(mean, halo, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * halo + 1, 2 * halo + 1))
    np.testing.assert_allclose(score, windows.mean(axis=(2, 3)), rtol=1e-5)


@pytest.mark.parametrize("halo", [0, 8, 64])
def test_scores_do_not_depend_on_how_the_scene_is_cut(halo: int) -> None:
    rng = np.random.default_rng(3)
    raster = Raster(rng.random((2, 333, 517), dtype=np.float32), rng.random((333, 517)) > 0.2)
    scene = MemoryScene(raster, ("blue", "green"), Georef((333, 517)))
    scorer = BlurScorer(block=2, halo=halo)
    cuts = [
        np.concatenate([rows.score for rows in scored_rows(scene, scorer, threads=threads, segment_pixels=pixels)])
        for threads, pixels in ((1, 1), (2, 40_000), (3, 10**9))
    ]
    assert all(np.array_equal(cuts[0], other, equal_nan=True) for other in cuts[1:])


def test_nodata_is_filled_with_the_mean_of_the_block_and_scored_nan() -> None:
    valid = np.ones((64, 64), dtype=bool)
    valid[:, :20] = False
    scene = coordinate_scene(64, 64, valid)
    scene.raster.data[:, ~valid] = -9999
    batch = next(cut_blocks(next(read_segments(scene, scene.bands, PatchGrid((64, 64)), 0, 10**6)),
                            PatchGrid((64, 64)), 0, scene.bands, 8))  # fmt: skip
    assert batch.data.min() >= 0
    assert batch.data[0, 1, 0, 0] == pytest.approx(scene.raster.data[1][valid].mean())
    score, scored = score_scene(scene, EchoScorer())
    assert np.isnan(score[:, :20]).all()
    assert not np.isnan(score[:, 20:]).any()
    assert (scored == valid).all()


def test_wholly_nodata_blocks_never_reach_the_scorer() -> None:
    class Refusing(EchoScorer):
        def score(self, batch):
            assert batch.valid.any(axis=(1, 2)).all()
            return super().score(batch)

    valid = np.zeros((200, 200), dtype=bool)
    valid[150:, 150:] = True
    score, _ = score_scene(coordinate_scene(200, 200, valid), Refusing(block=1))
    assert np.isfinite(score).sum() == valid.sum()


def test_fill_of_a_block_without_any_data_is_finite() -> None:
    data = np.full((2, 4, 4), np.nan, dtype=np.float32)
    fill_nodata(data, np.zeros((4, 4), dtype=bool))
    assert np.isfinite(data).all()


def test_stitcher_refuses_segments_out_of_order() -> None:
    stitcher = Stitcher(PatchGrid((100, 200)))
    zeros = np.zeros((64, 64), dtype=np.float32)
    with pytest.raises(ValueError, match="is not next"):
        stitcher.add(Window(0, 64, 64, 64), zeros, zeros.astype(bool))
