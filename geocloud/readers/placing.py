"""Whether a scene's georeference can be used at all: told when it is opened, not after an hour of scoring."""

from __future__ import annotations

import math

import numpy as np
import shapely
from pyproj.exceptions import ProjError
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

from geocloud.errors import InputError
from geocloud.geodesy import geodesic_areas, to_crs_coordinates
from geocloud.georef import Georef


def check_place(source: str, georef: Georef) -> None:
    """InputError where a pixel's place on the Earth cannot be computed."""
    if not georef.located:
        return
    try:
        height, width = georef.shape
        middle = np.array([shapely.box(width // 2, height // 2, width // 2 + 1, height // 2 + 1)])
        area = float(geodesic_areas(to_crs_coordinates(middle, georef), georef)[0])
        reason = "" if math.isfinite(area) and area > 0 else "a pixel in its middle has no area"
    except (ProjError, CPLE_BaseError, RasterioError, shapely.errors.GEOSException, ValueError) as error:
        reason = str(error).splitlines()[0]
    if reason:
        raise InputError(
            f"{source} has a georeference that leads nowhere ({reason}); correct it, or take it away, as with gdal_edit"
        )
