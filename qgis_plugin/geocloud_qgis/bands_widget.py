"""Which band is which, by combo boxes, and what the program found in the scene."""

from __future__ import annotations

from typing import Any, Optional

from qgis.core import QgsRasterLayer
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QComboBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from .described import band_numbers, has_band_files, summary
from .runner import ProgramError
from .telling import make_label, show_text
from .texts import tr

NAMES = ("blue", "green", "red", "nir", "swir16", "swir22", "cirrus")
_COLUMNS = 4


class BandsWidget(QWidget):
    """Each box offers the layer's bands; its first entry leaves the choice to the file."""

    chosen = pyqtSignal()
    """The user has chosen a band, or the file's own again."""

    def __init__(self, parent: Optional[QWidget] = None) -> None:
        """No scene yet."""
        super().__init__(parent)
        self.boxes: dict[str, QComboBox] = {}
        grid = QGridLayout()
        for index, name in enumerate(NAMES):
            row, column = divmod(index, _COLUMNS)
            box = QComboBox()
            box.setObjectName(f"band_{name}")
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(6)
            box.setMinimumHeight(box.sizeHint().height())
            box.addItem(tr("as the file says"), None)
            box.activated.connect(lambda *_: self.chosen.emit())
            grid.addWidget(QLabel(_title(name)), 2 * row, column)
            grid.addWidget(box, 2 * row + 1, column)
            self.boxes[name] = box
        self.found = make_label()
        self.found.setObjectName("found")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(grid)
        layout.addWidget(self.found)

    def text(self) -> str:
        """As the program takes it, `blue=1,green=2`; empty where the file decides."""
        chosen = ((name, box.currentData()) for name, box in self.boxes.items())
        return ",".join(f"{name}={number}" for name, number in chosen if number is not None)

    def setText(self, text: str) -> None:  # noqa: N802 - as a line has it
        """Show numbers; a band that the layer does not have is shown too, for the program to refuse."""
        pairs = dict(part.split("=", 1) for part in text.replace(" ", "").split(",") if "=" in part)
        for name, box in self.boxes.items():
            number = pairs.get(name, "")
            if not number.isdigit():
                box.setCurrentIndex(0)
                continue
            if box.findData(int(number)) < 0:
                box.addItem(number, int(number))
            box.setCurrentIndex(box.findData(int(number)))

    def show_layer(self, layer: Optional[QgsRasterLayer]) -> None:
        """Offer the layer's bands; what was chosen stays where the layer has such a band."""
        self.say("")
        count = 0 if layer is None else layer.bandCount()
        for box in self.boxes.values():
            chosen = box.currentData()
            while box.count() > 1:
                box.removeItem(1)
            box.setItemText(0, tr("as the file says"))
            for number in range(1, count + 1):
                box.addItem(layer.bandName(number), number)
            box.setCurrentIndex(max(0, box.findData(chosen)) if chosen is not None else 0)
            box.setEnabled(count > 1)

    def show_answer(self, answer: Any) -> None:  # noqa: ANN401 - info's record, or a ProgramError
        """What the program found, or its sentence."""
        if isinstance(answer, ProgramError):
            self.say(str(answer), bad=True)
            return
        places = band_numbers(answer)
        for name, box in self.boxes.items() if not self.text() else ():
            box.setItemText(0, tr("{place} (file)").format(place=places[name]) if name in places else tr("none"))
        if has_band_files(answer):
            self.setText("")
            for box in self.boxes.values():
                box.setEnabled(False)
        self.say(summary(answer))

    def say(self, text: str, *, bad: bool = False) -> None:
        """The lines below the boxes."""
        show_text(self.found, text, bad=bad)
        self.found.setVisible(bool(text))
        self._make_room()

    def resizeEvent(self, event: Any) -> None:  # noqa: ANN401, N802 - Qt's name
        """Other widths need other heights."""
        super().resizeEvent(event)
        self._make_room()

    def _make_room(self) -> None:
        """The dialog does not ask lines that wrap how high they are, and would squeeze the boxes."""
        self.found.setMinimumHeight(self.found.heightForWidth(self.width()) if self.found.text() else 0)


def _title(name: str) -> str:
    """A band for people."""
    titles = {
        "blue": tr("blue"), "green": tr("green"), "red": tr("red"), "nir": tr("near infrared"),
        "swir16": tr("infrared 1.6 µm"), "swir22": tr("infrared 2.2 µm"), "cirrus": tr("cirrus"),
    }  # fmt: skip
    return titles.get(name, name)
