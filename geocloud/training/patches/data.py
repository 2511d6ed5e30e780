"""Training patches, cut from pictures and scenes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geocloud.datasets.folder import PICTURE_BANDS, DataFile, DataSet
from geocloud.datasets.labels import Fit, LabelCodes, Tag, read_truth
from geocloud.errors import InputError
from geocloud.progress import Progress, no_progress
from geocloud.raster import PATCH, BoolArray, FloatArray, PatchGrid, Window
from geocloud.readers import SceneOptions, open_scene

TagArray = NDArray[np.int64]
TAG_NUMBERS: dict[Tag, int] = {"clear": 0, "cloudy": 1}
Piece = tuple[FloatArray, BoolArray]
"""A patch (channel, 64, 64) and which channels it has."""


@dataclass(frozen=True, slots=True)
class LabelTags:
    """Label rasters that tag the patches of scenes: clear where none of a patch is cloud, cloudy where all of it is."""

    files: Mapping[str, Path]
    """Name of each scene to its label; scenes without one are left out."""
    codes: LabelCodes
    wanted: Tag | None
    """None: any patch."""

    def choose(self, file: DataFile, windows: Sequence[Window]) -> list[Window]:
        """The patches of a scene that have the wanted tag throughout, by wholly known labels."""
        if self.wanted is None:
            return list(windows)
        cloud, known = read_truth(self.files[file.name], self.codes)
        shows = cloud if self.wanted == "cloudy" else ~cloud
        return [w for w in windows if (shows & known)[w.slices()].all()]


@dataclass(frozen=True, slots=True)
class PatchRequest:
    """What patches are wanted."""

    bands: tuple[str, ...] = PICTURE_BANDS
    """Bands every file must have, in channel order."""
    optional_bands: tuple[str, ...] = ()
    """Bands that may be missing, in channel order after `bands`."""
    fit: Fit = "cut"
    limit: int = 10_000
    """Most patches in all; where there are more, as many are drawn from each file, by the seed."""
    seed: int = 0
    scene: SceneOptions = field(default_factory=SceneOptions)
    """How scenes are to be read."""
    labels: LabelTags | None = None
    """Of labelled scenes: which patches are wanted; None: all."""

    @property
    def channels(self) -> tuple[str, ...]:
        """All bands in channel order."""
        return self.bands + self.optional_bands


@dataclass(frozen=True, slots=True)
class Patches:
    """Patches in memory."""

    data: FloatArray
    """(n, channel, 64, 64) reflectance; missing channels 0."""
    present: BoolArray
    """(n, channel); False = the file lacks that band."""
    files: tuple[str, ...]
    """Name of the file each patch was cut from."""
    tags: TagArray
    """(n,) number of what each shows: TAG_NUMBERS, or a class's."""

    def __len__(self) -> int:
        """Number of patches."""
        return len(self.files)


