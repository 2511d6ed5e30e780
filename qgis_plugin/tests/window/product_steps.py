"""Scenes that are no plain file, an area with classes, a batch and a model: each as a user does it."""

import os
import shutil
from pathlib import Path

from driving import FOLDER, SCENE, group, open_dialog, pause, run, save, wait, wait_for_map
from qgis.core import (
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterRasterLayer,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
)
from qgis.PyQt.QtCore import QPointF
from qgis.PyQt.QtWidgets import QComboBox, QLabel, QLineEdit, QTextEdit
from qgis.utils import iface

PRODUCTS = Path(os.environ["GEOCLOUD_PRODUCTS"])


def shares(made):
    """Cloud among the valid pixels of a group's mask, in percent; and the number of its polygons."""
    layers = {node.layer().customProperty("geocloud/kind"): node.layer() for node in made.children()}
    found = layers["mask"].dataProvider().histogram(1, 256, -0.5, 255.5, QgsRectangle(), 0).histogramVector
    return 100 * sum(found[1:255]) / sum(found[:255]), layers["polygons"].featureCount()


def forget(name):
    """Take a group and its layers from the project."""
    made = group(name)
    QgsProject.instance().removeMapLayers([node.layerId() for node in made.findLayers()])
    made.parent().removeChildNode(made)


def detect_product(path, title, picture):
    """The second field, as typed; the program says what it found; Run."""
    iface.setActiveLayer(None)
    dialog = open_dialog()
    line = dialog.findChild(QLineEdit, "product")
    line.setText(str(path))
    line.editingFinished.emit()
    found = dialog.findChild(QLabel, "found")
    wait(lambda: "pixels" in found.text() and "reflectance" in found.text())
    assert not dialog.findChild(QComboBox, "band_blue").isEnabled(), "a product's files say which band they are"
    save(dialog, picture)
    run(dialog)
    name = f"Clouds of {title}"
    assert group(name) is not None, [node.name() for node in QgsProject.instance().layerTreeRoot().children()]
    share = shares(group(name))
    forget(name)
    return share


def detect_virtual_raster():
    """QGIS's own Build virtual raster into a temporary file, then Detect with the bands chosen."""
    import processing

    files = [str(PRODUCTS / f"{name}.tif") for name in ("first", "second", "third")]
    given = {"INPUT": files, "SEPARATE": True, "RESOLUTION": 0, "OUTPUT": "TEMPORARY_OUTPUT"}
    layer = QgsRasterLayer(processing.run("gdal:buildvirtualraster", given)["OUTPUT"], "Virtual")
    QgsProject.instance().addMapLayer(layer)
    iface.setActiveLayer(layer)
    dialog = open_dialog()
    found = dialog.findChild(QLabel, "found")
    wait(lambda: "Bands" in found.text())
    for number, name in enumerate(("blue", "green", "red"), start=1):
        box = dialog.findChild(QComboBox, f"band_{name}")
        box.setCurrentIndex(number)
        box.activated.emit(number)
    wait(lambda: "304 × 304 pixels" in found.text())
    save(dialog, "qgis-virtual")
    run(dialog)
    made = next(
        node for node in QgsProject.instance().layerTreeRoot().children() if node.name().startswith("Clouds of ")
    )
    share = shares(made)
    forget(made.name())
    QgsProject.instance().removeMapLayer(layer)
    return share


def detect_area(layer):
    """Classes inside the visible part of the map."""
    box = layer.extent()
    box.scale(0.5)
    iface.mapCanvas().setExtent(box)
    wait_for_map()
    iface.setActiveLayer(layer)
    dialog = open_dialog()
    visible = iface.mapCanvas().extent()
    x, y = f"{visible.xMinimum()},{visible.xMaximum()}", f"{visible.yMinimum()},{visible.yMaximum()}"
    part = f"{x},{y} [{layer.crs().authid()}]"
    given = {"INPUT": layer.id(), "EXTENT": part, "CLASSES": ["cloud", "thin", "shadow"], "MASK": "TEMPORARY_OUTPUT"}
    dialog.setParameters(given)
    run(dialog)
    name = next(
        node.name()
        for node in QgsProject.instance().layerTreeRoot().children()
        if node.name().startswith("Clouds of ") and shares_extent(node, visible, layer)
    )
    others = [node for node in QgsProject.instance().layerTreeRoot().findGroups() if node.name() != name]
    for node in others:
        node.setItemVisibilityChecked(False)
    iface.mapCanvas().setExtent(layer.extent())
    wait_for_map()
    save(iface.mainWindow(), "qgis-area")
    for node in others:
        node.setItemVisibilityChecked(True)
    forget(name)


