"""What the drawings share: the sample scene, colours, and how a figure is saved."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import rasterio
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

SAMPLE = Path(__file__).parents[2] / "tests" / "synthetic"
PATCH_LINE, BLOCK_LINE, HALO_LINE = "#ffffff", "#ffd23f", "#ee4266"
CLOUD = "#00aeef"


def sample_rgb() -> NDArray[np.float64]:
    """(512, 512, 3) true colour of the sample scene, nodata white."""
    with rasterio.open(SAMPLE / "scene.tif") as dataset:
        bands = dataset.read([3, 2, 1]).astype(np.float64) / 10000
        valid = dataset.dataset_mask() > 0
    picture = stretch(np.moveaxis(bands, 0, -1))
    picture[~valid] = 1
    return picture


def stretch(reflectance: NDArray[np.float64], high: float = 0.5) -> NDArray[np.float64]:
    """Reflectance as brightness 0..1 that shows ground and cloud alike."""
    return np.clip(reflectance / high, 0, 1) ** (1 / 1.6)


def panels(
    count: int, width: float = 9, height: float = 3.4, titles: tuple[str, ...] = (), rows: int = 1
) -> tuple[Figure, list]:
    """A figure with so many panels, row by row, without ticks."""
    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    axes = list(np.ravel(figure.subplots(rows, count // rows)))
    for number, panel in enumerate(axes):
        panel.set_xticks([])
        panel.set_yticks([])
        if titles:
            panel.set_title(titles[number], fontsize=10)
    return figure, axes


def save(figure: Figure, path: Path) -> None:
    """As a small PNG of 256 colours."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
