"""Training scenes with tags of patches: loading, random crops, augmentation of radiometry and bands.

A tag is what a person sees in a whole patch at a glance: wholly clear, wholly cloud, or neither. Here tags are derived
from label files, whose pixels are then discarded. For a supervised model the pixels are kept instead.
"""

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from numpy.typing import NDArray
from torch import Generator, Tensor

from geocloud.datasets.labels import shrink
from geocloud.models.networks.cells import BANDS
from geocloud.raster import CLEAR, CLOUD
from geocloud.readers.files.opening import open_raster
from geocloud.training.unmix.simulator import chance, uniform

UNKNOWN = 2
"""Value in labels besides CLEAR and CLOUD."""
LabelUse = Literal["tags", "labels"]
Stored = NDArray[Any]
"""An array as stored in a file: integers or floats."""
BAND_JITTER = (0.02, 0.02, 0.02, 0.06, 0.10, 0.10, 0.20)
"""Standard deviation of the log gain per band: the fewer scenes have a band, the less its level can be trusted. In
visible bands it is small, because snow differs from cloud by slight colour."""
PATH = (0.08, 0.045, 0.022, 0.008, 0.0, 0.0, 0.0)
"""Reflectance of clean air per band, by Rayleigh scattering at nadir: TOA less surface reflectance."""
CATALOGUE_WHITE, CATALOGUE_SCALES = 0.9, (1.0, 0.9)
"""The catalogue's stretch is not documented. Its pictures are used a little brighter than 8-bit pictures are read:
clear ground elsewhere may be brighter than any of theirs (docs/ablation.md)."""
IMAGES = (".png", ".tif", ".webp")
CATALOGUE_COVERS = 8 / 9
"""Labels of the catalogue show the middle eight ninths of each picture, enlarged to its size (docs/accuracy.md)."""


@dataclass(frozen=True, slots=True)
class TrainingScene:
    """One scene in memory."""

    name: str
    """File stem; scenes are split by it."""
    source: str
    """Data set that it comes from; sampling weights are per source."""
    data: Tensor
    """(band, h, w) float16 reflectance in the first bands of BANDS."""
    target: Tensor
    """(h, w) float16, 0 clear to 1 cloud, by tags, labels or a teacher."""
    weight: Tensor
    """(h, w) float16 weight of the target: 1 labelled, 0 unknown, in between: a teacher's confidence."""
    bands: tuple[int, ...]
    """Numbers of bands that it may be used with: (3, 4) means RGB, or RGB and NIR."""
    scales: tuple[float, ...] = (1.0,)
    """Factors that its reflectance may be multiplied by."""
    snow: bool = False
    """Whether it is tagged as having snow."""
    place: str = ""
    """Name of its place: scenes of one place share their sampling weight. Empty: it shares with none."""


def tags_of(label: NDArray[np.uint8], patch: int = 64) -> NDArray[np.uint8]:
    """(h, w) the label, UNKNOWN in every patch that is not wholly of one class."""
    tagged = np.full_like(label, UNKNOWN)
    for row in range(0, label.shape[0], patch):
        for column in range(0, label.shape[1], patch):
            window = (slice(row, row + patch), slice(column, column + patch))
            for value in (CLEAR, CLOUD):
                if (label[window] == value).all():
                    tagged[window] = value
    return tagged


def realigned(known: NDArray[np.uint8], covers: float) -> NDArray[np.uint8]:
    """(h, w) labels, shrunk about their middle to the share `covers` of their sides; UNKNOWN around that."""
    clear, cloud = (shrink(known == value, covers) for value in (CLEAR, CLOUD))
    return np.where(cloud, CLOUD, np.where(clear, CLEAR, UNKNOWN)).astype(np.uint8)


