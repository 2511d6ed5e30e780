"""Patches -> scene grid: puts scores back in place and hands on rows that nothing can change any more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geocloud.grid import PATCH, PatchGrid
from geocloud.raster import BoolArray, FloatArray
from geocloud.window import Window


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """Full-width rows of a scene, final."""

    row: int
    """First row in the scene."""
    score: FloatArray
    """(rows, width), higher = cloudier, NaN where nodata."""
    valid: BoolArray
    """(rows, width), True = data."""


class Stitcher:
    """Collects one block row at a time; its memory is one block row of the scene."""

    def __init__(self, grid: PatchGrid, first: int = 0) -> None:
        """Start at a block row, the scene's first by default."""
        self.grid = grid
        self._row = first * grid.side
        self._filled_to = 0
        self._new_rows()

    def _new_rows(self) -> None:
        height = min(self.grid.side, self.grid.shape[0] - self._row)
        if height > 0:
            self._score: FloatArray = np.full((height, self.grid.shape[1]), np.nan, dtype=np.float32)
            self._valid = np.zeros((height, self.grid.shape[1]), dtype=bool)

    def add(self, window: Window, score: FloatArray, valid: BoolArray) -> ScoredRows | None:
        """Place a segment's scores, the segments coming row-major; returns the block row once it is complete.

        Args:
            window: the segment, inside the scene.
            score: (window.height, window.width), NaN where not scored.
            valid: the same shape, True = data.

        Raises:
            ValueError: the segment is not the next one.
        """
        if (window.row, window.col) != (self._row, self._filled_to):
            raise ValueError(f"{window} is not next; row {self._row}, column {self._filled_to} is")
        rows, cols = window.slices((self._row, 0))
        self._score[rows, cols] = np.where(valid, score, np.float32(np.nan))
        self._valid[rows, cols] = valid
        self._filled_to = window.stop_col
        if self._filled_to < self.grid.shape[1]:
            return None
        done = ScoredRows(self._row, self._score, self._valid)
        self._row, self._filled_to = window.stop_row, 0
        self._new_rows()
        return done


def place_blocks(
    window: Window, blocks: list[tuple[tuple[Window, ...], FloatArray]], shape: tuple[int, int]
) -> FloatArray:
    """Scores of blocks as one (window.height, window.width) array, NaN where no block was scored.

    Args:
        window: the segment the blocks belong to.
        blocks: windows and scores of each batch, (n, side, side) a pixel or (n, block, block) a patch.
        shape: (height, width) of the scene; what lies beyond it is dropped.
    """
    placed = np.full(window.shape, np.nan, dtype=np.float32)
    for windows, scores in blocks:
        for block, score in zip(windows, scores, strict=True):
            side = block.height
            if score.shape[0] != side:
                score = np.repeat(np.repeat(score, PATCH, axis=0), PATCH, axis=1)  # noqa: PLW2901 - patch -> pixels
            inside = block.clip(shape)
            placed[inside.slices((window.row, window.col))] = score[: inside.height, : inside.width]
    return placed
