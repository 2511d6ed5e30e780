"""Codes, names and colours of a mask's classes, and the files that tell other programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

from geocloud.classes import NO_VALUES, Colour, classes_of, written_classes


def colormap(codes: tuple[int, ...]) -> dict[int, Colour]:
    """A TIFF palette: it has no alpha, so clear is drawn dark there and only styles make it transparent."""
    return {entry.code: (*entry.colour[:3], 255) for entry in classes_of(codes)}


def write_attribute_table(path: Path, codes: tuple[int, ...], values: Mapping[int, int] = NO_VALUES) -> None:
    """Write GDAL's sidecar `.tif.aux.xml` at `path`: class names and colours of a mask (PAM, GDAL's data model).

    `values` maps codes to what is written for them in another encoding.
    """
    fields = (
        ("Value", 0, 5),
        ("Class", 2, 2),
        ("Red", 0, 6),
        ("Green", 0, 7),
        ("Blue", 0, 8),
        ("Alpha", 0, 9),
    )
    lines = [
        "<PAMDataset>",
        '  <PAMRasterBand band="1">',
        '    <GDALRasterAttributeTable tableType="thematic">',
    ]
    for index, (name, kind, usage) in enumerate(fields):
        lines.append(
            f'      <FieldDefn index="{index}"><Name>{name}</Name><Type>{kind}</Type><Usage>{usage}</Usage></FieldDefn>'
        )
    for index, entry in enumerate(written_classes(codes, values)):
        cells = "".join(f"<F>{value}</F>" for value in (entry.code, entry.name, *entry.colour))
        lines.append(f'      <Row index="{index}">{cells}</Row>')
    lines += ["    </GDALRasterAttributeTable>", "  </PAMRasterBand>", "</PAMDataset>", ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def write_qgis_style(path: Path, codes: tuple[int, ...], values: Mapping[int, int] = NO_VALUES) -> None:
    """Write a QGIS layer style at `path` (`.qml`): named classes, clear transparent."""
    entries = "\n".join(
        f'        <paletteEntry value="{entry.code}" color="#{entry.colour[0]:02x}{entry.colour[1]:02x}'
        f'{entry.colour[2]:02x}" alpha="{entry.colour[3]}" label={quoteattr(entry.name)}/>'
        for entry in written_classes(tuple(code for code in codes if code != 255), values)
    )
    path.write_text(_QML.format(entries=entries), encoding="utf-8")


_QML = """<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22.16" styleCategories="Symbology|Transparency" hasScaleBasedVisibilityFlag="0">
  <pipe>
    <provider>
      <resampling enabled="false" zoomedInResamplingMethod="nearestNeighbour" \
zoomedOutResamplingMethod="nearestNeighbour" maxOversampling="2"/>
    </provider>
    <rasterrenderer type="paletted" band="1" opacity="1" alphaBand="-1" nodataColor="">
      <rasterTransparency/>
      <minMaxOrigin>
        <limits>None</limits>
        <extent>WholeRaster</extent>
        <statAccuracy>Estimated</statAccuracy>
      </minMaxOrigin>
      <colorPalette>
{entries}
      </colorPalette>
    </rasterrenderer>
    <brightnesscontrast brightness="0" contrast="0" gamma="1"/>
    <huesaturation colorizeOn="0" grayscaleMode="0" saturation="0"/>
    <rasterresampler maxOversampling="2"/>
    <resamplingStage>resamplingFilter</resamplingStage>
  </pipe>
  <blendMode>0</blendMode>
</qgis>
"""
