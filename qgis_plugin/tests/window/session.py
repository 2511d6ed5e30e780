"""Run inside a real QGIS by `qgis --code`: installs, detects, looks at the results, cancels, saves screenshots.

Writes `outcome.json` into $GEOCLOUD_WINDOW: {} where all is well, else what went wrong.
"""

import json
import os
import re
import shutil
import sys
import time
import traceback
from pathlib import Path

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsContrastEnhancement,
    QgsProcessingUtils,
    QgsProject,
    QgsRasterDataProvider,
    QgsRasterLayer,
)
from qgis.gui import QgsFileWidget
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import (
    QApplication,
    QComboBox,
    QDialog,
    QLabel,
    QProgressBar,
    QPushButton,
    QTextBrowser,
    QTextEdit,
)
from qgis.utils import iface, loadPlugin, startPlugin

sys.path.insert(0, os.environ["GEOCLOUD_STEPS"])
from driving import (  # noqa: E402
    BIG,
    FOLDER,
    SCENE,
    action,
    close_panel,
    group,
    names,
    open_dialog,
    pause,
    plugin,
    run,
    save,
    wait,
    wait_for_map,
)


def show_scene():
    layer = QgsRasterLayer(SCENE, "scene")
    renderer = layer.renderer()
    renderer.setRedBand(3)
    renderer.setGreenBand(2)
    renderer.setBlueBand(1)
    for stretch in (
        renderer.setRedContrastEnhancement,
        renderer.setGreenContrastEnhancement,
        renderer.setBlueContrastEnhancement,
    ):
        enhancement = QgsContrastEnhancement(Qgis.DataType.Float32)
        enhancement.setMinimumValue(0)
        enhancement.setMaximumValue(0.45)  # of reflectance: QGIS applies the file's scale
        enhancement.setContrastEnhancementAlgorithm(
            QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchToMinimumMaximum
        )
        stretch(enhancement)
    QgsProject.instance().addMapLayer(layer)
    QgsProject.instance().setCrs(layer.crs())
    iface.setActiveLayer(layer)
    iface.mapCanvas().setExtent(layer.extent())
    wait_for_map()
    return layer


def detect(layer):
    dialog = open_dialog()
    chosen = dialog.createProcessingParameters()["INPUT"]
    assert chosen in (layer.id(), layer.source()), chosen
    found = dialog.findChild(QLabel, "found")
    wait(lambda: " pixels of 10 m" in found.text())
    assert dialog.findChild(QComboBox, "model").findText("hot") > 0
    assert "1" in dialog.findChild(QComboBox, "band_blue").itemText(0)
    save(dialog, "qgis-dialog")
    dialog.runButton().click()
    wait(lambda: group("Clouds of scene") is not None)
    wait(lambda: dialog.runButton().isEnabled())
    pause(1)
    dialog.close()


def check_message():
    """The result in one line, and a button that shows the log."""
    wait(lambda: "polygon" in getattr(iface.messageBar().currentItem(), "text", str)())
    item = iface.messageBar().currentItem()
    assert "% cloud" in item.text(), item.text()
    save(iface.mainWindow(), "qgis-result")
    item.findChild(QPushButton, "geocloudLog").click()
    pause(0.5)
    window = iface.mainWindow().findChild(QDialog, "geocloudLogDialog")
    assert "--mask-file" in window.text.toPlainText()
    window.close()


def check_threshold(layer):
    """The dock cuts a score at once; its dialog has the scene and the probability."""
    dialog = open_dialog()
    given = {"INPUT": layer.id(), "CLASSES": ["cloud", "shadow"], "SCORE": "TEMPORARY_OUTPUT"}
    dialog.setParameters({**given, "MASK": "TEMPORARY_OUTPUT"})
    run(dialog)
    second = group("Clouds of scene (2)")
    assert second is not None, names(QgsProject.instance().layerTreeRoot())
    kinds = {node.layer().customProperty("geocloud/kind"): node.layer() for node in second.children()}
    labels = [entry.label for entry in kinds["mask"].renderer().classes()]
    assert labels == ["clear", "cloud", "cloud shadow"], labels
    for node in QgsProject.instance().layerTreeRoot().findLayers():
        node.setItemVisibilityChecked(node.layer() in (layer, kinds["score"]))
    action("geocloudOpenThreshold").trigger()
    dock = plugin().dock
    covers = []
    for step in (20, 90):
        dock.probability.slider.setValue(step)
        wait_for_map()
        covers.append(float(dock.cover.text().split()[0]))
    assert covers[0] > covers[1] > 0, covers
    save(iface.mainWindow(), "qgis-threshold")
    dock.write_button.click()
    given = dock.dialog.createProcessingParameters()
    assert given["PROBABILITY"] == 0.9 and given["INPUT"] in (layer.id(), layer.source()), given
    run(dock.dialog)
    third = group("Clouds of scene (3)")
    mask = next(node.layer() for node in third.children() if node.layer().customProperty("geocloud/kind") == "mask")
    assert "probability 0.9" in mask.dataProvider().htmlMetadata()
    dock.close()
    root = QgsProject.instance().layerTreeRoot()
    for made in (second, third):
        QgsProject.instance().removeMapLayers([node.layerId() for node in made.findLayers()])
        root.removeChildNode(made)
    for node in root.findLayers():
        node.setItemVisibilityChecked(True)
    iface.setActiveLayer(layer)


