"""Windows, georeferences, patch grids, and pixels in memory: the vocabulary of all other modules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A rectangle of whole pixels; row 0 is the scene's first row, column 0 its first column."""

    row: int
    """First row; may be negative for a window that reaches beyond the scene."""
    col: int
    """First column; may be negative."""
    height: int
    """Rows, at least 1."""
    width: int
    """Columns, at least 1."""

    def __post_init__(self) -> None:
        """ValueError for an empty window, so that other code can rely on at least one pixel."""
        if self.height < 1 or self.width < 1:
            raise ValueError(f"a window has at least 1x1 pixels, not {self.height}x{self.width}")

    @property
    def stop_row(self) -> int:
        """The row after the last."""
        return self.row + self.height

    @property
    def stop_col(self) -> int:
        """The column after the last."""
        return self.col + self.width

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width

    def grow(self, pixels: int) -> Window:
        """The window with `pixels` more on each of its four sides."""
        return Window(self.row - pixels, self.col - pixels, self.height + 2 * pixels, self.width + 2 * pixels)

    def clip(self, shape: tuple[int, int]) -> Window:
        """The part inside a scene of (height, width); ValueError if nothing is inside."""
        row, col = max(self.row, 0), max(self.col, 0)
        stop_row, stop_col = min(self.stop_row, shape[0]), min(self.stop_col, shape[1])
        return Window(row, col, stop_row - row, stop_col - col)

    def slices(self, origin: tuple[int, int] = (0, 0)) -> tuple[slice, slice]:
        """Row and column slices into an array whose first pixel is the scene's pixel `origin`."""
        row, col = self.row - origin[0], self.col - origin[1]
        return slice(row, row + self.height), slice(col, col + self.width)


Gcp = tuple[float, float, float, float, float]
"""A ground control point: row, column (pixels), x, y, z (units of the GCPs' CRS)."""


_IDENTITY = Affine.identity()


@dataclass(frozen=True, slots=True)
class Georef:
    """Grid and reference system of a scene."""

    shape: tuple[int, int]
    """(height, width) in pixels."""
    transform: Affine = _IDENTITY
    """(column, row) of a pixel's upper left corner -> (x, y) in the CRS; identity if there is none."""
    crs_wkt: str = ""
    """The CRS as WKT 2, of the transform or else of the GCPs; empty if the scene has none."""
    gcps: tuple[Gcp, ...] = ()
    """Ground control points, used if there is no transform."""

    @property
    def located(self) -> bool:
        """True if pixels can be placed on the Earth: there is a CRS, and a transform or GCPs."""
        return bool(self.crs_wkt) and (self.transform != _IDENTITY or bool(self.gcps))

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) of the four corners in CRS units, rotation included; not for GCP scenes."""
        height, width = self.shape
        corners = [self.transform @ corner for corner in ((0, 0), (width, 0), (width, height), (0, height))]
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def resolution(self) -> tuple[float, float]:
        """(x, y) size of a pixel in CRS units, always positive, rotation included."""
        a, b, _, d, e, _ = tuple(self.transform)[:6]
        return (a * a + d * d) ** 0.5, (b * b + e * e) ** 0.5


FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
ByteArray = NDArray[np.uint8]

CLEAR, CLOUD, NODATA = 0, 1, 255
"""Codes that every mask can hold; `geocloud.classes` has all codes."""


@dataclass(frozen=True, slots=True)
class Raster:
    """The pixels of a window of a scene."""

    data: FloatArray
    """(band, height, width) reflectance, 0 dark to about 1 bright; anything where `valid` is False."""
    valid: BoolArray
    """(height, width); True = data, False = nodata."""

    def __post_init__(self) -> None:
        """ValueError if the shapes do not agree."""
        if self.data.ndim != 3 or self.data.shape[1:] != self.valid.shape:
            raise ValueError(f"data {self.data.shape} and valid {self.valid.shape} are not of one window")


@dataclass(frozen=True, slots=True)
class PatchBatch:
    """Blocks that a scorer is given together, each with its halo, all of one size."""

    windows: tuple[Window, ...]
    """The window of each block in the scene, without halo; it may reach beyond the scene's edge."""
    data: FloatArray
    """(n, band, height + 2 halo, width + 2 halo) reflectance; nodata filled with the block's mean, edges reflected."""
    valid: BoolArray
    """(n, height + 2 halo, width + 2 halo); True = data of the scene, or their reflection."""
    bands: tuple[str, ...]
    """Names of the bands, in the order of axis 1."""
    pixel_size: float | None = None
    """Side in metres of a pixel as it is scored; None if unknown."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What an Unmixer finds in each pixel of a batch: maps of the blocks without their halo."""

    score: FloatArray
    """(n, h, w) exactly what `score` gives for the batch."""
    slope: FloatArray
    """(n, h, w) exponent of the cloud's brightness over wavelength: 0 white, below 0 bluish, above 0 brownish."""
    shadow: FloatArray | None
    """(n, h, w) logit of lying in cloud shadow; None: the model has no network for it."""
    snow: FloatArray
    """(n, h, w) evidence of snow, 0 to 1; meaningful where the pixel is no cloud."""
    surface: FloatArray
    """(n, band, h, w) reflectance of the ground without cloud and shadow, in the batch's order of bands."""