def load_folder(folder: Path, supervision: LabelUse, *, place: bool = False) -> list[TrainingScene]:
    """All images of one of FOLDER_FORMATS, in order of name, with their tags or labels.

    The images of its folder ``clear`` follow, if there is one: the same places without any cloud.

    Args:
        folder: the folder, with ``images``, ``labels`` of the same file stems, perhaps ``clear`` and ``tags.csv``.
        supervision: whether to keep tags of patches or labels of pixels.
        place: move the labels of the catalogue to where they belong, rather than use them as delivered.
    """
    stored = FOLDER_FORMATS[folder.name]
    labels = {path.stem: path for path in _rasters(folder / "labels")}
    scenes = []
    for image in _rasters(folder / "images"):
        data, label = stored.read(_read(image), _read(labels[image.stem])[0])
        known = tags_of(label, stored.patch) if supervision == "tags" else label
        if place and stored.covers < 1:
            known = realigned(known, stored.covers)
        scenes.append(replace(_scene(image.stem, folder.name, data, known, _counts(data)), scales=stored.scales))
    if (folder / "clear").is_dir():
        scenes += load_clear(_rasters(folder / "clear"), folder.name)
    snowy = _snowy(folder / "tags.csv")
    return [replace(scene, place=place_of(scene.name), snow=scene.name in snowy) for scene in scenes]


def _snowy(tags: Path) -> frozenset[str]:
    """Names of the scenes that a table of tags marks as having snow; none if the file is missing."""
    if not tags.is_file():
        return frozenset()
    with tags.open(newline="", encoding="utf-8") as file:
        return frozenset(row["scene"] for row in csv.DictReader(file) if row.get("snow/ice") == "1")


def load_clear(files: list[Path], source: str, scale: float = 1e-4) -> list[TrainingScene]:
    """Images that are known to have no cloud, with bands in the order of BANDS; reflectance = DN * scale."""
    scenes = []
    for file in files:
        data = np.maximum(_read(file).astype(np.float32) * np.float32(scale), 0)
        known = np.full(data.shape[1:], CLEAR, np.uint8)
        scenes.append(_scene(file.stem, source, data, known, _counts(data)))
    return scenes


def place_of(name: str) -> str:
    """Name of a chip's acquisition: without the number of the chip at its end, as in `1158_spring_26_p100`."""
    return re.sub(r"_p\d+$", "", name)


def _rasters(folder: Path) -> list[Path]:
    """The image files of a folder, in order of name; other files, such as those of viewers, are ignored."""
    return sorted(path for path in folder.iterdir() if path.suffix in IMAGES)


def _counts(data: NDArray[np.float32]) -> tuple[int, ...]:
    """Numbers of bands that an image (band, h, w) may be used with."""
    return tuple(n for n in (3, 4, 6, 7) if n <= len(data))


def _scene(
    name: str, source: str, data: NDArray[np.float32], known: NDArray[np.uint8], bands: tuple[int, ...]
) -> TrainingScene:
    """A scene in which known pixels have weight 1 and others 0."""
    labelled = known != UNKNOWN
    arrays = data, np.where(labelled, known, 0), labelled
    half, target, weight = (torch.from_numpy(x.astype(np.float16)) for x in arrays)
    return TrainingScene(name, source, half, target, weight, bands)


def load_unlabelled(
    files: list[Path],
    boxes: list[list[int]],
    scale: float = 1e-4,
    offset: float = 0,
    counts: tuple[int, ...] = (3, 4, 6),
) -> TrainingScene:
    """A scene of 4 to 6 bands, without labels but with boxes that a person saw to be clear or cloudy; nodata is 0.

    Args:
        files: one file of all bands, or one per band in the order of BANDS, resampled to the grid of the first.
        boxes: [top row, left column, bottom row, right column, CLEAR or CLOUD] each; bottom and right are excluded.
        scale: reflectance = DN * scale + offset.
        offset: see `scale`.
        counts: numbers of bands that it may be used with; those that it does not have are left out.
    """
    first = _read(files[0])
    planes = [first, *(_read(file, first.shape[1:]) for file in files[1:])]
    data = np.concatenate(planes).astype(np.float32) * np.float32(scale) + np.float32(offset)
    nodata = first[0] == 0
    data[:, nodata] = data[:, ~nodata].mean(1, keepdims=True)
    known = np.full(data.shape[1:], UNKNOWN, np.uint8)
    for top, left, bottom, right, value in boxes:
        known[top:bottom, left:right] = value
    name = files[0].stem if len(files) == 1 else files[0].parent.name
    return _scene(name, "scenes", data, known, tuple(n for n in counts if n <= len(data)))


