"""`geocloud version`."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import click

from geocloud.cli.common import examples
from geocloud.cli.main import Command, shell
from geocloud.cli.reporter import PROTOCOL, Reporter
from geocloud.version import __version__

PACKAGES = ("torch", "rasterio", "numpy", "geopandas", "shapely", "pyogrio", "pyproj")


@click.command(cls=Command, epilog=examples("geocloud version --check"))
@click.option("--check", is_flag=True, help="Also test projections and name the device; takes seconds.")
@shell(answers=True)
def version(reporter: Reporter, *, check: bool) -> None:
    """Show the versions of geocloud and its libraries."""
    record = {"geocloud": __version__, "protocol": PROTOCOL, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            record[package] = installed(package)
        except PackageNotFoundError:
            record[package] = "missing"
    if check:
        record |= _checked()
    text = "\n".join(f"{name} {value}" for name, value in record.items() if name != "protocol")
    reporter.table([record], text)


def _checked() -> dict[str, str]:
    """The results of checks that take seconds; EnvironmentProblem if projections do not work."""
    import torch

    from geocloud.cli.common import check_projections

    check_projections()
    return {"device": "cuda" if torch.cuda.is_available() else "cpu", "projections": "ok"}