def adapted_model(layer):
    """A model of one's own, by its folder; with it the probability of each class, whose styles are chosen."""
    import processing

    folder, twin = FOLDER / "my-model", shutil.copy(SCENE, str(FOLDER / "twin.tif"))
    processing.run("geocloud:adapt", {"LAYERS": [SCENE, twin], "ALLOW_WORSE": True, "OUTPUT": str(folder)})
    iface.setActiveLayer(layer)
    dialog = open_dialog()
    more = {"CLASS_SCORES": "TEMPORARY_OUTPUT", "UNCERTAINTY": "TEMPORARY_OUTPUT", "POLYGONS": None}
    dialog.setParameters({**dialog.createProcessingParameters(), **more})
    dialog.findChild(QComboBox, "model").setEditText(str(folder))
    assert dialog.createProcessingParameters()["MODEL"] == str(folder)
    before = {node.name() for node in QgsProject.instance().layerTreeRoot().findGroups()}
    run(dialog)
    made = next(node for node in QgsProject.instance().layerTreeRoot().findGroups() if node.name() not in before)
    nodes = {node.layer().customProperty("geocloud/kind"): node for node in made.findLayers()}
    assert set(nodes) == {"mask", "class_scores", "uncertainty"}, list(nodes)
    assert "my-model" in nodes["mask"].layer().dataProvider().htmlMetadata()
    others = [node for node in QgsProject.instance().layerTreeRoot().findGroups() if node.name() != made.name()]
    for node in (*others, nodes["mask"], nodes["uncertainty"]):
        node.setItemVisibilityChecked(False)
    assert nodes["class_scores"].layer().styleManager().setCurrentStyle("thin cloud")
    nodes["class_scores"].setExpanded(True)
    wait_for_map()
    iface.messageBar().clearWidgets()
    save(iface.mainWindow(), "qgis-classes")
    for node in others:
        node.setItemVisibilityChecked(True)
    forget(made.name())


def shares_extent(made, visible, layer):
    """True for the group whose mask has the visible part's extent, to a pixel."""
    mask = next(node.layer() for node in made.children() if node.layer().customProperty("geocloud/kind") == "mask")
    expected, size = visible.intersect(layer.extent()), 1.01 * layer.rasterUnitsPerPixelX()
    ours = mask.extent()
    pairs = (
        (ours.xMinimum(), expected.xMinimum()),
        (ours.xMaximum(), expected.xMaximum()),
        (ours.yMinimum(), expected.yMinimum()),
        (ours.yMaximum(), expected.yMaximum()),
    )
    return all(abs(one - other) <= size for one, other in pairs)


def batch():
    """Two rows in the batch window, the optional outputs left empty: no red line."""
    from processing.gui.BatchAlgorithmDialog import BatchAlgorithmDialog

    algorithm = QgsApplication.processingRegistry().createAlgorithmById("geocloud:detectclouds")
    dialog = BatchAlgorithmDialog(algorithm, iface.mainWindow())
    dialog.show()
    dialog.resize(1100, 400)  # after show(), which brings back the last size
    panel = dialog.mainWidget()
    panel.addRow(1)
    context = QgsProcessingContext()
    scenes = (Path(SCENE), next(PRODUCTS.glob("*.tar")))
    fill(panel, [(scene.name, f"clouds/{scene.stem}.tif") for scene in scenes], context)
    for name in ("INPUT", "EXTENT", "AREA", "MODEL", "PROBABILITY", "BANDS", "CLASSES"):
        panel.tblParameters.setColumnHidden(panel.parameter_to_column[name], True)
    save(dialog, "qgis-batch")
    fill(panel, [(str(scene), str(FOLDER / f"batch {row}.tif")) for row, scene in enumerate(scenes)], context)
    dialog.runButton().click()
    pause(0.3)
    wait(lambda: dialog.runButton().isEnabled())
    pause(1)
    log = dialog.findChild(QTextEdit, "txtLog")
    assert all((FOLDER / f"batch {row}.tif").exists() for row in (0, 1))
    assert "not correctly generated" not in log.toPlainText(), log.toPlainText()
    assert "color:#ff0000" not in log.toHtml(), log.toPlainText()
    dialog.close()
    for node in list(QgsProject.instance().layerTreeRoot().children()):
        if node.name().startswith("Clouds of "):
            forget(node.name())