def spread(layer: NDArray[Any], step: int, shape: tuple[int, int]) -> NDArray[Any]:
    """Expand a map of squares to pixels: (..., h, w) becomes (..., *shape).

    Each value is repeated step x step times; what goes beyond `shape` is cut off.
    """
    pixels = np.repeat(np.repeat(layer, step, axis=-1), step, axis=-2) if step > 1 else layer
    return pixels[..., : shape[0], : shape[1]]


PATCH = 64
"""Side of a patch in pixels, as in the paper."""


@dataclass(frozen=True, slots=True)
class PatchGrid:
    """Blocks of `block` x `block` patches, anchored at the scene's first pixel, in row-major order.

    The last block of a row or column holds only the patches that touch the scene. The last patch may reach beyond the
    scene: the tiler fills that part by reflection and the stitcher drops it. So every pixel of the scene lies in
    exactly one block.
    """

    shape: tuple[int, int]
    """(height, width) of the scene in pixels."""
    block: int = 1
    """Patches along each side of a block; 1 makes a block one patch."""
    pixel_size: float | None = None
    """Side of its pixels in metres; None if unknown."""

    def __post_init__(self) -> None:
        """ValueError for an empty scene or block."""
        if min(self.shape) < 1 or self.block < 1:
            raise ValueError(f"a grid needs a scene and a block of at least 1, not {self.shape} and {self.block}")

    @property
    def side(self) -> int:
        """Side of a block in pixels."""
        return self.block * PATCH

    @property
    def rows(self) -> int:
        """Number of rows of blocks."""
        return -(-self.shape[0] // self.side)

    @property
    def cols(self) -> int:
        """Number of blocks per row."""
        return -(-self.shape[1] // self.side)

    def __len__(self) -> int:
        """Number of blocks."""
        return self.rows * self.cols

    def window(self, row: int, col: int) -> Window:
        """The whole patches of block (row, col): a square, except at the scene's last rows and columns."""
        row, col = row * self.side, col * self.side
        height, width = (-(-size // PATCH) * PATCH for size in self.shape)
        return Window(row, col, min(self.side, height - row), min(self.side, width - col))

    def __iter__(self) -> Iterator[Window]:
        """All blocks in row-major order."""
        return (self.window(row, col) for row in range(self.rows) for col in range(self.cols))

    def touching(self, window: Window) -> Window:
        """The blocks that touch a window of the scene, as one window, clipped to the scene."""
        row, col = window.row // self.side * self.side, window.col // self.side * self.side
        stop_row, stop_col = (-(-stop // self.side) * self.side for stop in (window.stop_row, window.stop_col))
        return Window(row, col, stop_row - row, stop_col - col).clip(self.shape)

    def segments(self, max_pixels: int, blocks: Window | None = None) -> Iterator[Window]:
        """Runs of neighbouring blocks of one row of blocks, in row-major order, each as a window clipped to the scene.

        Each run holds at most `max_pixels` pixels, but at least one block, so that memory depends neither on the
        scene's height nor on its width.

        Args:
            max_pixels: per run.
            blocks: window of whole blocks to go through, from `touching`; None: all blocks.
        """
        run = max(1, max_pixels // self.side**2) * self.side
        area = blocks or Window(0, 0, *self.shape)
        for row in range(area.row, area.stop_row, self.side):
            for col in range(area.col, area.stop_col, run):
                yield Window(row, col, self.side, min(run, area.stop_col - col)).clip(self.shape)
