"""Scenes to measure on: ground and broken cloud from the simulator, of any size, written block by block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
import torch
from rasterio.shutil import copy
from rasterio.transform import from_origin
from rasterio.windows import Window

from geocloud.training.unmix.simulator import value_noise

CELL = 2048
"""Side of the piece of ground and sky that is repeated, each time turned or mirrored."""
BLOCK = 512


def piece(bands: int, seed: int = 0) -> np.ndarray:
    """(bands, CELL, CELL) uint16 reflectance x 10000: textured ground under a few hundred clouds of all sizes."""
    rng = torch.Generator().manual_seed(seed)
    ground = 0.03 + 0.12 * value_noise(1, CELL, rng)
    fine = torch.nn.functional.interpolate(torch.rand((1, 1, 96, 96), generator=rng), size=CELL, mode="bicubic")
    field = 0.7 * value_noise(1, CELL, rng) + 0.3 * fine.clamp(0, 1)
    opacity = ((field - 0.6) * 10).clamp(0, 1)
    colour = torch.linspace(0.9, 1.4, bands).view(1, bands, 1, 1)
    mixed = (1 - opacity) * ground * colour + opacity * 0.6
    noise = 0.002 * torch.randn(mixed.shape, generator=rng)
    return ((mixed + noise).clamp(0.0001, 1.5) * 10000)[0].numpy().astype(np.uint16)


def turned(ground: np.ndarray, number: int) -> np.ndarray:
    """One of the eight symmetries of the square."""
    flipped = ground[:, :, ::-1] if number & 4 else ground
    return np.rot90(flipped, number & 3, (1, 2))


def make_scene(path: Path, height: int, width: int, bands: int = 4) -> Path:
    """A tiled, deflated uint16 GeoTIFF of a UTM zone, 10 m; an existing file is kept."""
    if path.exists():
        return path
    profile = {
        "driver": "GTiff", "height": height, "width": width, "count": bands, "dtype": "uint16", "crs": "EPSG:32633",
        "transform": from_origin(300000, 5000000, 10, 10), "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK,
        "compress": "deflate", "zlevel": 1, "nodata": 0, "bigtiff": "if_safer",
    }  # fmt: skip
    ground, names = piece(bands), ("blue", "green", "red", "nir", *(f"band {n}" for n in range(5, bands + 1)))
    staged = path.with_suffix(".part.tif")
    with rasterio.Env(GDAL_CACHEMAX=256 << 20), rasterio.open(staged, "w", **profile) as dataset:
        dataset.descriptions = names[:bands]
        for number, (row, col) in enumerate(np.ndindex(-(-height // CELL), -(-width // CELL))):
            top, left = row * CELL, col * CELL
            high, wide = min(CELL, height - top), min(CELL, width - left)
            cell = turned(ground, (5 * row + 3 * col + number) % 8)
            dataset.write(np.ascontiguousarray(cell[:, :high, :wide]), window=Window(left, top, wide, high))
    staged.replace(path)
    return path


def make_jp2(scene: Path, folder: Path) -> Path:
    """The first four bands of a scene as Sentinel-2 products store them: a lossless JP2 of 1024 x 1024 blocks each."""
    folder.mkdir(exist_ok=True)
    with rasterio.open(scene) as dataset:
        profile = {**dataset.profile, "count": 1, "compress": None}
        for index, name in enumerate(("B02", "B03", "B04", "B08"), 1):
            target, plain = folder / f"{name}.jp2", folder / "plain.tif"
            if target.exists():
                continue
            with rasterio.open(plain, "w", **profile) as copied:
                for _, window in dataset.block_windows(1):
                    copied.write(dataset.read(index, window=window), 1, window=window)
            copy(plain, target, driver="JP2OpenJPEG", REVERSIBLE="YES", QUALITY="100", BLOCKXSIZE=1024, BLOCKYSIZE=1024)
            plain.unlink()
    return folder
