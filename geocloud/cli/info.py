"""`geocloud info`."""

from __future__ import annotations

from typing import Any

import click

from geocloud.cli.common import one_sentence, print_json
from geocloud.cli.options import as_scene_options, scene_options
from geocloud.readers import open_scene


@click.command(epilog="\b\nExample:\n  geocloud info scene.tif")
@click.argument("scene")
@scene_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@one_sentence
def info(scene: str, bands: dict[str, int] | None, scale: float | None, offset: float | None, *, as_json: bool) -> None:
    """Show what geocloud understands of a scene: grid, bands, scale, nodata."""
    with open_scene(scene, as_scene_options(bands, scale, offset)) as reader:
        described = reader.describe()
        described["resolution"] = list(reader.georef.resolution)
        described["bounds"] = list(reader.georef.bounds) if reader.georef.located and not reader.georef.gcps else None
    if as_json:
        print_json(described)
    else:
        click.echo(_text(described))


def _text(described: dict[str, Any]) -> str:
    """For a person."""
    x, y = described["resolution"]
    lines = [
        f"{described['source']}",
        f"  grid        {described['width']} x {described['height']} pixels of {x:g} x {y:g}",
        f"  CRS         {described['crs'] or 'none'}" + (f", {described['gcps']} GCPs" if described["gcps"] else ""),
    ]
    for name, band in described["bands"].items():
        nodata = "none" if band.get("nodata") is None else f"{band['nodata']:g}"
        lines.append(
            f"  {name:<11} band {band['number']}, reflectance = DN * {band['scale']:.6g} + {band['offset']:g}, "
            f"nodata {nodata}"
        )
    return "\n".join([*lines, *(f"  note: {note}" for note in described["notes"])])