def crop(scene: TrainingScene, size: int, rng: Generator) -> Tensor:
    """A random window of a scene, at a random resolution, flipped and rotated at random.

    Of two windows, the one with the higher mean weight is taken.

    Returns:
        (9, size, size): the seven bands (missing ones 0), the target, and the weight of the target.
    """
    longest = min(scene.target.shape)
    scale = float(torch.exp(uniform((1,), -0.6, 0.45, rng))) if torch.rand(1, generator=rng) < 0.6 else 1.0
    span = min(max(16, round(size / scale)), longest)
    top, left = max(
        _corner(scene, span, rng), _corner(scene, span, rng), key=lambda corner: mean_weight(scene, corner, span)
    )
    planes = cut(scene, top, left, span)
    if span != size:
        planes = F.interpolate(planes[None], (size, size), mode="bilinear", antialias=span > size)[0]
    return turn(planes, rng)


def _corner(scene: TrainingScene, span: int, rng: Generator) -> tuple[int, int]:
    """Top row and left column of a random window of span x span pixels."""
    top, left = (int(torch.randint(0, n - span + 1, (1,), generator=rng)) for n in scene.target.shape)
    return top, left


def mean_weight(scene: TrainingScene, corner: tuple[int, int], span: int) -> float:
    """Mean weight of a window with this top left corner, from one of each 8x8 pixels: tags are of whole patches."""
    top, left = corner
    return float(scene.weight[top : top + span : 8, left : left + span : 8].float().mean())


def known_clear(target: Tensor, weight: Tensor) -> Tensor:
    """1 where a pixel is labelled clear, else 0; target and weight have one shape, any, which is that of the result."""
    return ((target < 0.01) & (weight > 0.99)).float()


def cut(scene: TrainingScene, top: int, left: int, span: int) -> Tensor:
    """(9, span, span) the seven bands (missing ones 0), target and weight of a window."""
    window = (slice(top, top + span), slice(left, left + span))
    bands = scene.data[:, *window].float()
    missing = bands.new_zeros(len(BANDS) - len(bands), span, span)
    return torch.cat([bands, missing, scene.target[window].float()[None], scene.weight[window].float()[None]])


def turn(planes: Tensor, rng: Generator) -> Tensor:
    """(c, size, size) the planes, flipped and rotated at random."""
    flipped = planes.flip(-1) if torch.rand(1, generator=rng) < 0.5 else planes
    return torch.rot90(flipped, int(torch.randint(0, 4, (1,), generator=rng)), (-2, -1))


def overcast(scenes: list[TrainingScene], size: int, step: int = 64) -> list[tuple[TrainingScene, int, int]]:
    """All windows (scene, top, left) of size x size pixels, one every `step`, that are labelled cloud throughout."""
    found = []
    for scene in scenes:
        height, width = scene.target.shape
        cloud = (scene.target > 0.5) & (scene.weight == 1)
        corners = product(range(0, height - size + 1, step), range(0, width - size + 1, step))
        found += [(scene, y, x) for y, x in corners if cloud[y : y + size, x : x + size].all()]
    return found


def draw_bands(counts: tuple[int, ...], rng: Generator) -> Tensor:
    """(7,) 1 for bands that are present: a random one of these numbers of bands; sometimes with SWIR but no NIR."""
    count = counts[int(torch.randint(0, len(counts), (1,), generator=rng))]
    present = (torch.arange(len(BANDS)) < count).float()
    if count >= 6 and torch.rand(1, generator=rng) < 0.1:
        present[3] = 0
    return present


def choose_scale(scales: tuple[float, ...], rng: Generator) -> Tensor:
    """() a random one of the scales."""
    return torch.tensor(scales)[int(torch.randint(0, len(scales), (1,), generator=rng))]


def as_shown(
    scenes: list[TrainingScene], planes: Tensor, largest: float, unaugmented_share: float, rng: Generator
) -> Tensor:
    """(n, 7, h, w) augmented reflectance of a crop of each scene.

    Args:
        scenes: the n scenes.
        planes: (n, 9, h, w) a crop of each, as of `crop`.
        largest: see `change_radiometry`.
        unaugmented_share: share of the crops that stay as they are.
        rng: the source of all randomness.
    """
    scale = torch.stack([choose_scale(scene.scales, rng) for scene in scenes])
    changed = change_radiometry(planes[:, :7] * scale[:, None, None, None], largest, rng)
    return torch.where(chance(len(planes), unaugmented_share, rng), planes[:, :7], changed)


