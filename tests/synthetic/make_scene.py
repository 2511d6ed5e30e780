"""Makes the sample scenes: a small synthetic landscape with clouds whose true mask is known.

    python tests/synthetic/make_scene.py [FOLDER]

Writes scene.tif (blue, green, red, nir; uint16 reflectance x 10000, nodata 0, UTM), scene_truth.tif (0 clear, 1 cloud,
255 nodata) and scene_rgb.tif (8-bit true colour). The same seed gives the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin

SIDE = 512
SEED = 7
Array = NDArray[np.float64]
BANDS = ("blue", "green", "red", "nir")
SPECTRA = {  # surface reflectance in BANDS, rounded from published spectral libraries
    "wheat": (0.045, 0.085, 0.055, 0.42),
    "maize": (0.035, 0.070, 0.040, 0.50),
    "stubble": (0.09, 0.13, 0.17, 0.28),
    "bare soil": (0.08, 0.11, 0.15, 0.20),
    "meadow": (0.045, 0.095, 0.065, 0.36),
    "forest": (0.022, 0.040, 0.025, 0.27),
    "water": (0.060, 0.050, 0.030, 0.015),
    "sand": (0.20, 0.27, 0.34, 0.41),
    "snow": (0.86, 0.85, 0.83, 0.76),
    "roof": (0.22, 0.21, 0.22, 0.25),
    "street": (0.11, 0.11, 0.115, 0.13),
}
TRUE_OPACITY = 0.15
"""From this opacity on a pixel counts as cloud."""


def fractal(rng: np.random.Generator, slope: float, side: int = SIDE) -> Array:
    """(side, side) noise with a power-law spectrum, 0..1 by rank, so that thresholds are shares of the area."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    frequency[0, 0] = np.inf
    field = np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side))) * frequency ** (-slope / 2)).real
    return field.ravel().argsort().argsort().reshape(side, side) / (side * side - 1)


def voronoi(rng: np.random.Generator, cells: int) -> NDArray[np.intp]:
    """(SIDE, SIDE) number of the nearest of `cells` random points in a stretched, turned metric: fields."""
    points = rng.uniform(0, SIDE, (cells, 2))
    y, x = np.mgrid[:SIDE, :SIDE]
    u, v = 0.9 * x + 0.4 * y, 1.7 * (0.9 * y - 0.4 * x)
    pu, pv = 0.9 * points[:, 1] + 0.4 * points[:, 0], 1.7 * (0.9 * points[:, 0] - 0.4 * points[:, 1])
    best, nearest = np.full((SIDE, SIDE), np.inf), np.zeros((SIDE, SIDE), dtype=np.intp)
    for cell in range(cells):
        distance = np.maximum(np.abs(u - pu[cell]), np.abs(v - pv[cell]))
        closer = distance < best
        best[closer], nearest[closer] = distance[closer], cell
    return nearest


def landscape(rng: np.random.Generator) -> Array:
    """(band, SIDE, SIDE) clear surface reflectance: fields, forest, lake, town, sand dunes, a snowy ridge."""
    crops = np.array([SPECTRA[name] for name in ("wheat", "maize", "stubble", "bare soil", "meadow")])
    fields = voronoi(rng, 150)
    surface = crops[rng.integers(0, len(crops), 150)][fields].transpose(2, 0, 1)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    relief, cover = fractal(rng, 3.2), fractal(rng, 2.6)
    paint(surface, cover > 0.82, "forest")
    paint(surface, np.hypot(x - 0.30, y - 0.72) + 0.16 * relief < 0.24, "water")
    paint(surface, np.hypot(x - 0.86, y - 0.80) + 0.14 * cover < 0.27, "sand")
    paint(surface, np.hypot(x - 0.10, y - 0.08) + 0.25 * relief < 0.24, "snow")
    town = np.hypot(x - 0.60, y - 0.40) + 0.08 * cover < 0.12
    rows, cols = np.mgrid[:SIDE, :SIDE]
    paint(surface, town, "street")
    paint(surface, town & (rows % 7 < 5) & (cols % 9 < 6) & (cover * 17 % 1 < 0.8), "roof")
    texture = 1 + 0.10 * (fractal(rng, 1.8) - 0.5) + 0.25 * (relief - 0.5)
    return surface * texture


def paint(surface: Array, where: NDArray[np.bool_], name: str) -> None:
    """Give pixels a spectrum, in place."""
    surface[:, where] = np.array(SPECTRA[name])[:, None]


def cloud_opacity(rng: np.random.Generator) -> Array:
    """(SIDE, SIDE) 0..1: soft fractal cumulus, and a thin veil across the middle."""
    heaps = np.clip((fractal(rng, 3.5) * 0.88 + fractal(rng, 2.9) * 0.12 - 0.72) * 7, 0, 1)
    y = np.mgrid[:SIDE, :SIDE][0] / SIDE
    veil = 0.35 * np.clip((fractal(rng, 3.4) - 0.72) * 6, 0, 1) * np.exp(-(((y - 0.55) / 0.2) ** 2))
    return np.maximum(heaps, veil)


def mix(surface: Array, opacity: Array, rng: np.random.Generator) -> Array:
    """Clouds over their own shadows over the surface: x = (1 - a) * surface * shade + a * cloud."""
    shadow = np.roll(opacity, (22, -28), axis=(0, 1))
    shade = 1 - 0.62 * shadow * np.array([0.85, 0.95, 1.0, 1.05])[:, None, None]
    cloud = (0.55 + 0.35 * opacity + 0.06 * (fractal(rng, 2.2) - 0.5)) * np.array([1.0, 0.99, 0.985, 1.0])[
        :, None, None
    ]
    return (1 - opacity) * surface * shade + opacity * cloud


def swath_edge() -> NDArray[np.bool_]:
    """(SIDE, SIDE) True beyond a slanted swath edge: no data."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return x + 0.18 * y > SIDE * 1.08


def write(path: Path, data: NDArray[np.generic], nodata: int | None, names: tuple[str, ...], **more: object) -> None:
    """(band, SIDE, SIDE) as a tiled GeoTIFF in UTM zone 33 N, 10 m pixels."""
    profile = {
        "driver": "GTiff", "height": SIDE, "width": SIDE, "count": len(data), "dtype": data.dtype, "nodata": nodata,
        "crs": "EPSG:32633", "transform": from_origin(465000, 5247000, 10, 10), "tiled": True,
        "blockxsize": 256, "blockysize": 256, "compress": "deflate", "zlevel": 9, **more,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(data)
        dataset.descriptions = names


def main(folder: Path) -> None:
    """Write the three files."""
    rng = np.random.default_rng(SEED)
    surface, opacity = landscape(rng), cloud_opacity(rng)
    reflectance = mix(surface, opacity, rng) + rng.normal(0, 0.0015, (4, SIDE, SIDE))
    empty = swath_edge()
    numbers = (np.clip(reflectance, 0.002, 1.6) * 10000 / 16).round().astype(np.uint16) * 16
    numbers[:, empty] = 0
    truth = (opacity > TRUE_OPACITY).astype(np.uint8)
    truth[empty] = 255
    true_colour = np.clip(reflectance[[2, 1, 0]] * 255 / 0.9, 1, 255).round().astype(np.uint8) // 3 * 3
    true_colour[:, empty] = 0
    write(folder / "scene.tif", numbers, 0, BANDS, predictor=2)
    write(folder / "scene_truth.tif", truth[None], 255, ("cloud",))
    write(folder / "scene_rgb.tif", true_colour, 0, ("red", "green", "blue"), photometric="rgb", predictor=2)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
