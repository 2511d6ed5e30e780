"""Patches -> scene grid: puts maps back in place and hands on rows that nothing can change any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geocloud.raster import BoolArray, FloatArray, PatchGrid, Window, spread

Layer = NDArray[Any]
"""A map of any type: (h, w), or (band, h, w); of batches with a leading n."""
Layers = Mapping[str, Layer]
"""Maps by name, SCORE always among them."""
SCORE = "score"


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """Full-width rows of a scene or of a part of it, final."""

    row: int
    """First row in the scene or part."""
    score: FloatArray
    """(rows, width), higher = cloudier, NaN where nodata."""
    valid: BoolArray
    """(rows, width), True = data."""
    own_valid: BoolArray
    """The same of the scene's own pixels, (rows * f, width * f) where squares of f pixels a side are scored as one."""
    further: Layers = field(default_factory=dict)
    """Further maps, (rows, width) or (band, rows, width); 0 where nodata. None of them where all rows are nodata."""

    def pieces(self, rows: int, factor: int = 1) -> Iterator[ScoredRows]:
        """The same from the top, in views of at most so many rows; `factor`: pixels along a side of what is scored."""
        for start in range(0, len(self.score), rows):
            part, own = slice(start, start + rows), slice(start * factor, (start + rows) * factor)
            further = {name: layer[..., part, :] for name, layer in self.further.items()}
            yield ScoredRows(self.row + start, self.score[part], self.valid[part], self.own_valid[own], further)

    def cut(self, rows: slice, cols: slice, first: int) -> ScoredRows:
        """Views of some rows and columns, the first row numbered `first`; not where squares are scored as one."""
        further = {name: layer[..., rows, cols] for name, layer in self.further.items()}
        return ScoredRows(first, self.score[rows, cols], self.valid[rows, cols], self.own_valid[rows, cols], further)


class Stitcher:
    """Collects one block row at a time; its memory is one block row of the scene."""

    def __init__(self, grid: PatchGrid, blocks: Window | None = None) -> None:
        """Start at the first of some whole blocks of the scene; None: of all."""
        self.grid, self._blocks = grid, blocks or Window(0, 0, *grid.shape)
        self._own: list[BoolArray] = []
        self._row, self._filled_to = self._blocks.row, self._blocks.col
        self._new_rows()

    def _new_rows(self) -> None:
        height = min(self.grid.side, self._blocks.stop_row - self._row)
        self._layers: dict[str, Layer] = {}
        if height > 0:
            self._valid = np.zeros((height, self._blocks.width), dtype=bool)

    def add(
        self, window: Window, layers: Layers, valid: BoolArray, own_valid: BoolArray | None = None
    ) -> ScoredRows | None:
        """Place a segment's maps, the segments coming row-major; returns the block row once it is complete.

        Args:
            window: the segment, inside the scene.
            layers: maps of (…, window.height, window.width), the same ones in each segment.
            valid: (window.height, window.width), True = data.
            own_valid: as in ScoredRows, of this segment; None: `valid`.

        Raises:
            ValueError: the segment is not the next one.
        """
        if (window.row, window.col) != (self._row, self._filled_to):
            raise ValueError(f"{window} is not next; row {self._row}, column {self._filled_to} is")
        rows, cols = window.slices((self._row, self._blocks.col))
        for name, layer in layers.items():
            if name not in self._layers:
                self._layers[name] = blank((*layer.shape[:-2], *self._valid.shape), layer.dtype)
            self._layers[name][..., rows, cols] = np.where(valid, layer, blank((), layer.dtype))
        self._valid[rows, cols] = valid
        self._own.append(valid if own_valid is None else own_valid)
        self._filled_to = window.stop_col
        if self._filled_to < self._blocks.stop_col:
            return None
        further = {name: layer for name, layer in self._layers.items() if name != SCORE}
        own = self._own[0] if len(self._own) == 1 else np.concatenate(self._own, axis=1)
        done = ScoredRows(self._row, self._layers[SCORE], self._valid, own, further)
        self._row, self._filled_to, self._own = window.stop_row, self._blocks.col, []
        self._new_rows()
        return done


def place_blocks(window: Window, blocks: Sequence[tuple[tuple[Window, ...], Layers]]) -> dict[str, Layer]:
    """Maps of blocks as arrays of (…, window.height, window.width), blank where no block was scored.

    Args:
        window: the segment the blocks belong to, inside the scene; what lies beyond it is dropped.
        blocks: windows and maps of each batch, per-pixel maps (n, ..., height, width), or
            per-patch maps (n, ..., height / 64, width / 64).
    """
    step = next((batch[0].height // layers[SCORE].shape[-2] for batch, layers in blocks), 1)
    height, width = (-(-side // step) for side in window.shape)
    placed = {SCORE: blank((height, width), np.dtype(np.float32))}
    for windows, layers in blocks:
        for name, layer in layers.items():
            if name not in placed:
                placed[name] = blank((*layer.shape[1:-2], height, width), layer.dtype)
            for block, part in zip(windows, layer, strict=True):
                row, col = (block.row - window.row) // step, (block.col - window.col) // step
                target = placed[name][..., row : row + part.shape[-2], col : col + part.shape[-1]]
                target[...] = part[..., : target.shape[-2], : target.shape[-1]]
    return {name: spread(layer, step, window.shape) for name, layer in placed.items()}


def blank(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Layer:
    """What a map holds where nothing was scored: NaN, or 0 for whole numbers."""
    return np.full(shape, np.nan if dtype.kind == "f" else 0, dtype=dtype)


def on_own_grid(rows: ScoredRows, factor: int, width: int) -> ScoredRows:
    """Rows of squares as rows of the scene's own pixels, `width` of them; nodata as the scene itself has it."""
    if factor == 1:
        return rows
    shape = len(rows.own_valid), width
    every = bool(rows.own_valid.all())

    def finer(layer: Layer) -> Layer:
        fine = spread(layer, factor, shape)
        return fine if every else np.where(rows.own_valid, fine, blank((), layer.dtype))

    further = {name: finer(layer) for name, layer in rows.further.items()}
    return ScoredRows(rows.row * factor, finer(rows.score), rows.own_valid, rows.own_valid, further)
