"""Scenes of made ground, clear, overcast or under a simulated cloud, that tests of trained kinds share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
import torch
from testutils import UTM

from geocloud.metrics.confusion import auroc
from geocloud.metrics.histogram import histogram
from geocloud.pipeline.scoring import score_scene
from geocloud.raster import Georef, Raster
from geocloud.readers import MemoryScene
from geocloud.training.unmix.simulator import simulate, value_noise

BANDS = ("blue", "green", "red")
SIZE = 192


def ground(seed, size=SIZE):
    """(3, size, size) reflectance 0.02..0.25: smooth coloured ground with fields of their own brightness."""
    rng = torch.Generator().manual_seed(seed)
    colour = torch.tensor([0.5, 0.8, 1.0]).view(1, 3, 1, 1)
    fields = torch.nn.functional.interpolate(torch.rand((1, 1, size // 8, size // 8), generator=rng), size=size)
    return ((0.05 + 0.08 * value_noise(1, size, rng) + 0.05 * fields) * colour)[0].numpy()


def overcast(seed, size=SIZE):
    """(3, size, size) reflectance 0.5..0.9, grey, smooth."""
    rng = torch.Generator().manual_seed(seed)
    return np.repeat((0.5 + 0.4 * value_noise(1, size, rng)[0].numpy()), 3, axis=0)


def write_skies(folder: Path, scenes: int = 3) -> Path:
    """`images` and `labels` of clear scenes and of overcast ones, as 8-bit PNG labels and float32 GeoTIFFs."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for number in range(scenes):
        for tag, data in (("clear", ground(number)), ("overcast", overcast(number))):
            profile = {"driver": "GTiff", "height": SIZE, "width": SIZE, "crs": UTM,
                       "transform": rasterio.transform.from_origin(500_000, 5_000_000, 10, 10)}  # fmt: skip
            with rasterio.open(folder / "images" / f"{tag}{number}.tif", "w", count=3, dtype="float32", **profile) as f:
                f.write(data.astype(np.float32))
                f.descriptions = BANDS
            with rasterio.open(folder / "labels" / f"{tag}{number}.tif", "w", count=1, dtype="uint8", **profile) as f:
                f.write(np.full((SIZE, SIZE), tag == "overcast", dtype=np.uint8), 1)
    return folder


def scene_under_cloud(seed):
    """A scene that no training saw, under a simulated cloud, and the cloud's opacity (size, size)."""
    veil = simulate(1, SIZE, torch.Generator().manual_seed(seed))
    clean = torch.nn.functional.pad(torch.from_numpy(ground(1000 + seed)), (0, 0, 0, 0, 0, 4))
    data = veil.over(clean[None])[0, :3].clamp(0, 1.5).numpy().astype(np.float32)
    raster = Raster(data, np.ones(data.shape[1:], dtype=bool))
    return MemoryScene(raster, BANDS, Georef(data.shape[1:])), veil.opacity[0, :3].mean(0).numpy()


def separation(scorer, seeds):
    """AUROC of pixels under cloud (opacity above 0.4) against clear ones (below 0.02); 0.5 is chance."""
    scores, truths = [], []
    for seed in seeds:
        scene, opacity = scene_under_cloud(seed)
        score, _ = score_scene(scene, scorer, threads=1)
        if score.shape != opacity.shape:
            score = np.repeat(np.repeat(score, 64, axis=0), 64, axis=1)
        use = (opacity > 0.4) | (opacity < 0.02)
        scores.append(score[use])
        truths.append(opacity[use] > 0.4)
    truth = np.concatenate(truths)
    assert 1000 < truth.sum() < truth.size - 1000
    return auroc(histogram(np.concatenate(scores), truth))
