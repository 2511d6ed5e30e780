"""The output of `geocloud info --json` as a few lines for the dialog. Imports no qgis."""

from __future__ import annotations

from typing import Any, Mapping

from .speech import field_titles, in_our_words
from .texts import tr


def summary(described: Mapping[str, Any]) -> str:
    """The grid with its CRS on the first line, then reflectance with nodata, then the notes."""
    lines = [_grid(described)]
    if described.get("taken"):
        lines[0] += f", {str(described['taken'])[:10]}"
    notes = [in_our_words(str(note), field_titles()) for note in described.get("notes", ())]
    if not any("reflectance = " in note for note in notes):
        lines += [line for line in (_reflectance(described),) if line]
    return "\n".join([*lines, *notes])


def _grid(described: Mapping[str, Any]) -> str:
    """Size, resolution and CRS; without a CRS no resolution, since it would have no unit."""
    size = {"width": described.get("width"), "height": described.get("height")}
    if not described.get("crs"):
        return tr("{width} × {height} pixels, without georeference").format(**size)  # noqa: RUF001
    x, y = described.get("resolution") or (0, 0)
    pixel = (f"{x:g}" if x == y else f"{x:g} × {y:g}") + (" m" if x >= 1 else "°")  # noqa: RUF001
    text = tr("{width} × {height} pixels of {pixel}, {crs}")  # noqa: RUF001
    return text.format(**size, pixel=pixel, crs=described["crs"])


def band_numbers(described: Mapping[str, Any]) -> dict[str, str]:
    """Band name -> its number in the scene's file, or the product's own name of it, such as B4."""
    source, bands = described.get("source"), described.get("bands") or {}
    return {
        name: str(band["number"] if band.get("file") == source else band.get("label") or name)
        for name, band in bands.items()
    }


def has_band_files(described: Mapping[str, Any]) -> bool:
    """True for a product with a file per band, whose bands need no numbers from the user."""
    return any(band.get("file") != described.get("source") for band in (described.get("bands") or {}).values())


def _reflectance(described: Mapping[str, Any]) -> str:
    """Scale, offset and nodata as one line; empty if bands differ."""
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
