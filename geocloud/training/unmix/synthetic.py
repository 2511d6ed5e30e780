"""Simulated cloud over tagged scenes: what a threshold can be chosen on without a single pixel label."""

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
"""Change of visible reflectance below which a veil cannot be seen, such as white over snow: not asked either."""
MAX_SIDE = 1024
"""Pixels per side of a scene that are used, from its middle."""


@dataclass(frozen=True, slots=True)
class TaggedScene:
    """A scene of which whole patches are known."""

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
    """A question with its answer."""

    data: FloatArray
    """(band, h, w) reflectance, of the scene's bands that the simulator knows."""
    bands: tuple[str, ...]
    truth: BoolArray
    """(h, w) True = cloud."""
    known: BoolArray
    """(h, w) True where the truth is known."""


def patch_tags(cloud: BoolArray, known: BoolArray) -> tuple[BoolArray, BoolArray]:
    """(h, w) where patches are wholly clear and where wholly cloudy; a patch with an unknown pixel is neither."""
    clear, cloudy = np.zeros_like(cloud), np.zeros_like(cloud)
    for row in range(0, cloud.shape[0], PATCH):
        for column in range(0, cloud.shape[1], PATCH):
            cell = (slice(row, row + PATCH), slice(column, column + PATCH))
            if known[cell].all():
                clear[cell], cloudy[cell] = not cloud[cell].any(), cloud[cell].all()
    return clear, cloudy


def simulate_case(scene: TaggedScene, draws: int, seed: int = 0) -> list[SimulatedCase]:
    """The scene as it is, and under `draws` simulated clouds; the same ones for a name and seed.

    Clear patches are clear as they are, cloud where the simulated veil is visible, and not asked about where it is
    thin; cloudy patches are cloud in any case.
    """
    scene = _known_bands(_middle(scene))
    known = scene.clear | scene.cloudy
    posed = [SimulatedCase(scene.data, scene.bands, scene.cloudy, known)] if known.any() else []
    if not scene.clear.any():
        return posed
    rng = torch.Generator().manual_seed(int.from_bytes(scene.name.encode()[-6:]) ^ seed)
    return posed + [_under_cloud(scene, rng) for _ in range(draws)]


def _under_cloud(scene: TaggedScene, rng: torch.Generator) -> SimulatedCase:
    """One simulated cloud over all of it."""
    height, width = scene.clear.shape
    veil = simulate(1, max(height, width), rng)
    index = [BANDS.index(band) for band in scene.bands]
    clean = torch.zeros(1, len(BANDS), *veil.opacity.shape[2:])
    clean[0, index, :height, :width] = torch.from_numpy(scene.data)
    mixed = veil.over(clean)[0, index, :height, :width].clamp(0, 1.5).numpy()
    opacity = veil.opacity[0, :3, :height, :width].mean(dim=0).numpy()
    visible = [scene.bands.index(band) for band in BANDS[:3] if band in scene.bands] or list(range(len(scene.bands)))
    seen = np.abs(mixed - scene.data)[visible].mean(axis=0) >= CASE_CONTRAST
    cloud = (opacity >= CLOUD_OPACITY) & seen
    known = scene.cloudy | (scene.clear & (cloud | (opacity <= CLEAR_OPACITY)))
    return SimulatedCase(mixed.astype(np.float32), scene.bands, (cloud & scene.clear) | scene.cloudy, known)


def _middle(scene: TaggedScene) -> TaggedScene:
    """At most MAX_SIDE pixels per side."""
    height, width = scene.clear.shape
    top, left = max(0, (height - MAX_SIDE) // 2), max(0, (width - MAX_SIDE) // 2)
    cell = (slice(top, top + MAX_SIDE), slice(left, left + MAX_SIDE))
    return TaggedScene(scene.name, scene.data[:, *cell], scene.bands, scene.clear[cell], scene.cloudy[cell])


def _known_bands(scene: TaggedScene) -> TaggedScene:
    """Without bands that the simulator does not know."""
    return _with_bands(scene, [band for band in scene.bands if band in BANDS])


def _with_bands(scene: TaggedScene, bands: Sequence[str]) -> TaggedScene:
    """Of these bands alone."""
    index = [scene.bands.index(band) for band in bands]
    return TaggedScene(scene.name, scene.data[index], tuple(bands), scene.clear, scene.cloudy)
