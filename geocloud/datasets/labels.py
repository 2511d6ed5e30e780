"""Human labels: rasters of codes on the grid of a scene."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from geocloud.datasets.folder import SUFFIXES, DataFile
from geocloud.errors import InputError, UsageError
from geocloud.raster import CLOUD, NODATA, BoolArray, FloatArray
from geocloud.readers.files.opening import open_raster, read_errors


@dataclass(frozen=True, slots=True)
class LabelCodes:
    """What the codes of a label raster mean."""

    cloud: tuple[int, ...] = ()
    """Codes of cloud; empty: every code above 0 that is not ignored."""
    ignore: tuple[int, ...] = ()
    """Codes of pixels that are not measured."""
    covers: float = 1.0
    """Share of the scene's height and width, about its middle, that the raster shows enlarged; the rest is unknown."""


def find_labels(data: Path, given: str | os.PathLike[str] | None) -> Path | None:
    """The folder of labels: the given one, or `labels` beside or in the data folder where there is `images` too."""
    if given is not None:
        folder = Path(given)
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder of labels")
        return folder
    if data.name == "images" and (data.parent / "labels").is_dir():
        return data.parent / "labels"
    return data / "labels" if (data / "images").is_dir() and (data / "labels").is_dir() else None


def pair_labels(files: Sequence[DataFile], labels: Path, suffix: str = "") -> list[tuple[DataFile, Path]]:
    """Each scene with the label of its stem, `suffix` left out of it.

    Where scenes lie in a folder `images` beside that of the labels, others are none of theirs.

    Raises:
        InputError: not one has a label.
    """
    by_stem = {path.stem: path for path in sorted(labels.iterdir()) if path.suffix.lower() in SUFFIXES}
    scenes = [file for file in files if labels not in file.path.parents]
    scenes = [file for file in scenes if labels.parent / "images" in file.path.parents] or scenes
    pairs = [(file, by_stem[stem]) for file in scenes if (stem := file.stem.removesuffix(suffix)) in by_stem]
    if not pairs:
        names = ", ".join(file.stem for file in scenes[:2]), ", ".join(sorted(by_stem)[:2])
        raise InputError(
            f"no label in {labels} has the name of a scene (scenes such as {names[0] or 'none'}; labels such "
            f"as {names[1] or 'none'})"
        )
    return pairs


def cloudy_classes(classes: Sequence[str], chosen: Sequence[str]) -> tuple[str, ...]:
    """The classes that show cloud: those chosen, else those named so; none where all data are clear."""
    unknown = [name for name in chosen if name not in classes]
    if unknown:
        raise UsageError(f"cloudy class {unknown[0]!r} is not among the classes {', '.join(classes)}")
    return tuple(chosen) or tuple(name for name in classes if name.lower().startswith("cloud"))


def read_truth(path: Path, codes: LabelCodes) -> tuple[BoolArray, BoolArray]:
    """(height, width) True = cloud, and True = labelled; InputError where 255 may be either cloud or no data."""
    values = read_codes(path)
    if not codes.cloud and not codes.ignore and {1, 255} <= set(np.unique(values).tolist()):
        raise InputError(
            f"{path} holds 1 and 255, so 255 may be cloud or no data; say which, as with --cloud-codes 1 "
            "--ignore-codes 255"
        )
    known = ~np.isin(values, codes.ignore)
    cloud = np.isin(values, codes.cloud) if codes.cloud else values > 0
    cloud, known = shrink(cloud & known, codes.covers), shrink(known, codes.covers)
    return cloud, known


def shrink(plane: BoolArray, covers: float) -> BoolArray:
    """(height, width) a plane shrunk about its middle to a share of its sides, nearest pixel, False around it."""
    if covers == 1:
        return plane
    sources = [np.floor((np.arange(size) + 0.5 - size / 2) / covers + size / 2).astype(int) for size in plane.shape]
    inside = [(source >= 0) & (source < size) for source, size in zip(sources, plane.shape, strict=True)]
    rows, columns = (source.clip(0, size - 1) for source, size in zip(sources, plane.shape, strict=True))
    shrunk: BoolArray = plane[np.ix_(rows, columns)] & np.logical_and.outer(*inside)
    return shrunk


def read_mask(path: Path, shape: tuple[int, ...]) -> tuple[FloatArray, BoolArray]:
    """A mask as scores, 1 cloud and 0 not, and True = valid."""
    values = read_codes(path)
    if values.shape != shape:
        raise InputError(f"{path} has the shape {values.shape}, its label {shape}; they must lie on one grid")
    return (values == CLOUD).astype(np.float32), values != NODATA


def read_codes(path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """(height, width) of the first band; InputError where it cannot be read."""
    with open_raster(str(path)) as raster, read_errors(str(path)):
        values: np.ndarray[tuple[int, int], np.dtype[np.int64]] = raster.read(1).astype(np.int64)
        return values


Fit = Literal["resize", "cut"]
"""How a picture becomes patches: resized to one, as in the paper, or cut at its own pixels. Scenes are always cut."""
Tag = Literal["clear", "cloudy"]
