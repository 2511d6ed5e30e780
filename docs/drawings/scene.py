"""Pictures of results: the sample scene with its clouds, its products and its classes, and a whole product."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_erosion
from style import panels, save, stretch

from geocloud import DetectOptions, detect, open_scene
from geocloud.classes import CLASSES
from geocloud.raster import Window

SAMPLE = Path(__file__).parents[2] / "sample_data" / "scene.tif"
PART = Window(0, 0, 1100, 1150)
"""The part of the product that holds data: 66 by 69 km at 60 m."""
TINT, OUTLINE = (0, 174, 239), (255, 0, 110)
SHOWN = ("cloud", "shadow")


def true_colour(source: str | Path, window: Window | None = None, high: float = 0.4) -> NDArray[np.float64]:
    """(height, width, 3), 0 to 255."""
    with open_scene(source) as reader:
        data = reader.read(window or Window(0, 0, *reader.georef.shape), ("red", "green", "blue")).data
    return stretch(np.moveaxis(data.astype(np.float64), 0, -1), high) * 255


def side_by_side(left: NDArray[np.float64], cloud: NDArray[np.bool_], path: Path, line: int) -> None:
    """The scene, and the same with its clouds tinted and outlined."""
    right = left.copy()
    right[cloud] = 0.5 * right[cloud] + 0.5 * np.array(TINT)
    right[cloud & ~binary_erosion(cloud, iterations=line)] = OUTLINE
    gap = np.full((left.shape[0], max(4, left.shape[0] // 80), 3), 255.0)
    both = np.concatenate([left, gap, right], axis=1).astype(np.uint8)
    sized = Image.fromarray(both).resize((1200, round(1200 * both.shape[0] / both.shape[1])), Image.Resampling.LANCZOS)
    sized.save(path, quality=85, optimize=True)


def sample(path: Path) -> None:
    """What the first command of the README makes."""
    with tempfile.TemporaryDirectory() as folder, rasterio.open(detect(SAMPLE, folder).mask_path) as mask:
        side_by_side(true_colour(SAMPLE), mask.read(1) == 1, path, 1)


def product(source: str, path: Path) -> None:
    """A whole Sentinel-2 product."""
    with tempfile.TemporaryDirectory() as folder, rasterio.open(detect(source, folder).mask_path) as mask:
        cloud = mask.read(1)[: PART.height, : PART.width] == 1
    side_by_side(true_colour(source, PART, 0.6), cloud, path, 2)


def products(path: Path) -> None:
    """Mask, P(cloud) and polygons."""
    figure, axes = panels(3, 9, 3.2, ("mask", "P(cloud), --score", "polygons"))
    with tempfile.TemporaryDirectory() as folder:
        found = detect(SAMPLE, folder, DetectOptions(score=True))
        with rasterio.open(found.mask_path) as mask, rasterio.open(found.files["score"]) as score:
            axes[0].imshow(mask.read(1) == 1, cmap="Blues", vmax=1.3)
            axes[1].imshow(score.read(1, masked=True) * score.scales[0], cmap="magma", vmin=0, vmax=1)
            left, bottom, right, top = mask.bounds
        axes[2].imshow(true_colour(SAMPLE) / 255, extent=(left, right, bottom, top))
        clouds = found.polygons.to_crs(rasterio.open(SAMPLE).crs)
        clouds.boundary.plot(ax=axes[2], color="deeppink", linewidth=1.2)
        axes[2].set(xlabel="", ylabel="")
    save(figure, path)


def classes(path: Path) -> None:
    """The scene beside its mask with further classes."""
    figure, axes = panels(2, 8.4, 3.9, ("scene", f"--classes {','.join(SHOWN)}"))
    with tempfile.TemporaryDirectory() as folder:
        found = detect(SAMPLE, folder, DetectOptions(classes=SHOWN))
        with rasterio.open(found.mask_path) as mask:
            codes = mask.read(1)
    colours = np.full((*codes.shape, 3), 235, np.uint8)
    for entry in CLASSES:
        if entry.code in np.unique(codes) and entry.code:
            colours[codes == entry.code] = entry.colour[:3]
            axes[1].plot([], [], "s", color=np.array(entry.colour[:3]) / 255, label=entry.name)
    axes[0].imshow(true_colour(SAMPLE) / 255)
    axes[1].imshow(colours)
    axes[1].legend(loc="lower right", fontsize=8)
    save(figure, path)


PICTURES = (("scene.jpg", sample), ("products.png", products), ("classes.png", classes))