def fill(panel, rows, context):
    """Scene and mask of each row of the batch's table."""
    for row, (scene, mask) in enumerate(rows):
        panel.wrappers[row][panel.parameter_to_column["PRODUCT"]].setParameterValue(scene, context)
        panel.tblParameters.cellWidget(row + 1, panel.parameter_to_column["MASK"]).setValue(mask)


def child(name, title, sources, position):
    """A step of a model; what is not given has its default, as the designer's dialog writes it."""
    made = QgsProcessingModelChildAlgorithm(f"geocloud:{name}")
    made.setChildId(name)
    made.setDescription(title)
    made.setPosition(QPointF(*position))
    for definition in made.algorithm().parameterDefinitions():
        given = sources.get(definition.name())
        if given is None and not definition.isDestination():
            given = QgsProcessingModelChildParameterSource.fromStaticValue(definition.defaultValue())
        if given is not None:
            made.addParameterSources(definition.name(), [given])
    return made


def model():
    """Detect, then apply the mask, as a model; in the designer and run."""
    import processing
    from processing.modeler.ModelerDialog import ModelerDialog

    source = QgsProcessingModelChildParameterSource
    made = QgsProcessingModelAlgorithm("Clear scene")
    scene = QgsProcessingModelParameter("SCENE")
    scene.setPosition(QPointF(150, 60))
    made.addModelParameter(QgsProcessingParameterRasterLayer("SCENE", "Scene"), scene)
    given = source.fromModelParameter("SCENE")
    made.addChildAlgorithm(child("detectclouds", "Detect clouds", {"INPUT": given}, (300, 160)))
    mask = source.fromChildOutput("detectclouds", "MASK")
    clear = child("applymask", "Apply cloud mask", {"INPUT": given, "MASK": mask}, (450, 280))
    output = QgsProcessingModelOutput("Scene without clouds", "Scene without clouds")
    output.setChildId("applymask")
    output.setChildOutputName("OUTPUT")
    output.setPosition(QPointF(600, 380))
    clear.setModelOutputs({"Scene without clouds": output})
    made.addChildAlgorithm(clear)
    designer = ModelerDialog.create(made)
    designer.resize(1100, 640)
    designer.show()
    pause(1)
    save(designer, "qgis-model")
    target = str(FOLDER / "clear.tif")
    made.updateDestinationParameters()
    name = made.destinationParameterDefinitions()[0].name()  # differs between versions of QGIS
    results = processing.run(made, {"SCENE": SCENE, name: target})
    layer = QgsRasterLayer(target)
    assert layer.isValid(), results
    assert layer.bandCount() == 4
    designer.setDirty(False)
    designer.close()


def steps(layer):
    """All of them; the products say what the plain scene says."""
    import processing

    whole = (
        processing.run("geocloud:detectclouds", {"INPUT": SCENE, "MASK": "TEMPORARY_OUTPUT"})["CLOUD_FRACTION"] * 100
    )
    safe, _ = detect_product(next(PRODUCTS.glob("*.SAFE")), "S2B T33UUP 2024-01-05", "qgis-safe")
    landsat, _ = detect_product(next(PRODUCTS.glob("*.tar")), "LC09 192027 2024-01-05", "qgis-landsat")
    virtual, polygons = detect_virtual_raster()
    assert abs(safe - whole) < 1, (safe, whole)
    assert abs(landsat - whole) < 1, (landsat, whole)
    assert abs(virtual - whole) < 10, (virtual, whole)
    assert polygons > 0
    detect_area(layer)
    adapted_model(layer)
    batch()
    model()
