"""The dialog's own widgets: scene by path, model list, bands by combo boxes with what the program found in the scene.

In a batch and in the model designer the parameters are plain texts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

from processing.gui.wrappers import DIALOG_STANDARD, WidgetWrapper
from qgis.core import QgsProcessingContext, QgsProcessingException, QgsProcessingUtils, QgsProject, QgsRasterLayer
from qgis.PyQt.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

from .asker import Asker
from .bands_widget import BandsWidget
from .layers import Source, is_file, layer_path, layer_source
from .probability_widget import ProbabilityWidget
from .runner import ProgramError
from .sources import is_inside_qgis, scene_source, scene_title, typed_path
from .texts import tr


class TextWrapper(WidgetWrapper):
    """A line of text, and in the dialog what a subclass makes of it."""

    def createWidget(self) -> QWidget:  # noqa: N802 - Processing's name
        """The subclass's widget in the dialog, a line elsewhere."""
        return self.dialog_widget() if self.dialogType == DIALOG_STANDARD else QLineEdit()

    def dialog_widget(self) -> QWidget:
        """To override; `text` and `set_text` belong to it."""
        return QLineEdit()

    def text(self) -> str:
        """What the dialog's widget says."""
        return self.widget.text()

    def set_text(self, text: str) -> None:
        """Show it."""
        self.widget.setText(text)

    def value(self) -> str:
        """For Processing."""
        return (self.text() if self.dialogType == DIALOG_STANDARD else self.widget.text()).strip()

    def setValue(self, value: Any) -> None:  # noqa: ANN401, N802 - Processing's name
        """For Processing."""
        text = "" if value is None else str(value)
        if self.dialogType == DIALOG_STANDARD:
            self.set_text(text)
        else:
            self.widget.setText(text)


class ProductWrapper(TextWrapper):
    """A line with File… and Folder…; the layer and the product exclude each other."""

    def dialog_widget(self) -> QWidget:
        """The line and its buttons."""
        widget = QWidget()
        self.line = QLineEdit()
        self.line.setObjectName("product")
        self.line.setPlaceholderText(tr("a product's folder or archive, a STAC item, a URL"))
        self.line.editingFinished.connect(self._changed)
        layout = QHBoxLayout(widget)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.line)
        for title, choose in ((tr("File…"), self._file), (tr("Folder…"), self._folder)):
            button = QPushButton(title)
            button.clicked.connect(lambda *_, choose=choose: choose())
            layout.addWidget(button)
        return widget

    def postInitialize(self, wrappers: list) -> None:  # noqa: N802 - Processing's name
        """Know the layer's widget."""
        if self.dialogType != DIALOG_STANDARD:
            return
        self._layer = next(one for one in wrappers if one.parameterDefinition().name() == "INPUT")
        self._layer.widgetValueHasChanged.connect(self._layer_changed)

    def text(self) -> str:
        """The line's."""
        return self.line.text()

    def set_text(self, text: str) -> None:
        """As if typed."""
        if text != self.line.text():
            self.line.setText(text)
            self._changed()

    def _file(self) -> None:
        self._take(QFileDialog.getOpenFileName(self.widget, tr("Scene"), self._start())[0])

    def _folder(self) -> None:
        self._take(QFileDialog.getExistingDirectory(self.widget, tr("Product"), self._start()))

    def _start(self) -> str:
        """Where the line's own path is, else the project, else the home folder."""
        named = Path(typed_path(self.line.text()) or "-")
        known = [named, named.parent, Path(QgsProject.instance().homePath() or "-")]
        return str(next((one for one in known if one.is_absolute() and one.is_dir()), Path.home()))

    def _take(self, path: str) -> None:
        if path:
            self.set_text(path)

    def _changed(self) -> None:
        """A product leaves no layer; the others hear of it."""
        if self.line.text().strip() and getattr(self, "_layer", None) is not None:
            self._layer.setParameterValue(None, QgsProcessingContext())
        self.widgetValueHasChanged.emit(self)

    def _layer_changed(self, *_: object) -> None:
        """A layer leaves no product."""
        if self._layer.parameterValue() and self.line.text():
            self.line.clear()
            self.widgetValueHasChanged.emit(self)