def cut_patches(
    data: DataSet, files: Sequence[DataFile], request: PatchRequest, progress: Progress = no_progress
) -> Patches:
    """All patches of the files, without any that touches nodata.

    Raises:
        InputError: a file cannot be read, lacks a band, or no patch is left.
    """
    share = max(1, -(-request.limit // len(files)))
    pieces: list[Piece] = []
    names: list[str] = []
    for done, file in enumerate(files):
        cut = _cut_scene if request.labels or data.is_scene(file) else _cut_picture
        found = cut(data, file, request, share)
        pieces += found
        names += [file.name] * len(found)
        progress(done + 1, len(files), "reading")
    wanted = request.labels.wanted if request.labels else None
    if not pieces:
        tag = f" that its label calls {wanted} throughout" if wanted else ""
        raise InputError(f"{data.path} gives no 64x64 patch without nodata{tag}; use more or larger scenes")
    chosen = _draw(len(pieces), request.limit, request.seed, "all")
    return Patches(
        np.stack([pieces[i][0] for i in chosen]),
        np.stack([pieces[i][1] for i in chosen]),
        tuple(names[i] for i in chosen),
        np.full(len(chosen), TAG_NUMBERS[wanted] if wanted else 0),
    )


def join_patches(parts: Sequence[Patches]) -> Patches:
    """All of them, in order."""
    data, present, tags = (np.concatenate([getattr(p, name) for p in parts]) for name in ("data", "present", "tags"))
    return Patches(data, present, tuple(name for part in parts for name in part.files), tags)


def take(patches: Patches, chosen: BoolArray) -> Patches:
    """Those that are chosen."""
    files = tuple(name for name, yes in zip(patches.files, chosen, strict=True) if yes)
    return Patches(patches.data[chosen], patches.present[chosen], files, patches.tags[chosen])


def by_bands(patches: Patches, channels: Sequence[str]) -> Iterator[tuple[FloatArray, tuple[str, ...]]]:
    """(n, band, 64, 64) patches that have the same bands, and the names of those."""
    for present in np.unique(patches.present, axis=0):
        alike = (patches.present == present).all(axis=1)
        yield patches.data[alike][:, present], tuple(compress(channels, present))


def _cut_picture(data: DataSet, file: DataFile, request: PatchRequest, share: int) -> list[Piece]:
    """One patch of the whole picture, or those on its grid; a picture smaller than a patch is always resized."""
    picture = data.read(file, PATCH if request.fit == "resize" else None)
    if min(picture.shape[1:]) < PATCH:
        picture = data.read(file, PATCH)
    windows = _whole_windows(picture.shape[1:])
    chosen = _draw(len(windows), share, request.seed, file.name)
    return [_arrange(picture[:, *windows[i].slices()], PICTURE_BANDS, request, file) for i in chosen]


def _cut_scene(data: DataSet, file: DataFile, request: PatchRequest, share: int) -> list[Piece]:  # noqa: ARG001
    """Patches on the scene's grid that are wholly data."""
    pieces: list[Piece] = []
    with open_scene(file.path, request.scene) as scene:
        _require(request.bands, scene.bands, file)
        bands = tuple(band for band in request.channels if band in scene.bands)
        windows = _whole_windows(scene.georef.shape)
        if request.labels:
            windows = request.labels.choose(file, windows)
        for i in _draw(len(windows), len(windows), request.seed, file.name):
            raster = scene.read(windows[i], bands)
            if raster.valid.all():
                pieces.append(_arrange(raster.data, bands, request, file))
            if len(pieces) == share:
                break
    return pieces


def _arrange(data: FloatArray, bands: Sequence[str], request: PatchRequest, file: DataFile) -> Piece:
    """The patch in channel order, missing optional bands 0."""
    _require(request.bands, bands, file)
    patch = np.zeros((len(request.channels), PATCH, PATCH), dtype=np.float32)
    for channel, band in enumerate(request.channels):
        if band in bands:
            patch[channel] = data[bands.index(band)]
    return patch, np.array([band in bands for band in request.channels])


def _require(wanted: Sequence[str], there: Sequence[str], file: DataFile) -> None:
    """InputError where a band is missing."""
    missing = [band for band in wanted if band not in there]
    if missing:
        raise InputError(
            f"{file.name} has no {', '.join(missing)} among its bands {', '.join(there)}; leave it out, or name "
            "other --channels"
        )


def _whole_windows(shape: Sequence[int]) -> list[Window]:
    """The patches that lie wholly inside."""
    height, width = shape
    return [w for w in PatchGrid((height, width)) if w.stop_row <= height and w.stop_col <= width]


def _draw(count: int, limit: int, seed: int, name: str) -> list[int]:
    """At most `limit` of `count` numbers, in a random order fixed by seed and name; all in order where they fit."""
    if count <= limit and name == "all":
        return list(range(count))
    generator = np.random.default_rng([seed, *name.encode()])
    return [int(i) for i in generator.permutation(count)[:limit]]