def change_radiometry(x: Tensor, largest: float, rng: Generator) -> Tensor:
    """(n, 7, h, w) reflectance with random gains of scene and band, gamma and air; half of the crops are clipped to 1.

    They are so, like 8-bit pictures, with an even chance each. Gains of scenes are exp(-largest) to exp(largest).
    """
    n = len(x)
    jitter = torch.tensor(BAND_JITTER).view(1, -1, 1, 1) * torch.randn((n, x.shape[1], 1, 1), generator=rng)
    gain = torch.exp(uniform((n, 1, 1, 1), -largest, largest, rng) + jitter)
    gamma = torch.exp(0.04 * torch.randn((n, 1, 1, 1), generator=rng))
    top = torch.where(torch.rand((n, 1, 1, 1), generator=rng) < 0.5, 1.0, 1.5)
    amount = uniform((n, 1, 1, 1), -0.9, 0.5, rng) * (torch.rand((n, 1, 1, 1), generator=rng) < 0.4)
    air = torch.tensor(PATH).view(1, -1, 1, 1) * amount * (x.amax((2, 3), keepdim=True) > 0)
    changed = (x.clamp(min=1e-4) ** gamma) * gain
    return torch.minimum((changed * (1 - air) + air).clamp(min=0), top)


def _read(path: Path, shape: tuple[int, ...] | None = None) -> Stored:
    """(band, h, w) as stored, or brought to another height and width by nearest neighbour."""
    with open_raster(str(path)) as file:
        return np.asarray(file.read(out_shape=(file.count, *(shape or file.shape))))


def _catalogue(image: Stored, label: Stored) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Sentinel-2 Cloud Mask Catalogue: 8-bit red, green, blue; any non-zero label is cloud."""
    return image[2::-1].astype(np.float32) * np.float32(CATALOGUE_WHITE / 255), (label > 0).astype(np.uint8)


def _biome(image: Stored, label: Stored) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """L8 Biome: seven bands of reflectance (the eighth is thermal); 192 and 255 are cloud, 0 is fill."""
    known = np.where(label >= 192, CLOUD, CLEAR)
    return image[:7].astype(np.float32), np.where(label == 0, UNKNOWN, known).astype(np.uint8)


def _pairs(image: Stored, label: Stored) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """SEN12MS-CR: seven bands x10000; 1 cloud, 2 thin cloud, 255 unknown; clear ground, shadow and snow else."""
    known = np.where(np.isin(label, (1, 2)), CLOUD, CLEAR)
    return image.astype(np.float32) / np.float32(10000), np.where(label == 255, UNKNOWN, known).astype(np.uint8)


def _chips(image: Stored, label: Stored) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Cloud chips: four bands x10000; 255 is unknown."""
    known = np.where(label == 255, UNKNOWN, label).astype(np.uint8)
    return image[:4].astype(np.float32) / np.float32(10000), known


@dataclass(frozen=True, slots=True)
class FolderFormat:
    """How one of the labelled folders is read."""

    read: Callable[[Stored, Stored], tuple[NDArray[np.float32], NDArray[np.uint8]]]
    """From an image (band, h, w) and its label (h, w) as stored: reflectance, and CLEAR, CLOUD or UNKNOWN."""
    patch: int = 64
    """Pixels along each side of the patches that are tagged."""
    scales: tuple[float, ...] = (1.0,)
    """Factors its reflectance may be shown with."""
    covers: float = 1.0
    """Share of a picture's sides that its labels show, about its middle."""


_CATALOGUE = FolderFormat(_catalogue, scales=CATALOGUE_SCALES, covers=CATALOGUE_COVERS)
FOLDER_FORMATS = {
    "s2cmc": _CATALOGUE,
    "s2cmc_more": _CATALOGUE,
    "l8biome": FolderFormat(_biome),
    "s2chips": FolderFormat(_chips),
    "sen12mscr": FolderFormat(_pairs, patch=32),
}
"""Folders under ``labelled`` that a recipe may name."""
