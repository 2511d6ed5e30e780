"""A peer's mask in place of a label: what is measured is agreement, not accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import rasterio
from rasterio.errors import RasterioError

from geocloud.errors import InputError, MissingExtraError
from geocloud.raster import BoolArray

Reference = Literal["s2cloudless"]
L1C_BANDS = 13
THRESHOLD, AVERAGE, DILATION = 0.4, 4, 2
"""As its makers set them (sentinelhub, s2cloudless: S2PixelCloudDetector)."""


def require_reference() -> None:
    """MissingExtraError where s2cloudless is not installed."""
    try:
        import s2cloudless  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("s2cloudless", "bench", "agreement with s2cloudless") from error


def reference_mask(path: Path) -> BoolArray:
    """(h, w) True where s2cloudless sees cloud in a raster of all 13 L1C bands as reflectance, B01 to B12 in order.

    Raises:
        InputError: it is no such raster. MissingExtraError: s2cloudless is not installed.
    """
    require_reference()
    from s2cloudless import S2PixelCloudDetector

    try:
        with rasterio.open(path) as raster:
            data = raster.read().astype(np.float32)
    except RasterioError as error:
        raise InputError(f"{path} is no raster that can be read ({str(error).splitlines()[0]})") from error
    if len(data) != L1C_BANDS:
        raise InputError(f"{path} has {len(data)} bands; s2cloudless takes the {L1C_BANDS} of Sentinel-2 L1C")
    detector = S2PixelCloudDetector(threshold=THRESHOLD, average_over=AVERAGE, dilation_size=DILATION, all_bands=True)
    mask: BoolArray = detector.get_cloud_masks(np.moveaxis(data, 0, -1)[None])[0] > 0
    return mask
