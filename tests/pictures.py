"""Small pictures, scenes and models that several tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin

from geocloud.training.options import TrainOptions
from geocloud.verbs.train import train

PICTURES = 20


def _land(generator):
    """(64, 64, 3) uint8: dark fields in stripes, more green than red."""
    rows, cols = np.mgrid[:64, :64]
    wave = 0.5 + 0.5 * np.sin(rows / generator.uniform(2, 6) + cols / generator.uniform(2, 6))
    return np.stack([20 + 30 * wave, 50 + 50 * wave, 30 + 10 * wave], axis=-1).astype(np.uint8)


def _cloud(generator):
    """(64, 64, 3) uint8: bright, grey, smooth."""
    ramp = np.linspace(generator.uniform(170, 200), 240, 64)[:, None, None]
    return np.broadcast_to(ramp, (64, 64, 3)).astype(np.uint8)


@pytest.fixture(scope="session")
def tagged(tmp_path_factory) -> Path:
    """A folder with subfolders `cloudy` and `field`, 20 pictures each."""
    folder = tmp_path_factory.mktemp("tagged")
    generator = np.random.default_rng(7)
    for name, draw in (("cloudy", _cloud), ("field", _land)):
        (folder / name).mkdir()
        for number in range(PICTURES):
            Image.fromarray(draw(generator)).save(folder / name / f"{name}_{number}.png")
    return folder


def _train(tagged, folder, normal, class_name):
    options = TrainOptions(
        kind="dense",
        normal=normal,
        folders=(class_name,),
        epochs=25,
        batch_size=4,
        latent=8,
        widths=(32,),
        rule="quantile",
        quantile=0.9,
    )
    return train(tagged, folder, options).folder


@pytest.fixture(scope="session")
def clear_model(tagged, tmp_path_factory) -> Path:
    """A small dense model of fields; its high errors are cloud."""
    return _train(tagged, tmp_path_factory.mktemp("models") / "clear", "clear", "field")


@pytest.fixture(scope="session")
def cloudy_model(tagged, tmp_path_factory) -> Path:
    """A small dense model of clouds; its low errors are cloud."""
    return _train(tagged, tmp_path_factory.mktemp("models") / "cloudy", "cloudy", "cloudy")


@pytest.fixture(scope="session")
def labelled(tmp_path_factory) -> Path:
    """`images` and `labels` of three georeferenced scenes, 4 bands uint16, nodata 0; cloud 2, unknown 9."""
    folder = tmp_path_factory.mktemp("labelled")
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    generator = np.random.default_rng(3)
    for number in range(3):
        cloud = np.zeros((90, 130), dtype=bool)
        cloud[20:70, 30 + 20 * number : 100] = True
        brightness = np.where(cloud, 5000, 900) + generator.normal(0, 1500, cloud.shape)
        data = np.clip(brightness, 1, 9000)[None] * np.array([1.0, 1.05, 0.95, 1.4])[:, None, None]
        data[:, :, 128:] = 0
        label = np.where(cloud, 2, 0).astype(np.uint8)
        label[80:] = 9
        profile = {
            "driver": "GTiff",
            "height": 90,
            "width": 130,
            "crs": "EPSG:32633",
            "transform": from_origin(500_000, 5_000_000, 10, 10),
        }
        with rasterio.open(
            folder / "images" / f"s{number}.tif", "w", count=4, dtype="uint16", nodata=0, **profile
        ) as file:
            file.write(data.astype(np.uint16))
            for band, name in enumerate(("blue", "green", "red", "nir"), start=1):
                file.set_band_description(band, name)
        with rasterio.open(folder / "labels" / f"s{number}.tif", "w", count=1, dtype="uint8", **profile) as file:
            file.write(label, 1)
    return folder
