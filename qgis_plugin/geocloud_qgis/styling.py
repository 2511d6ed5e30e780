"""How results look: the shipped styles, with the classes that were asked for and their names in QGIS's language."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsColorRampShader,
    QgsContrastEnhancement,
    QgsFillSymbol,
    QgsMapLayer,
    QgsMultiBandColorRenderer,
    QgsPalettedRasterRenderer,
    QgsRasterLayer,
    QgsRasterMinMaxOrigin,
    QgsRasterShader,
    QgsRendererCategory,
    QgsSingleBandPseudoColorRenderer,
)
from qgis.PyQt.QtGui import QColor

from .texts import tr

STYLES = Path(__file__).parent / "styles"
KIND = "geocloud/kind"
"""Custom property of a result: `mask`, `polygons`, `score`, `class_scores`, `uncertainty`, `clear_sky`, `composite`."""
CODES = {"cloud": 1, "thin": 2, "haze": 3, "dust": 4, "shadow": 5, "snow": 6}
"""Class, as the program's option names it -> its code in a mask."""
CLEAR = 0
NAMES = {0: "clear", 1: "cloud", 2: "thin cloud", 3: "haze or smoke", 4: "dust", 5: "cloud shadow", 6: "snow or ice"}
"""Code -> the program's name of the class, as its polygons have it."""
COLOURS = {1: "0,174,239", 2: "123,104,238", 3: "214,120,60", 4: "224,190,0", 5: "60,60,130", 6: "80,220,200"}
"""Code -> red, green, blue; as in mask.qml."""
DOUBT, LARGEST_SPREAD = QColor(190, 0, 190), 0.5
"""Colour of the uncertainty, and the largest there can be."""


def apply_style(layer: QgsMapLayer, kind: str, classes: Sequence[str] = ("cloud",)) -> None:
    """The look of a kind of result; a mask's legend and the polygons' colours show the classes of this run."""
    layer.setCustomProperty(KIND, kind)
    if kind in ("mask", "polygons", "score"):
        layer.loadNamedStyle(str(STYLES / f"{kind}.qml"))
    codes = {CLEAR, *(CODES[name] for name in {*classes, "cloud"} if name in CODES)}
    if kind == "mask":
        _keep_classes(layer, codes)
    elif kind == "polygons" and len(codes) > 2:
        layer.setRenderer(_by_class(codes))
    elif kind in ("clear_sky", "composite"):
        _natural_colours(layer)
    elif kind == "class_scores":
        _style_per_class(layer)
    elif kind == "uncertainty":
        layer.setRenderer(_ramp(layer, 1, LARGEST_SPREAD, DOUBT))
    layer.triggerRepaint()
    layer.emitStyleChanged()


def _keep_classes(layer: QgsRasterLayer, codes: set[int]) -> None:
    """Leave the classes of these codes, named in QGIS's language."""
    names, entries = class_names(), layer.renderer().classes()
    kept = [
        QgsPalettedRasterRenderer.Class(entry.value, entry.color, names[int(entry.value)])
        for entry in entries
        if entry.value in codes
    ]
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, kept))


def _style_per_class(layer: QgsRasterLayer) -> None:
    """A style of the layer for each band, in the class's colour; the one of cloud is shown."""
    codes, names, manager = {name: code for code, name in NAMES.items()}, class_names(), layer.styleManager()
    shown = ""
    for band in range(1, layer.bandCount() + 1):
        word = layer.bandName(band).split(": ")[-1][len("P(") : -1]  # the program's `P(thin cloud)`
        code = codes.get(word, CLEAR)
        colour = QColor(*map(int, COLOURS[code].split(","))) if code in COLOURS else QColor(60, 140, 60)
        layer.setRenderer(_ramp(layer, band, 1.0, colour))
        title = names[code] if word in codes else word
        manager.addStyleFromLayer(title)
        shown = title if not shown or word == "cloud" else shown
    if shown:
        unnamed = manager.currentStyle()
        manager.setCurrentStyle(shown)
        manager.removeStyle(unnamed)


def _ramp(layer: QgsRasterLayer, band: int, largest: float, colour: QColor) -> QgsSingleBandPseudoColorRenderer:
    """From nothing to a colour."""
    function = QgsColorRampShader(0.0, largest, None, QgsColorRampShader.Type.Interpolated)
    steps = [(0.0, 0), (largest / 2, 160), (largest, 255)]
    items = [
        QgsColorRampShader.ColorRampItem(
            value, QColor(colour.red(), colour.green(), colour.blue(), alpha), f"{value:g}"
        )
        for value, alpha in steps
    ]
    function.setColorRampItemList(items)
    shader = QgsRasterShader()
    shader.setRasterShaderFunction(function)
    renderer = QgsSingleBandPseudoColorRenderer(layer.dataProvider(), band, shader)
    renderer.setClassificationMin(0)
    renderer.setClassificationMax(largest)
    return renderer


def _natural_colours(layer: QgsRasterLayer) -> None:
    """Red, green and blue by the bands' names, which QGIS does not look at."""
    numbers = {layer.bandName(number).split(": ")[-1]: number for number in range(1, layer.bandCount() + 1)}
    bands = [numbers.get(name, 0) for name in ("red", "green", "blue")]
    if all(bands):
        layer.setRenderer(QgsMultiBandColorRenderer(layer.dataProvider(), *bands))
        layer.setContrastEnhancement(
            QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchToMinimumMaximum,
            QgsRasterMinMaxOrigin.Limits.CumulativeCut,
        )


def _by_class(codes: set[int]) -> QgsCategorizedSymbolRenderer:
    """An outline in each class's colour."""
    categories = []
    for code in sorted(codes - {CLEAR}):
        outline = {"style": "no", "outline_color": f"{COLOURS[code]},255", "outline_width": "0.5"}
        symbol = QgsFillSymbol.createSimple(outline)
        categories.append(QgsRendererCategory(NAMES[code], symbol, class_names()[code]))
    return QgsCategorizedSymbolRenderer("class", categories)


def class_names() -> dict[int, str]:
    """The same in QGIS's language."""
    return {
        0: tr("clear"),
        1: tr("cloud"),
        2: tr("thin cloud"),
        3: tr("haze or smoke"),
        4: tr("dust"),
        5: tr("cloud shadow"),
        6: tr("snow or ice"),
    }