class ModelWrapper(TextWrapper):
    """The program's models, or a folder."""

    def dialog_widget(self) -> QWidget:
        """An editable list and a button."""
        widget = QWidget()
        self.list = QComboBox()
        self.list.setObjectName("model")
        self.list.setEditable(True)
        self.list.lineEdit().setPlaceholderText(tr("the program's default"))
        self.list.addItem("")
        layout = QHBoxLayout(widget)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.list, 1)
        for title, choose in ((tr("File…"), self._file), (tr("Folder…"), self._folder)):
            button = QPushButton(title)
            button.clicked.connect(lambda *_, choose=choose: choose())
            layout.addWidget(button)
        asker = Asker(widget)
        asker.answered.connect(self._fill)
        asker.ask(["models", "list", "--json"])
        return widget

    def text(self) -> str:
        """A name or a folder."""
        return self.list.currentText()

    def set_text(self, text: str) -> None:
        """Show it."""
        self.list.setEditText(text)

    def _fill(self, answer: object) -> None:
        """The names; the default's place is the empty entry. Without an answer the field stays a line."""
        if isinstance(answer, ProgramError):
            return
        chosen = self.list.currentText()
        for model in answer["models"]:
            self.list.addItem(str(model["name"]))
            self.list.setItemData(self.list.count() - 1, str(model["description"]), TOOLTIP_ROLE)
        default = tr("the program's default: {name}").format(name=answer["default"])
        self.list.lineEdit().setPlaceholderText(default)
        self.list.setEditText(chosen)

    def _file(self) -> None:
        kinds = f"ONNX (*.onnx);;{tr('All files')} (*)"
        chosen = QFileDialog.getOpenFileName(self.widget, tr("Model"), str(Path.home()), kinds)[0]
        if chosen:
            self.set_text(chosen)

    def _folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self.widget, tr("Model"), str(Path.home()))
        if chosen:
            self.set_text(chosen)


class ProbabilityWrapper(TextWrapper):
    """A slider from 0 to 1 with a number; where the box is not ticked, the model's own threshold holds."""

    def dialog_widget(self) -> QWidget:
        """Box, slider and number."""
        return ProbabilityWidget()

    def value(self) -> Optional[float]:
        """For Processing: a number or nothing."""
        text = super().value()
        return float(text) if text else None


class BandsWrapper(TextWrapper):
    """A combo box for each band, and below what the program found in the scene."""

    def dialog_widget(self) -> QWidget:
        """Empty until the scene is known."""
        widget = BandsWidget()
        widget.chosen.connect(self.look)
        self._asker = Asker(widget)
        self._asker.answered.connect(widget.show_answer)
        return widget

    def postInitialize(self, wrappers: list) -> None:  # noqa: N802 - Processing's name
        """Follow the scene."""
        if self.dialogType != DIALOG_STANDARD:
            return
        by_name = {one.parameterDefinition().name(): one for one in wrappers}
        self._layer, self._product = by_name["INPUT"], by_name["PRODUCT"]
        for wrapper in (self._layer, self._product):
            wrapper.widgetValueHasChanged.connect(lambda *_: self.look())
        self.look()

    def look(self) -> None:
        """Ask the program what it makes of the scene."""
        layer = self._chosen_layer()
        self.widget.show_layer(layer)
        source = self._source(layer)
        if source is None:
            self._asker.forget()
            return
        self.widget.say(tr("Looking at the scene…"))
        bands = self.widget.text()
        self._asker.ask(["info", *source.arguments, *([f"--bands={bands}"] if bands else []), "--json"])

    def _chosen_layer(self) -> Optional[QgsRasterLayer]:
        value = self._layer.parameterValue()
        if not value:
            return None
        context = QgsProcessingContext()
        context.setProject(QgsProject.instance())
        layer = QgsProcessingUtils.mapLayerFromString(str(value), context)
        if layer is not None and QgsProject.instance().mapLayer(layer.id()) is None:
            context.temporaryLayerStore().takeMapLayer(layer)
            self._kept = layer  # the context would take it along
        return layer if isinstance(layer, QgsRasterLayer) else None

    def _source(self, layer: Optional[QgsRasterLayer]) -> Optional[Source]:
        """What to ask about; None for nothing, and for what would have to be copied first."""
        product = typed_path(str(self._product.parameterValue() or ""))
        if product:
            return Source(product, scene_title(product))
        if layer is None:
            return None
        if is_file(layer) and self._is_copied(layer):
            self.widget.say(tr("A raster in a database or in QGIS's memory: copied to a GeoTIFF when the run begins."))
            return None
        try:
            return layer_source(layer)
        except QgsProcessingException as error:
            self.widget.say(str(error), bad=True)
            return None

    @staticmethod
    def _is_copied(layer: QgsRasterLayer) -> bool:
        path = layer_path(layer)
        return scene_source(path, layer.bandCount()) == path and is_inside_qgis(path)


TOOLTIP_ROLE = 3
"""Qt.ItemDataRole.ToolTipRole, by number: the enum's place differs between Qt 5 and Qt 6."""
