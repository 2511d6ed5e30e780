"""Simulated cloud over tagged scenes, on which a threshold can be chosen without any pixel labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from geocloud.models.networks.cells import BANDS
from geocloud.raster import PATCH, BoolArray, FloatArray
from geocloud.training.unmix.batches import CLEAR_OPACITY, CLOUD_OPACITY
from geocloud.training.unmix.simulator import simulate

CASE_CONTRAST = 0.03
"""Change of visible reflectance below which cloud is invisible, such as white over snow, so the truth is unknown."""
MAX_SIDE = 1024
"""Largest side of a scene, in pixels; of larger scenes the middle is used."""


@dataclass(frozen=True, slots=True)
class TaggedScene:
    """A scene whose patches are tagged."""

    name: str
    data: FloatArray
    """(band, h, w) reflectance."""
    bands: tuple[str, ...]
    clear: BoolArray
    """(h, w) True where it is tagged clear."""
    cloudy: BoolArray
    """(h, w) True where it is tagged cloudy; neither: unknown, or nodata."""


@dataclass(frozen=True, slots=True)
class SimulatedCase:
    """A scene, as it is or under simulated cloud, with its ground truth."""

    data: FloatArray
    """(band, h, w) reflectance, in those of the scene's bands that the simulator has."""
    bands: tuple[str, ...]
    truth: BoolArray
    """(h, w) True = cloud."""
    known: BoolArray
    """(h, w) True where the truth is known."""


def patch_tags(cloud: BoolArray, known: BoolArray) -> tuple[BoolArray, BoolArray]:
    """(h, w) True in wholly clear patches, and in wholly cloudy ones; a patch with an unknown pixel is neither.

    Args:
        cloud: (h, w) True where the labels have cloud.
        known: (h, w) True where the labels are known.
    """
    clear, cloudy = np.zeros_like(cloud), np.zeros_like(cloud)
    for row in range(0, cloud.shape[0], PATCH):
        for column in range(0, cloud.shape[1], PATCH):
            patch = (slice(row, row + PATCH), slice(column, column + PATCH))
            if known[patch].all():
                clear[patch], cloudy[patch] = not cloud[patch].any(), cloud[patch].all()
    return clear, cloudy


def simulate_case(scene: TaggedScene, draws: int, seed: int = 0) -> list[SimulatedCase]:
    """The scene as it is, and under each of `draws` simulated clouds, which depend only on its name and the seed.

    Patches tagged cloudy are always cloud. In patches tagged clear, pixels are cloud where the simulated cloud is dense
    and visible, clear where there is next to none, and unknown in between. The list is empty without any tagged patch.
    """
    scene = _known_bands(_middle(scene))
    known = scene.clear | scene.cloudy
    unchanged = [SimulatedCase(scene.data, scene.bands, scene.cloudy, known)] if known.any() else []
    if not scene.clear.any():
        return unchanged
    rng = torch.Generator().manual_seed(int.from_bytes(scene.name.encode()[-6:]) ^ seed)
    return unchanged + [_under_cloud(scene, rng) for _ in range(draws)]


def _under_cloud(scene: TaggedScene, rng: torch.Generator) -> SimulatedCase:
    """The scene under simulated cloud."""
    height, width = scene.clear.shape
    veil = simulate(1, max(height, width), rng)
    index = [BANDS.index(band) for band in scene.bands]
    clean = torch.zeros(1, len(BANDS), *veil.opacity.shape[2:])
    clean[0, index, :height, :width] = torch.from_numpy(scene.data)
    mixed = veil.over(clean)[0, index, :height, :width].clamp(0, 1.5).numpy()
    opacity = veil.opacity[0, :3, :height, :width].mean(dim=0).numpy()
    visible = [scene.bands.index(band) for band in BANDS[:3] if band in scene.bands] or list(range(len(scene.bands)))
    contrast = np.abs(mixed - scene.data)[visible].mean(axis=0) >= CASE_CONTRAST
    cloud = (opacity >= CLOUD_OPACITY) & contrast
    known = scene.cloudy | (scene.clear & (cloud | (opacity <= CLEAR_OPACITY)))
    return SimulatedCase(mixed.astype(np.float32), scene.bands, (cloud & scene.clear) | scene.cloudy, known)


def _middle(scene: TaggedScene) -> TaggedScene:
    """The middle of the scene, at most MAX_SIDE pixels per side."""
    height, width = scene.clear.shape
    top, left = max(0, (height - MAX_SIDE) // 2), max(0, (width - MAX_SIDE) // 2)
    middle = (slice(top, top + MAX_SIDE), slice(left, left + MAX_SIDE))
    return TaggedScene(scene.name, scene.data[:, *middle], scene.bands, scene.clear[middle], scene.cloudy[middle])


def _known_bands(scene: TaggedScene) -> TaggedScene:
    """The scene without bands that the simulator does not have."""
    return _with_bands(scene, [band for band in scene.bands if band in BANDS])


def _with_bands(scene: TaggedScene, bands: Sequence[str]) -> TaggedScene:
    """The scene in these of its bands."""
    index = [scene.bands.index(band) for band in bands]
    return TaggedScene(scene.name, scene.data[index], tuple(bands), scene.clear, scene.cloudy)
