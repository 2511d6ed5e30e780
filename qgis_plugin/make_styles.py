"""Saves the plugin's styles from a real QGIS, best the oldest one: /usr/bin/python3 qgis_plugin/make_styles.py.

Needs a mask, its polygons and its score, as `geocloud detect SCENE --mask-file m.tif --polygons-file p.gpkg
--score-file s.tif` writes them, in the folder given as argument.
"""

from __future__ import annotations

import sys
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsColorRampShader,
    QgsFillSymbol,
    QgsMapLayer,
    QgsPalettedRasterRenderer,
    QgsRasterLayer,
    QgsRasterShader,
    QgsSingleBandPseudoColorRenderer,
    QgsSingleSymbolRenderer,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

STYLES = Path(__file__).parent / "geocloud_qgis" / "styles"
ALPHA = 110
"""The ground stays to be seen; the polygons draw the outline."""
CLASSES = (
    (0, QColor(0, 0, 0, 0), "clear"),
    (1, QColor(0, 174, 239, ALPHA), "cloud"),
    (2, QColor(123, 104, 238, ALPHA), "thin cloud"),
    (3, QColor(214, 120, 60, ALPHA), "haze or smoke"),
    (4, QColor(224, 190, 0, ALPHA), "dust"),
    (5, QColor(60, 60, 130, ALPHA), "cloud shadow"),
    (6, QColor(80, 220, 200, ALPHA), "snow or ice"),
)
"""Codes, colours and names as the program's own (a test compares them); a run's layers keep those asked for."""
RAMP = ((0.0, QColor(0, 0, 0, 0), "0"), (0.5, QColor(253, 174, 97, 160), "0.5"), (1.0, QColor(215, 25, 28, 255), "1"))


def mask_style(layer: QgsRasterLayer) -> None:
    """Named classes; clear is transparent, cloud lets the scene show through."""
    entries = [QgsPalettedRasterRenderer.Class(value, colour, name) for value, colour, name in CLASSES]
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, entries))


def polygon_style(layer: QgsVectorLayer) -> None:
    """An outline only, so that the scene stays to be seen."""
    symbol = QgsFillSymbol.createSimple(
        {"style": "no", "outline_color": "255,0,110,255", "outline_width": "0.5", "outline_style": "solid"}
    )
    layer.setRenderer(QgsSingleSymbolRenderer(symbol))


def score_style(layer: QgsRasterLayer) -> None:
    """A ramp from nothing through orange to red; QGIS applies the file's scale, so values are 0 to 1."""
    function = QgsColorRampShader(0.0, 1.0, None, QgsColorRampShader.Type.Interpolated)
    function.setColorRampItemList([QgsColorRampShader.ColorRampItem(*item) for item in RAMP])
    shader = QgsRasterShader()
    shader.setRasterShaderFunction(function)
    renderer = QgsSingleBandPseudoColorRenderer(layer.dataProvider(), 1, shader)
    renderer.setClassificationMin(0)
    renderer.setClassificationMax(1)
    layer.setRenderer(renderer)


def main(folder: Path) -> None:
    """Three layers, three styles."""
    application = QgsApplication([], False)
    application.initQgis()
    for layer, style, name in (
        (QgsRasterLayer(str(folder / "m.tif")), mask_style, "mask.qml"),
        (QgsVectorLayer(str(folder / "p.gpkg")), polygon_style, "polygons.qml"),
        (QgsRasterLayer(str(folder / "s.tif")), score_style, "score.qml"),
    ):
        style(layer)
        print(layer.saveNamedStyle(str(STYLES / name), QgsMapLayer.StyleCategory.Symbology))
    del layer
    application.exitQgis()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
