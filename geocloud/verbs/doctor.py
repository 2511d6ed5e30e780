"""`doctor`: check whether this installation works."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

NEEDED_DRIVERS = ("GTiff", "COG", "VRT", "JP2OpenJPEG", "PNG", "JPEG")
SIDE = 128
"""Pixels per side of the test scene."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    name: str
    passed: bool
    detail: str
    """What was found; if the check failed, why and what to do."""


def examine() -> list[Check]:
    """Run all checks, each even if an earlier one fails; none raises."""
    checks: dict[str, Callable[[], str]] = {
        "projection data": _projections,
        "GDAL drivers": _drivers,
        "torch": _torch,
        "default model": _model,
        "tiny scene": _tiny_scene,
        "polygon formats": _vectors,
    }
    return [_run(name, check) for name, check in checks.items()]


def _run(name: str, check: Callable[[], str]) -> Check:
    """The result of a check, which returns what it found or raises."""
    try:
        return Check(name, passed=True, detail=check())
    except Exception as error:  # noqa: BLE001 - a broken installation may raise anything
        return Check(name, passed=False, detail=f"{type(error).__name__}: {error}")


def _projections() -> str:
    """Transform from EPSG:32633 with rasterio's PROJ and with pyproj's, which may find different data."""
    from pyproj import Transformer
    from rasterio.crs import CRS
    from rasterio.warp import transform

    (x,), (y,) = transform(CRS.from_epsg(32633), CRS.from_epsg(4326), [500000.0], [5000000.0])
    lon, lat = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True).transform(500000, 5000000)
    if abs(x - 15) > 1e-6 or abs(x - lon) > 1e-6 or abs(y - lat) > 1e-6:
        raise ValueError(f"EPSG:32633 leads to {x}, {y} and {lon}, {lat}; unset PROJ_LIB and PROJ_DATA, or reinstall")
    return "EPSG:32633 works in rasterio and pyproj"


def _drivers() -> str:
    import rasterio

    with rasterio.Env() as environment:
        there = environment.drivers()
    absent = [name for name in NEEDED_DRIVERS if name not in there]
    if absent:
        raise ValueError(f"GDAL {rasterio.__gdal_version__} lacks {', '.join(absent)}; install rasterio's wheel")
    return f"GDAL {rasterio.__gdal_version__} in rasterio {rasterio.__version__} has {', '.join(NEEDED_DRIVERS)}"


def _torch() -> str:
    import torch

    if float((torch.ones(8, 8) @ torch.ones(8, 8)).sum()) != 512:
        raise ValueError("a product of two matrices is wrong; reinstall torch")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return f"{torch.__version__}, {device}, {torch.get_num_threads()} threads"


def _model() -> str:
    """Load the default model, which checks card, hash and weights."""
    from geocloud.models.registry import load_scorer

    scorer = load_scorer()
    return f"{scorer.card.name}, sha256 {scorer.card.sha256[:12]}, fits its card"


def _tiny_scene() -> str:
    """Detect clouds in a scene of a white square on dark ground, and read the mask."""
    import rasterio

    from geocloud.pipeline.detection import DetectOptions
    from geocloud.verbs.detect import detect

    with tempfile.TemporaryDirectory() as folder:
        scene = _write_scene(Path(folder) / "tiny.tif")
        detection = detect(scene, Path(folder) / "out", DetectOptions(polygons="none", threads=1))
        with rasterio.open(detection.mask_path) as mask:
            codes = mask.read(1)
    if codes.shape != (SIDE, SIDE) or not set(np.unique(codes).tolist()) <= {0, 1}:
        found = f"{codes.shape} pixels of codes {np.unique(codes).tolist()}"
        raise ValueError(f"its mask has {found}, not {(SIDE, SIDE)} of 0 and 1; reinstall geocloud")
    return f"{SIDE}x{SIDE} pixels, {detection.cloud_cover:.1f} % cloud in {detection.seconds:.1f} s"


def _write_scene(path: Path) -> Path:
    import rasterio
    from rasterio.transform import from_origin

    data = np.random.default_rng(0).integers(300, 900, (4, SIDE, SIDE)).astype(np.uint16)
    data[:, 40:90, 40:90] = 7000
    profile = {"driver": "GTiff", "height": SIDE, "width": SIDE, "count": 4, "dtype": "uint16", "crs": "EPSG:32633"}
    with rasterio.open(path, "w", **profile, transform=from_origin(500000, 5000000, 10, 10)) as dataset:
        dataset.write(data)
        dataset.descriptions = ("blue", "green", "red", "nir")
    return path


def _vectors() -> str:
    import numpy as np
    import pyproj
    import shapely

    from geocloud.geometry.polygons import PolygonTable
    from geocloud.writers.vectors import write_polygons

    box = np.array([shapely.box(0, 0, 1, 1)])
    table = PolygonTable({"class": np.array(["cloud"], dtype=object)}, box, pyproj.CRS.from_epsg(4326).to_wkt())
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("geojson", "gpkg", "fgb"):
            write_polygons(lambda: iter([table]), Path(folder) / f"a.{kind}")
    return "GeoJSON, GeoPackage, FlatGeobuf"
