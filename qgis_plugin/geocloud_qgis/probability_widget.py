"""A probability from 0.01 to 0.99 by slider or number."""

from __future__ import annotations

from typing import Optional

from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QCheckBox, QDoubleSpinBox, QHBoxLayout, QSlider, QWidget

from .texts import tr

STEPS = 100
MODELS_OWN = 0.5


class ProbabilityWidget(QWidget):
    """Slider and number follow each other; without a tick the text is empty."""

    changed = pyqtSignal(float)

    def __init__(self, parent: Optional[QWidget] = None, *, optional: bool = True) -> None:
        """With a box to tick where the value is `optional`."""
        super().__init__(parent)
        self.box = QCheckBox(tr("other than the model's own"))
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(1, STEPS - 1)
        self.number = QDoubleSpinBox()
        self.number.setRange(1 / STEPS, 1 - 1 / STEPS)
        self.number.setSingleStep(1 / STEPS)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.number)
        if optional:
            layout.insertWidget(0, self.box)
            self.box.toggled.connect(self._enable)
        self.box.setChecked(not optional)
        self.slider.valueChanged.connect(lambda step: self.number.setValue(step / STEPS))
        self.number.valueChanged.connect(self._moved)
        self.number.setValue(MODELS_OWN)
        self._enable(self.box.isChecked())

    def text(self) -> str:
        """The number, or an empty text for the model's own threshold."""
        return f"{self.number.value():g}" if self.box.isChecked() else ""

    def setText(self, text: str) -> None:  # noqa: N802 - as a line has it
        """Show a number; what is none leaves the choice to the model."""
        try:
            self.number.setValue(float(text))
        except ValueError:
            self.box.setChecked(False)
        else:
            self.box.setChecked(True)

    def _enable(self, on: bool) -> None:  # noqa: FBT001 - a slot
        self.slider.setEnabled(on)
        self.number.setEnabled(on)

    def _moved(self, value: float) -> None:
        self.slider.setValue(round(value * STEPS))
        self.changed.emit(value)
