"""`geocloud info`."""

from __future__ import annotations

import re
from typing import Any

import click

from geocloud.cli.common import examples
from geocloud.cli.main import Command, shell
from geocloud.cli.options import area_options, as_scene_options, scene_options
from geocloud.cli.reporter import Reporter
from geocloud.errors import without_secrets
from geocloud.geometry.geodesy import scene_centre
from geocloud.progress import Warn
from geocloud.readers.area import Box
from geocloud.readers.dispatch import open_silently
from geocloud.readers.reader import part_of


@click.command(cls=Command, epilog=examples("geocloud info scene.tif", "geocloud info scene.tif --json"))
@click.argument("scene")
@scene_options
@area_options
@shell(answers=True)
def info(
    reporter: Reporter,
    scene: str,
    aoi: str | None,
    bounds: Box | None,
    **given: Any,  # noqa: ANN401 - click's values
) -> None:
    """Show what geocloud understands of a scene, and from what: grid, all bands, scale, nodata."""
    with part_of(open_silently(scene, as_scene_options(**given)), aoi, bounds) as reader:
        described = _without_secrets(reader.describe())
        described["resolution"] = list(reader.georef.resolution)
        described["bounds"] = list(reader.georef.bounds) if reader.georef.located and not reader.georef.gcps else None
        described["centre"] = list(scene_centre(reader.georef)) if reader.georef.located else None
    reporter.table([described], _text(described))


def _without_secrets(value: Any) -> Any:  # noqa: ANN401 - what `describe` gives, and its parts
    """The same without the keys of signed addresses."""
    if isinstance(value, str) and "://" in value:
        return type(value)(without_secrets(value))
    if isinstance(value, dict):
        return {key: _without_secrets(part) for key, part in value.items()}
    return [_without_secrets(part) for part in value] if isinstance(value, list | tuple) else value


def _text(described: dict[str, Any]) -> str:
    """For a person."""
    x, y = described["resolution"]
    lines = [
        f"{described['source']}",
        f"  kind        {described['kind']}" + (f", taken {described['taken']}" if described["taken"] else ""),
        f"  grid        {described['width']} x {described['height']} pixels of {x:g} x {y:g}",
        f"  CRS         {described['crs'] or 'none'}" + (f", {described['gcps']} GCPs" if described["gcps"] else ""),
    ]
    if described["centre"] is not None:
        lon, lat = described["centre"]
        lines.append(f"  centre      longitude {lon:.5f}, latitude {lat:.5f}")
    read = {name: _read(band) for name, band in described["bands"].items()}
    alike = len(set(read.values())) == 1
    for name, band in described["bands"].items():
        lines.append(f"  {name:<11} {_place(described, band)}{_by(band)}")
        lines += [] if alike else [f"  {'':<11} {read[name]}"]
    if alike:
        lines.append(f"  all bands   {next(iter(read.values()))}")
    lines += [f"  not read    {text}" for text in described["left_out"]]
    if described["fill"]:
        lines.append(f"  fill        {described['fill']}")
    kinds = (("warning" if isinstance(note, Warn) else "note", note) for note in described["notes"])
    return "\n".join([*lines, *(f"  {kind}: {note}" for kind, note in kinds)])


def _read(band: dict[str, Any]) -> str:
    """How its numbers are read."""
    nodata = "none" if band.get("nodata") is None else f"{band['nodata']:g}"
    masked = ", alpha or mask" if band["masked"] else ""
    return f"reflectance = {_scaled(band)} ({band['from']}), nodata {nodata}{masked}"


def _scaled(band: dict[str, Any]) -> str:
    """Such as `DN * 0.0001 - 0.1`."""
    offset = f" {'-' if band['offset'] < 0 else '+'} {abs(band['offset']):g}" if band["offset"] else ""
    return f"DN * {band['scale']:.6g}{offset}"


def _by(band: dict[str, Any]) -> str:
    """From what it was understood."""
    return f", by {band['evidence']}" if band["evidence"] else ""


def _place(described: dict[str, Any], band: dict[str, Any]) -> str:
    """Where a band is stored: its number in a single raster, its file's name in a product."""
    if band["file"] == described["source"]:
        return f"band {band['number']}" + (f" {band['label']!r}" if band["label"] else "")
    return re.split(r"[/\\\\]", band["file"])[-1] + (f" band {band['number']}" if band["number"] > 1 else "")
