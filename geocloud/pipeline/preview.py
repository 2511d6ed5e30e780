"""The quicklook: a small picture of scene and mask side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from geocloud.classes import CLASSES, ClassName
from geocloud.pipeline.tiling import Segment, coarse_shape
from geocloud.raster import CLEAR, NODATA, ByteArray

MAX_SIDE = 900
_SWATCH, _LETTERS, _LINE = 14, 14, 24
"""Height in pixels of a legend's squares, letters and lines."""
_NODATA_GREY = 90
_DIM = 0.35
"""Share of the brightness that is kept outside an area of interest."""
_TINT = 0.55
"""Share of the class's colour in a pixel of the mask; the rest is the scene."""


class Preview:
    """Gathers every nth pixel of a scene as its segments are read; at most MAX_SIDE pixels per side."""

    def __init__(
        self, shape: tuple[int, int], bands: Sequence[str], factor: int = 1, first: tuple[int, int] = (0, 0)
    ) -> None:
        """Create an empty picture.

        Args:
            shape: (height, width) in pixels of what is shown, the scene or a part of it.
            bands: of the segments. Red, green and blue are drawn, and the first band in place of one that is missing.
            factor: a segment's pixels are the means of squares of so many pixels per side.
            first: (row, column) in the scene of the first pixel that is shown.
        """
        shape = coarse_shape(shape, factor)
        self._first = first[0] // factor, first[1] // factor
        self.step = max(1, -(-max(shape) // MAX_SIDE))
        self._channels = [list(bands).index(band) if band in bands else 0 for band in ("red", "green", "blue")]
        self._rgb = np.full((3, *(-(-side // self.step) for side in shape)), np.nan, dtype=np.float32)

    def add(self, segment: Segment) -> None:
        """Take the segment's pixels whose row and column, counted from the first ones, are multiples of the step."""
        window = segment.window
        rows, cols = (
            _multiples(start - first, stop - first, self.step, size)
            for start, stop, first, size in (
                (window.row, window.stop_row, self._first[0], self._rgb.shape[1]),
                (window.col, window.stop_col, self._first[1], self._rgb.shape[2]),
            )
        )
        if not len(rows) or not len(cols):
            return
        here = [numbers * self.step + first - origin for numbers, first, origin in
                zip((rows, cols), self._first, segment.origin, strict=True)]  # fmt: skip
        at = np.ix_(*here)
        data = np.stack([segment.raster.data[channel][at] for channel in self._channels])
        data[:, ~segment.raster.valid[at]] = np.nan
        self._rgb[:, rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] = data

    def picture(self) -> NDArray[np.uint8]:
        """(h, w, 3) uint8, nodata grey; stretched so that ground stays visible beside bright cloud and snow."""
        finite = self._rgb[np.isfinite(self._rgb)]
        low, middle, high = np.percentile(finite, (1, 50, 99)) if finite.size else (0.0, 0.5, 1.0)
        high = min(high, low + 5 * (middle - low) + 0.05)
        stretched = np.clip((self._rgb - low) / max(high - low, 1e-6), 0, 1) ** (1 / 1.8) * 255
        return np.nan_to_num(stretched, nan=_NODATA_GREY).astype(np.uint8).transpose(1, 2, 0)


def _multiples(start: int, stop: int, step: int, count: int) -> NDArray[np.intp]:
    """The numbers n in 0..count-1 for which n * step lies in start..stop-1."""
    return np.arange(max(0, -(-start // step)), min(count, -(-stop // step)))


def _legend(classes: Sequence[ClassName], width: int) -> NDArray[np.uint8]:
    """(h, width, 3) uint8 legend: a square of each class's colour with its name, in as many lines as needed."""
    font, places, left, line = ImageFont.load_default(size=_LETTERS), [], 8, 0
    for entry in (one for one in CLASSES if one.key in classes):
        needed = _SWATCH + 6 + int(font.getlength(entry.name))
        if left > 8 and left + needed > width:
            left, line = 8, line + 1
        places.append((entry, left, line * _LINE))
        left += needed + 16
    strip = Image.new("RGB", (width, (line + 1) * _LINE), "white")
    draw = ImageDraw.Draw(strip)
    for entry, x, y in places:
        top = y + (_LINE - _SWATCH) // 2
        draw.rectangle((x, top, x + _SWATCH, top + _SWATCH), fill=entry.colour[:3])
        draw.text((x + _SWATCH + 6, y + _LINE // 2), entry.name, fill="black", font=font, anchor="lm")
    return np.asarray(strip)


def write_side_by_side(
    path: Path,
    picture: NDArray[np.uint8],
    mask: ByteArray,
    tags: Mapping[str, str],
    classes: Sequence[ClassName] = ("cloud",),
    *,
    dim: bool = False,
) -> None:
    """Write a PNG with the scene on the left, and on the right the scene with its mask in colour.

    Args:
        path: of the PNG.
        picture: (h, w, 3) the scene.
        mask: (h, w) codes.
        tags: become the PNG's texts.
        classes: of the mask; a legend is added if there are several.
        dim: darken both where the mask is nodata, as outside an area of interest.
    """
    scene = np.where((mask == NODATA)[..., None] & dim, _DIM, 1) * picture.astype(np.float32)
    tinted = scene.copy()
    for entry in CLASSES:
        if entry.code not in (CLEAR, NODATA):
            inside = mask == entry.code
            tinted[inside] = (1 - _TINT) * tinted[inside] + _TINT * np.array(entry.colour[:3])
    gap = np.full((picture.shape[0], 6, 3), 255, dtype=np.uint8)
    both = np.concatenate([scene.astype(np.uint8), gap, tinted.astype(np.uint8)], axis=1)
    if len(classes) > 1:
        both = np.concatenate([both, _legend(classes, both.shape[1])])
    texts = PngInfo()
    for key, text in tags.items():
        texts.add_itxt(key, text)
    Image.fromarray(both).save(path, format="PNG", pnginfo=texts)
