"""A dock with a slider that cuts the score layer on the canvas at once, and writes mask and polygons at the value."""

from __future__ import annotations

import json
from typing import Any, Optional

from qgis.core import (
    QgsColorRampShader,
    QgsMapLayer,
    QgsProject,
    QgsRasterLayer,
    QgsRasterShader,
    QgsRectangle,
    QgsSingleBandPseudoColorRenderer,
)
from qgis.PyQt.QtGui import QColor
from qgis.PyQt.QtWidgets import QComboBox, QDockWidget, QLabel, QPushButton, QVBoxLayout, QWidget

from .layers import PARAMETERS, SCENE, SCENE_ID
from .probability_widget import ProbabilityWidget
from .styling import KIND
from .texts import tr

BINS = 250
"""The score is stored in 250 steps of 0.004."""
CLEAR, CLOUD = QColor(0, 0, 0, 0), QColor(0, 174, 239, 140)


class ThresholdDock(QDockWidget):
    """Lists the scores of the project; the active one is cut at the slider's probability."""

    def __init__(self, iface: Any) -> None:  # noqa: ANN401 - QGIS's interface
        """Follows the project's layers."""
        super().__init__(tr("Cloud threshold"), iface.mainWindow())
        self.setObjectName("geocloudThreshold")
        self._iface = iface
        self._counts: dict[str, list[int]] = {}
        body = QWidget()
        layout = QVBoxLayout(body)
        self.layers = QComboBox()
        self.layers.currentIndexChanged.connect(lambda *_: self.show_threshold())
        self.probability = ProbabilityWidget(optional=False)
        self.probability.changed.connect(lambda *_: self.show_threshold())
        self.cover = QLabel()
        self.cover.setWordWrap(True)
        self.write_button = QPushButton(tr("Write mask and polygons…"))
        self.write_button.clicked.connect(lambda *_: self.write())
        for widget in (QLabel(tr("Score layer:")), self.layers, self.probability, self.cover, self.write_button):
            layout.addWidget(widget)
        layout.addStretch(1)
        self.setWidget(body)
        self._project = QgsProject.instance()
        self._project.layersAdded.connect(self.refresh)
        self._project.layersRemoved.connect(self.refresh)
        self.visibilityChanged.connect(self.refresh)
        self.refresh()

    def detach(self) -> None:
        """Hear of no more layers; the plugin is unloaded."""
        self._project.layersAdded.disconnect(self.refresh)
        self._project.layersRemoved.disconnect(self.refresh)

    def refresh(self, *_: object) -> None:
        """List the score layers there are; the one that was chosen stays."""
        chosen = self.layers.currentData()
        scores = [layer for layer in self._project.mapLayers().values() if is_score(layer)]
        self.layers.blockSignals(True)
        self.layers.clear()
        for layer in scores:
            self.layers.addItem(layer.name(), layer.id())
        self.layers.setCurrentIndex(max(0, self.layers.findData(chosen)) if scores else -1)
        self.layers.blockSignals(False)
        self.show_threshold()

    def layer(self) -> Optional[QgsRasterLayer]:
        """The chosen score layer."""
        return self._project.mapLayer(self.layers.currentData() or "")

    def show_threshold(self) -> None:
        """Draw the layer as a mask at the slider's value, and say how much is cloud."""
        layer = self.layer()
        self.write_button.setEnabled(layer is not None)
        if layer is None:
            self.cover.setText(tr("Run Detect clouds with the output Cloud score; its layer can be cut here."))
            return
        if not self.isVisible():
            return
        value = self.probability.number.value()
        cut_style(layer, value)
        if layer.id() not in self._counts:
            self._counts[layer.id()] = score_counts(layer)
        text = tr("{percent} % cloud, the smallest clouds among it")
        self.cover.setText(text.format(percent=f"{cover(self._counts[layer.id()], value):.1f}"))

    def write(self) -> None:
        """The dialog with the parameters that made the score, and the slider's probability."""
        import processing

        layer = self.layer()
        if layer is not None:
            given = parameters_of(layer, self._project, self.probability.number.value())
            self.dialog = processing.createAlgorithmDialog("geocloud:detectclouds", given)
            self.dialog.show()


def is_score(layer: QgsMapLayer) -> bool:
    """True for a score that a run of this plugin has put into the project."""
    return isinstance(layer, QgsRasterLayer) and layer.customProperty(KIND) == "score"


def cut_style(layer: QgsRasterLayer, probability: float) -> None:
    """Draw what is at least `probability` as cloud, the rest not at all."""
    just_below = probability - 0.5 / BINS  # the score is stored in steps; discrete classes end at their value
    function = QgsColorRampShader(0.0, 1.0, None, QgsColorRampShader.Type.Discrete)
    clear = QgsColorRampShader.ColorRampItem(just_below, CLEAR, tr("clear"))
    cloud = QgsColorRampShader.ColorRampItem(float("inf"), CLOUD, tr("cloud"))
    function.setColorRampItemList([clear, cloud])
    shader = QgsRasterShader()
    shader.setRasterShaderFunction(function)
    layer.setRenderer(QgsSingleBandPseudoColorRenderer(layer.dataProvider(), 1, shader))
    layer.triggerRepaint()
    layer.emitStyleChanged()


def score_counts(layer: QgsRasterLayer) -> list[int]:
    """Valid pixels per step of the score, all of them counted."""
    edge = 0.5 / BINS
    found = layer.dataProvider().histogram(1, BINS + 1, -edge, 1 + edge, QgsRectangle(), 0)
    return list(found.histogramVector)


def cover(counts: list[int], probability: float) -> float:
    """Percent of the valid pixels with at least this probability."""
    valid = sum(counts)
    first = round(probability * BINS)
    return 100 * sum(counts[first:]) / valid if valid else 0.0


def parameters_of(layer: QgsRasterLayer, project: QgsProject, probability: float) -> dict[str, Any]:
    """The parameters of the run that made a score, at another probability; the score is not written again."""
    given = json.loads(layer.customProperty(PARAMETERS, "{}") or "{}")
    given = {name: value for name, value in given.items() if value is not None and name != "THRESHOLD"}
    scene_id = layer.customProperty(SCENE_ID, "")
    if project.mapLayer(scene_id) is not None:
        given["INPUT"] = scene_id
    else:
        given["PRODUCT"] = layer.customProperty(SCENE, "")
    return {**given, "PROBABILITY": probability}
