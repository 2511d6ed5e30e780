"""How results look: the shipped styles, with the classes that were asked for and their names in QGIS's language."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsFillSymbol,
    QgsMapLayer,
    QgsPalettedRasterRenderer,
    QgsRasterLayer,
    QgsRendererCategory,
)

from .texts import tr

STYLES = Path(__file__).parent / "styles"
KIND = "geocloud/kind"
"""Custom property of a result: `mask`, `polygons` or `score`."""
CODES = {"cloud": 1, "thin": 2, "haze": 3, "dust": 4, "shadow": 5, "snow": 6}
"""Class, as the program's option names it -> its code in a mask."""
CLEAR = 0
NAMES = {0: "clear", 1: "cloud", 2: "thin cloud", 3: "haze or smoke", 4: "dust", 5: "cloud shadow", 6: "snow or ice"}
"""Code -> the program's name of the class, as its polygons have it."""
COLOURS = {1: "0,174,239", 2: "123,104,238", 3: "214,120,60", 4: "224,190,0", 5: "60,60,130"}
"""Code -> red, green, blue; as in mask.qml."""


def apply_style(layer: QgsMapLayer, style: str, classes: Sequence[str] = ("cloud",)) -> None:
    """Load a file of `styles/`; a mask's legend and the polygons' colours show the classes of this run."""
    layer.loadNamedStyle(str(STYLES / style))
    layer.setCustomProperty(KIND, Path(style).stem)
    codes = {CLEAR, *(CODES[name] for name in {*classes, "cloud"} if name in CODES)}
    if style == "mask.qml":
        _keep_classes(layer, codes)
    elif style == "polygons.qml" and len(codes) > 2:
        layer.setRenderer(_by_class(codes))
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
