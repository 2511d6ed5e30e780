"""The parts that the unmixing decoder lays over each other, as the default model sees the sample scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from style import SAMPLE, panels, save, stretch

from geocloud import open_scene
from geocloud.models.network_scorer import load_model
from geocloud.models.networks.cells import BANDS, BRIGHTEST
from geocloud.models.networks.unmix import mix
from geocloud.models.registry import DEFAULT_MODEL, model_folder
from geocloud.raster import Window

WINDOW = Window(224, 32, 256, 320)


def unmixing(path: Path) -> None:
    """surface, shadow, cloud and opacity, mixed again, beside what came in."""
    scorer = load_model(model_folder(DEFAULT_MODEL), "cpu", "fp32")
    with open_scene(SAMPLE / "scene.tif") as reader:
        bands = scorer.choose_bands(reader.bands)
        raster = reader.read(WINDOW, bands)
    x = torch.zeros(1, len(BANDS), *WINDOW.shape)
    present = torch.zeros(1, len(BANDS))
    for data, band in zip(raster.data, bands, strict=True):
        x[0, BANDS.index(band)] = torch.from_numpy(data)
        present[0, BANDS.index(band)] = 1
    with torch.inference_mode():
        parts = scorer.network(x.clamp(0, BRIGHTEST), present)
        again = mix(parts.surface, parts.cloud, parts.opacity, parts.shadow)
    titles = ("input x", "surface", "shadow s", "cloud", "opacity a", "mixed again")
    figure, axes = panels(6, 9, 5.4, titles, rows=2)
    for panel, picture in (
        (axes[0], x), (axes[1], parts.surface), (axes[3], parts.cloud), (axes[5], again)
    ):  # fmt: skip
        panel.imshow(stretch(colours(picture)))
    axes[2].imshow(parts.shadow[0, 0].numpy(), cmap="gray_r", vmin=0, vmax=1)
    axes[4].imshow(parts.opacity[0, 0].numpy(), cmap="gray", vmin=0, vmax=1)
    figure.suptitle("x = (1 - a) (1 - s) surface + a cloud", fontsize=11)
    save(figure, path)


def colours(bands: torch.Tensor) -> np.ndarray:
    """(h, w, 3) red, green, blue of (1, band, h, w)."""
    return np.moveaxis(bands[0, [2, 1, 0]].double().numpy(), 0, -1)


PICTURES = (("unmixing.png", unmixing),)