def check_second_click(layer):
    """The scene is active again, and the dialog opens with it; with a result active too."""
    assert iface.activeLayer() == layer, iface.activeLayer()
    made = group("Clouds of scene")
    for active in (layer, *(node.layer() for node in made.children())):
        iface.setActiveLayer(active)
        dialog = open_dialog()
        assert dialog.createProcessingParameters()["INPUT"] in (layer.id(), layer.source()), active.name()
        dialog.close()
    iface.setActiveLayer(layer)
    other = QgsRasterLayer(SCENE, "other")
    QgsProject.instance().addMapLayer(other)
    assert QgsProject.instance().layerTreeRoot().findLayer(other.id()).parent().name() == "", "inside a group"
    QgsProject.instance().removeMapLayer(other)


def check_export():
    """A layer that is no file: a message with a button and the layer's name as it is, no dialog."""
    plugin().dialog, name = None, "tiles <b>1</b> & 2"
    tiles = QgsRasterLayer("type=xyz&url=http://localhost:9/{z}/{x}/{y}.png", name, "wms")
    QgsProject.instance().addMapLayer(tiles)
    iface.setActiveLayer(tiles)
    action("geocloudDetect").trigger()
    assert plugin().dialog is None
    item = iface.messageBar().currentItem()
    assert name in item.findChild(QTextBrowser).toPlainText(), "its mark-up is not to be read"
    assert item.findChild(QPushButton, "geocloudExport") is not None
    iface.messageBar().clearWidgets()
    QgsProject.instance().removeMapLayer(tiles)
    check_export_goes_on()


def check_export_goes_on():
    """The button opens QGIS's own export; its file is the scene. After Cancel no other file is taken for it."""
    layer = QgsRasterLayer(_calculated(), "calculated", "virtualraster")
    assert layer.isValid()
    QgsProject.instance().addMapLayer(layer)
    for name, accepted in (("not exported", False), ("exported", True)):
        iface.setActiveLayer(layer)
        action("geocloudDetect").trigger()
        button = iface.messageBar().currentItem().findChild(QPushButton, "geocloudExport")
        QTimer.singleShot(1500, lambda name=name, accepted=accepted: _answer(name, accepted))
        button.click()
        if not accepted:
            other = QgsRasterLayer(shutil.copy(SCENE, str(FOLDER / "another.tif")), "another")
            QgsProject.instance().addMapLayer(other)
            pause(1)
            assert plugin().dialog is None, "the export was cancelled"
            QgsProject.instance().removeMapLayer(other)
    wait(lambda: plugin().dialog is not None, 60)
    found = next(one for one in QgsProject.instance().mapLayers().values() if one.name() == "exported")
    assert plugin().dialog.createProcessingParameters()["INPUT"] in (found.id(), found.source())
    plugin().dialog.close()
    iface.messageBar().clearWidgets()
    QgsProject.instance().removeMapLayers([layer.id(), found.id()])


def _calculated():
    """A layer of QGIS's raster calculator: it has no file."""
    scene, given = QgsRasterLayer(SCENE, "scene"), QgsRasterDataProvider.VirtualRasterParameters()
    given.crs, given.extent, given.width, given.height = scene.crs(), scene.extent(), 64, 64
    used = QgsRasterDataProvider.VirtualRasterInputLayers()
    used.name, used.uri, used.provider = "scene", SCENE, "gdal"
    given.rInputLayers, given.formula = [used], '"scene@1"'
    return QgsRasterDataProvider.encodeVirtualRasterProviderUri(given)


def _answer(name, accepted):
    """QGIS's own dialog, as a user leaves it."""
    dialog = QApplication.activeModalWidget()
    dialog.findChild(QgsFileWidget).setFilePath(str(FOLDER / f"{name}.tif"))
    (dialog.accept if accepted else dialog.reject)()


