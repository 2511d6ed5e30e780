"""A sheet of scenes as one PNG: above the picture, below it where a mask is right, misses cloud or sees too much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geocloud.raster import BoolArray, FloatArray

HIT, ALARM, MISS = (255, 255, 255), (230, 60, 50), (60, 110, 240)
"""Cloud found, clear called cloud, cloud called clear."""
COLUMNS = 4
MOST_PIXELS = 400
"""A side of a picture on the sheet; larger ones are thinned."""


@dataclass(frozen=True, slots=True)
class Case:
    """One scene."""

    name: str
    said: str
    """A line under it."""
    picture: FloatArray
    """(h, w, 3) reflectance red, green, blue, NaN where nodata."""
    called: BoolArray
    """(h, w) True = called cloud."""
    truth: BoolArray
    """(h, w) True = cloud."""
    known: BoolArray
    """(h, w) True where it was measured."""


def write_sheet(cases: Sequence[Case], path: Path, title: str) -> None:
    """Draw them, best read at full size."""
    from matplotlib.figure import Figure

    rows = -(-len(cases) // COLUMNS)
    figure = Figure(figsize=(3 * COLUMNS, 6.6 * rows + 0.6), dpi=110, layout="constrained")
    figure.suptitle(f"{title}\nwhite: cloud found · red: clear called cloud · blue: cloud missed · grey: not measured")
    axes = figure.subplots(2 * rows, COLUMNS, squeeze=False)
    for one in axes.ravel():
        one.set_axis_off()
    for number, case in enumerate(cases):
        row, column = 2 * (number // COLUMNS), number % COLUMNS
        above, below = axes[row, column], axes[row + 1, column]
        step = max(1, -(-max(case.truth.shape) // MOST_PIXELS))
        above.imshow(stretched(case.picture[::step, ::step]))
        above.set_title(_short(case.name), fontsize=7)
        below.imshow(verdict(case)[::step, ::step], interpolation="nearest")
        below.set_title(case.said, fontsize=8)
    figure.savefig(path)


def stretched(picture: FloatArray) -> NDArray[np.uint8]:
    """Reflectance 0..1 as a picture, the same for all scenes so that bright ones look bright; nodata black."""
    return (np.clip(np.nan_to_num(picture), 0, 1) ** (1 / 1.8) * 255).astype(np.uint8)


def verdict(case: Case) -> NDArray[np.uint8]:
    """(h, w, 3) the picture in dim grey, with what the mask did laid over."""
    grey = stretched(case.picture).mean(axis=2, keepdims=True) * 0.45
    drawn = np.broadcast_to(grey, case.picture.shape).astype(np.uint8).copy()
    for where, colour in (
        (case.called & case.truth, HIT),
        (case.called & ~case.truth, ALARM),
        (~case.called & case.truth, MISS),
    ):
        drawn[where & case.known] = colour
    drawn[~case.known] = 110
    return drawn


def _short(name: str) -> str:
    """A long product name in two lines."""
    return name if len(name) < 36 else f"{name[: len(name) // 2]}\n{name[len(name) // 2 :]}"
