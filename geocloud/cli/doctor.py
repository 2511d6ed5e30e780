"""`geocloud doctor`."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import click

from geocloud.cli.common import examples
from geocloud.cli.main import Command, shell
from geocloud.cli.reporter import Reporter
from geocloud.version import __version__

PACKAGES = (
    "torch",
    "numpy",
    "rasterio",
    "pyproj",
    "shapely",
    "geopandas",
    "pyogrio",
    "xarray",
    "zarr",
    "pystac",
    "dask",
)
SHOWN_VARIABLES = ("GDAL_", "PROJ_", "CPL_", "OMP_", "GEOCLOUD_")
"""Prefixes of environment variables that change how geocloud works; their values may be secret and are not shown."""


@click.command(cls=Command, epilog=examples("geocloud doctor", "geocloud doctor --json"))
@shell(answers=True)
def doctor(reporter: Reporter) -> int:
    """Test this installation, and print a report to paste into a bug report.

    Exit code 1 if a check fails.
    """
    from geocloud.verbs.doctor import examine

    checks = examine()
    about = {  # what a reader of the bug report needs to know
        "geocloud": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": str(os.cpu_count()),
        "packages": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
        "set": ", ".join(sorted(name for name in os.environ if name.startswith(SHOWN_VARIABLES))) or "nothing",
    }
    passed = all(check.passed for check in checks)
    results = [{"name": check.name, "passed": check.passed, "detail": check.detail} for check in checks]
    lines = [f"{name:16} {text}" for name, text in about.items()]
    lines += [f"{check.name:16} {'ok    ' if check.passed else 'FAILED'} {check.detail}" for check in checks]
    reporter.table([{**about, "passed": passed, "checks": results}], "\n".join(lines))
    return 0 if passed else 1


def _version(package: str) -> str:
    try:
        return installed(package)
    except PackageNotFoundError:
        return "absent"
