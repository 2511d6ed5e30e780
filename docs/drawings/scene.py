"""The README's picture: a real scene, and the same with its clouds."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from scipy.ndimage import binary_erosion
from style import stretch

from geocloud import detect, open_scene
from geocloud.window import Window

PART = Window(0, 0, 1100, 1150)
"""The part of the product that holds data: 66 by 69 km at 60 m."""
TINT, OUTLINE = (0, 174, 239), (255, 0, 110)


def picture(product: str, path: Path) -> None:
    """Scene on the left; on the right cloud tinted and its polygons outlined."""
    with open_scene(product) as reader:
        data = reader.read(PART, ("red", "green", "blue")).data
    left = stretch(np.moveaxis(data.astype(np.float64), 0, -1), 0.6) * 255
    with tempfile.TemporaryDirectory() as folder:
        found = detect(product, folder)
        with rasterio.open(found.mask_path) as dataset:
            cloud = dataset.read(1)[: PART.height, : PART.width] == 1
    right = left.copy()
    right[cloud] = 0.5 * right[cloud] + 0.5 * np.array(TINT)
    right[cloud & ~binary_erosion(cloud, iterations=2)] = OUTLINE
    gap = np.full((PART.height, 12, 3), 255.0)
    both = np.concatenate([left, gap, right], axis=1).astype(np.uint8)
    small = Image.fromarray(both).resize((1200, round(1200 * both.shape[0] / both.shape[1])), Image.Resampling.LANCZOS)
    small.save(path, quality=85, optimize=True)
