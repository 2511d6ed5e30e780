"""`geocloud version`."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import click

from geocloud.cli.common import one_sentence, print_json
from geocloud.version import __version__

PACKAGES = ("torch", "rasterio", "numpy", "geopandas", "shapely", "pyogrio", "pyproj")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@one_sentence
def version(*, as_json: bool) -> None:
    """Show the versions of geocloud and of what it stands on."""
    record = {"geocloud": __version__, "protocol": 1, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            record[package] = installed(package)
        except PackageNotFoundError:
            record[package] = "missing"
    if as_json:
        print_json(record)
    else:
        click.echo("\n".join(f"{name} {value}" for name, value in record.items() if name != "protocol"))