def check_result():
    made = group("Clouds of scene")
    layers = {node.name(): node.layer() for node in made.children()}
    assert list(layers) == ["scene cloud polygons", "scene cloud mask"], list(layers)
    mask = layers["scene cloud mask"]
    assert [entry.label for entry in mask.renderer().classes()] == ["clear", "cloud"]
    legend = QgsProject.instance().layerTreeRoot().findLayer(mask.id())
    labels = [node.data(0) for node in iface.layerTreeView().layerTreeModel().layerLegendNodes(legend)]
    assert "cloud" in labels, labels
    assert layers["scene cloud polygons"].featureCount() > 0
    return mask


def check_pixels(mask):
    """Where the mask says cloud, the map's colour changes with the mask; where clear, it does not."""
    wait_for_map()
    with_mask = iface.mapCanvas().grab().toImage()
    node = QgsProject.instance().layerTreeRoot().findLayer(mask.id())
    node.setItemVisibilityChecked(False)
    wait_for_map()
    without = iface.mapCanvas().grab().toImage()
    node.setItemVisibilityChecked(True)
    wait_for_map()
    to_pixels = iface.mapCanvas().getCoordinateTransform()
    extent, changed = mask.extent(), {0: [], 1: []}
    for row in range(1, 24):
        for col in range(1, 24):
            x = extent.xMinimum() + extent.width() * col / 24
            y = extent.yMinimum() + extent.height() * row / 24
            value, ok = mask.dataProvider().sample(_point(x, y), 1)
            at = to_pixels.transform(_point(x, y))
            if ok and int(value) in changed:
                at = int(at.x()), int(at.y())
                changed[int(value)].append(with_mask.pixel(*at) != without.pixel(*at))
    assert changed[0] and sum(changed[0]) < 0.1 * len(changed[0]), "clear is not transparent"
    assert changed[1] and sum(changed[1]) > 0.9 * len(changed[1]), "cloud is not drawn"


def _point(x, y):
    from qgis.core import QgsPointXY

    return QgsPointXY(x, y)


def _plain(log):
    """The log's text without its mark-up, which holds slashes too; no computer's paths belong in the manual."""
    return "<pre style='white-space: pre-wrap'>" + log.toPlainText() + "</pre>"


def cancel_a_second_run():
    big = QgsRasterLayer(BIG, "big")
    QgsProject.instance().addMapLayer(big)
    QgsProject.instance().layerTreeRoot().findLayer(big.id()).setItemVisibilityChecked(False)
    iface.setActiveLayer(big)
    dialog, since = open_dialog(), time.time()
    dialog.runButton().click()
    wait(lambda: dialog.findChild(QProgressBar).value() > 4)
    log = dialog.findChild(QTextEdit, "txtLog")
    log.setHtml(re.sub(r"(/[\w.-]+)+/(?!pre>)", "…/", _plain(log)))
    save(dialog, "qgis-running")
    dialog.cancelButton().click()
    wait(lambda: dialog.runButton().isEnabled(), 120)
    assert group("Clouds of big") is None
    begun = [path for path in Path(QgsProcessingUtils.tempFolder()).rglob("*") if path.is_file()]
    assert not [path for path in begun if path.stat().st_mtime > since or path.name.startswith(".")], begun
    dialog.close()
    QgsProject.instance().removeMapLayer(big)


def session():
    outcome = {}
    try:
        if not QgsApplication.processingRegistry().providerById("geocloud"):
            assert loadPlugin("geocloud_qgis") and startPlugin("geocloud_qgis")
        iface.mainWindow().resize(1180, 760)
        close_panel("Browser")
        import product_steps
        import settings_steps

        settings_steps.install()
        settings_steps.wrong_path()
        settings_steps.variable()
        layer = show_scene()
        detect(layer)
        check_pixels(check_result())
        check_message()
        check_second_click(layer)
        check_threshold(layer)
        check_export()
        product_steps.steps(layer)
        cancel_a_second_run()
        settings_steps.remove()
    except BaseException:  # noqa: BLE001 - all of it is told
        outcome["error"] = traceback.format_exc()
        iface.mainWindow().grab().save(str(FOLDER / "failed.png"))
    (FOLDER / "outcome.json").write_text(json.dumps(outcome))
    os._exit(0)


def begin():
    QTimer.singleShot(1000, session)


if iface.mainWindow().isVisible():
    begin()
else:
    iface.initializationCompleted.connect(begin)
