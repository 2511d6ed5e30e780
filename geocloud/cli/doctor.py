"""`geocloud doctor`."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import click

from geocloud.cli.common import examples, one_sentence, print_json
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
SHOWN = ("GDAL_", "PROJ_", "CPL_", "OMP_", "GEOCLOUD_")
"""Beginnings of environment variables that change how things work; their values may be secret and are left out."""


@click.command(epilog=examples("geocloud doctor", "geocloud doctor --json"))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@one_sentence
def doctor(*, as_json: bool) -> None:
    """Test this installation, and print a report to paste into a bug.

    Exit code 1 where a check fails.
    """
    from geocloud.verbs.doctor import examine

    checks = examine()
    about = {
        "geocloud": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": str(os.cpu_count()),
        "packages": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
        "set": ", ".join(sorted(name for name in os.environ if name.startswith(SHOWN))) or "nothing",
    }
    if as_json:
        listed = [{"name": check.name, "passed": check.passed, "told": check.told} for check in checks]
        print_json({**about, "passed": all(check.passed for check in checks), "checks": listed})
    else:
        lines = [f"{name:16} {text}" for name, text in about.items()]
        lines += [f"{check.name:16} {'ok    ' if check.passed else 'FAILED'} {check.told}" for check in checks]
        click.echo("\n".join(lines))
    sys.exit(0 if all(check.passed for check in checks) else 1)


def _version(package: str) -> str:
    try:
        return installed(package)
    except PackageNotFoundError:
        return "absent"
