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
    """Label rasters that tag patches of scenes: clear if no pixel of a patch is cloud, cloudy if all are."""

    files: Mapping[str, Path]
    """Name of a scene -> path of its label; scenes without a label are left out."""
    codes: LabelCodes
    wanted: Tag | None
    """Tag of the patches to take; None: all patches."""

    def choose(self, file: DataFile, windows: Sequence[Window]) -> list[Window]:
        """The windows of a scene in which every pixel is labelled and has the wanted tag."""
        if self.wanted is None:
            return list(windows)
        cloud, known = read_truth(self.files[file.name], self.codes)
        matches = cloud if self.wanted == "cloudy" else ~cloud
        return [w for w in windows if (matches & known)[w.slices()].all()]


@dataclass(frozen=True, slots=True)
class PatchRequest:
    """Which patches to cut."""

    bands: tuple[str, ...] = PICTURE_BANDS
    """Bands that every file must have, in channel order."""
    optional_bands: tuple[str, ...] = ()
    """Bands that may be missing, in channel order after `bands`."""
    fit: Fit = "cut"
    limit: int = 10_000
    """Largest number of patches; if there are more, equally many are drawn from each file, by the seed."""
    seed: int = 0
    scene: SceneOptions = field(default_factory=SceneOptions)
    """How scenes are read."""
    labels: LabelTags | None = None
    """For labelled scenes: which patches to take; None: all."""

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
    """(n, channel) False where the file lacks that band."""
    files: tuple[str, ...]
    """(n,) name of the file that each patch was cut from."""
    tags: TagArray
    """(n,) number of the tag of each, as in TAG_NUMBERS, or of its class."""

    def __len__(self) -> int:
        """Number of patches."""
        return len(self.files)


def cut_patches(
    data: DataSet, files: Sequence[DataFile], request: PatchRequest, progress: Progress = no_progress
) -> Patches:
    """All patches of the files that have no nodata, or `request.limit` of them.

    Raises:
        InputError: a file cannot be read or lacks a band, or no patch is left.
    """
    share = max(1, -(-request.limit // len(files)))
    pieces: list[Piece] = []
    names: list[str] = []
    for i, file in enumerate(files):
        cut = _cut_scene if request.labels or data.is_scene(file) else _cut_picture
        cut_pieces = cut(data, file, request, share)
        pieces += cut_pieces
        names += [file.name] * len(cut_pieces)
        progress(i + 1, len(files), "reading")
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
    """All patches of the parts, in order."""
    data, present, tags = (np.concatenate([getattr(p, name) for p in parts]) for name in ("data", "present", "tags"))
    return Patches(data, present, tuple(name for part in parts for name in part.files), tags)


def take(patches: Patches, chosen: BoolArray) -> Patches:
    """The patches where `chosen` (n,) is True."""
    files = tuple(name for name, keep in zip(patches.files, chosen, strict=True) if keep)
    return Patches(patches.data[chosen], patches.present[chosen], files, patches.tags[chosen])


def by_bands(patches: Patches, channels: Sequence[str]) -> Iterator[tuple[FloatArray, tuple[str, ...]]]:
    """Groups of patches (n, band, 64, 64) that have the same bands, each with the names of these."""
    for present in np.unique(patches.present, axis=0):
        alike = (patches.present == present).all(axis=1)
        yield patches.data[alike][:, present], tuple(compress(channels, present))


def _cut_picture(data: DataSet, file: DataFile, request: PatchRequest, share: int) -> list[Piece]:
    """The whole picture resized to one patch, or the patches of its grid; small pictures are always resized."""
    picture = data.read(file, PATCH if request.fit == "resize" else None)
    if min(picture.shape[1:]) < PATCH:
        picture = data.read(file, PATCH)
    windows = _whole_windows(picture.shape[1:])
    chosen = _draw(len(windows), share, request.seed, file.name)
    return [_arrange(picture[:, *windows[i].slices()], PICTURE_BANDS, request, file) for i in chosen]


def _cut_scene(data: DataSet, file: DataFile, request: PatchRequest, share: int) -> list[Piece]:  # noqa: ARG001
    """At most `share` patches of the scene's grid without nodata, in random order."""
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
    """The patch with its bands in channel order, 0 in optional bands that are missing; InputError for others."""
    _require(request.bands, bands, file)
    patch = np.zeros((len(request.channels), PATCH, PATCH), dtype=np.float32)
    for channel, band in enumerate(request.channels):
        if band in bands:
            patch[channel] = data[bands.index(band)]
    return patch, np.array([band in bands for band in request.channels])


def _require(wanted: Sequence[str], available: Sequence[str], file: DataFile) -> None:
    """InputError if a wanted band is missing."""
    missing = [band for band in wanted if band not in available]
    if missing:
        raise InputError(
            f"{file.name} has no {', '.join(missing)} among its bands {', '.join(available)}; leave it out, or name "
            "other --channels"
        )


def _whole_windows(shape: Sequence[int]) -> list[Window]:
    """The windows of the patch grid that lie wholly inside a raster of this shape (rows, columns)."""
    height, width = shape
    return [w for w in PatchGrid((height, width)) if w.stop_row <= height and w.stop_col <= width]


def _draw(count: int, limit: int, seed: int, name: str) -> list[int]:
    """At most `limit` of the numbers below `count`, in a random order that depends on seed and name.

    If all fit and the name is `all`, they are in ascending order.
    """
    if count <= limit and name == "all":
        return list(range(count))
    generator = np.random.default_rng([seed, *name.encode()])
    return [int(i) for i in generator.permutation(count)[:limit]]
