"""What `geocloud info --json` says of a scene, as a few lines for the dialog. Imports no qgis."""

from __future__ import annotations

import re
from typing import Any, Mapping

from .texts import tr


def summary(described: Mapping[str, Any]) -> str:
    """Grid, CRS, reflectance and nodata, one line each; then the notes."""
    x, y = described.get("resolution") or (0, 0)
    unit = "" if not described.get("crs") else " m" if x >= 1 else "°"
    size = f"{x:g}" if x == y else f"{x:g} × {y:g}"  # noqa: RUF001 - for people
    lines = [
        tr("{width} × {height} pixels of {size}{unit}, {crs}").format(  # noqa: RUF001
            width=described.get("width"),
            height=described.get("height"),
            size=size,
            unit=unit,
            crs=described.get("crs") or tr("without georeference"),
        )
    ]
    if described.get("taken"):
        lines[0] += f", {str(described['taken'])[:10]}"
    lines += [line for line in (_reflectance(described),) if line]
    return "\n".join([*lines, *(text_of(note) for note in described.get("notes", ()))])


def text_of(note: Any) -> str:  # noqa: ANN401 - a text, or a note with a level
    """A note's text."""
    return str(note.get("text", "")) if isinstance(note, Mapping) else str(note)


def band_numbers(described: Mapping[str, Any]) -> dict[str, str]:
    """Band name -> where it was found: its number in the scene's file, or the name of its own file."""
    source, bands = described.get("source"), described.get("bands") or {}
    return {
        name: str(band["number"]) if band.get("file") == source else re.split(r"[/\\]", str(band.get("file", "")))[-1]
        for name, band in bands.items()
    }


def has_band_files(described: Mapping[str, Any]) -> bool:
    """True for a product whose files say themselves which band they are: no numbers are to be given there."""
    return any(band.get("file") != described.get("source") for band in (described.get("bands") or {}).values())


def _reflectance(described: Mapping[str, Any]) -> str:
    """Scale, offset and nodata where all bands have the same."""
    bands = list((described.get("bands") or {}).values())
    kinds = {(band.get("scale"), band.get("offset"), band.get("nodata")) for band in bands}
    if len(kinds) != 1:
        return ""
    scale, offset, nodata = kinds.pop()
    if scale is None:
        return ""
    text = tr("reflectance = value × {scale}").format(scale=f"{scale:.6g}")  # noqa: RUF001
    text += f" {'+' if offset > 0 else '−'} {abs(offset):g}" if offset else ""  # noqa: RUF001
    return text + (", " + tr("no data {value}").format(value=f"{nodata:g}") if nodata is not None else "")
