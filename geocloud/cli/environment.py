"""Defence against variables that other GIS programs leak into ours.

A foreign PROJ_LIB makes rasterio find no EPSG code and still exit 0; so where the wheels carry their own data the
variables are dropped before rasterio is imported.
"""

from __future__ import annotations

import os
import warnings
from importlib.util import find_spec
from pathlib import Path

LEAKED = ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH", "GDAL_PAM_PROXY_DIR")


def protect_environment() -> None:
    """Drop leaked variables where rasterio carries its own projection data; must run before it is imported."""
    spec = find_spec("rasterio")
    if spec is None or spec.origin is None or not (Path(spec.origin).parent / "proj_data").is_dir():
        return
    for name in LEAKED:
        os.environ.pop(name, None)
    for message in ("Dataset has no geotransform", "The given matrix is equal to Affine.identity"):
        warnings.filterwarnings("ignore", message=message)  # the commands say so themselves


def check_projections() -> None:
    """EPSG:32633 must survive a round trip; EnvironmentProblem where projection data are broken."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    from geocloud.errors import EnvironmentProblem

    try:
        works = CRS.from_epsg(32633).to_epsg() == 32633
    except CRSError:
        works = False
    if not works:
        raise EnvironmentProblem(
            "projection data do not work here (EPSG:32633 is not found); "
            "unset PROJ_LIB and PROJ_DATA, or reinstall rasterio"
        )
