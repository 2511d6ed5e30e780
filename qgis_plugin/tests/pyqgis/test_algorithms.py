"""The algorithms in a real QGIS, running the real program."""

import shutil
import threading
import time
from pathlib import Path

import pytest
from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelParameter,
    QgsProcessingParameterRasterLayer,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)

pytestmark = pytest.mark.usefixtures("provider")


class Heard(QgsProcessingFeedback):
    def __init__(self):
        super().__init__(False)
        self.stages, self.errors = [], []

    def setProgressText(self, text):
        self.stages.append(text)

    def reportError(self, text, fatalError=False):
        self.errors.append(text)


def detect(folder, scene, feedback=None, context=None, **more):
    import processing

    given = {"INPUT": scene, "MODEL": "brightness", "MASK": str(folder / "m é.tif"), **more}
    return processing.run("geocloud:detectclouds", given, feedback=feedback or Heard(), context=context)


def test_four_algorithms(provider):
    names = {algorithm.name() for algorithm in provider.algorithms()}
    assert names == {"detectclouds", "polygonize", "applymask", "checkinstallation"}
    for algorithm in provider.algorithms():
        made = algorithm.create()
        for parameter in made.parameterDefinitions():
            assert parameter.help(), parameter.name()
            assert parameter.help() in made.shortHelpString()
        for output in made.outputDefinitions():
            assert output.name() in made.shortHelpString() or made.parameterDefinition(output.name())


def test_detect(scene, tmp_path):
    heard = Heard()
    folder = tmp_path / "a place with spaces"
    polygons, score = str(folder / "p.gpkg"), str(folder / "s.tif")
    results = detect(folder, scene, heard, POLYGONS=polygons, SCORE=score)
    assert 0.05 < results["CLOUD_FRACTION"] < 0.95
    assert results["POLYGON_COUNT"] == QgsVectorLayer(polygons).featureCount() > 0
    assert {"Looking for clouds", "Tracing polygons"} <= set(heard.stages)
    assert heard.errors == []
    assert QgsRasterLayer(results["MASK"]).crs().authid() == QgsRasterLayer(scene).crs().authid()


def test_polygons_can_be_left_out(scene, tmp_path):
    results = detect(tmp_path, scene, POLYGONS=None)
    assert "POLYGONS" not in results
    assert results["POLYGON_COUNT"] is None


def test_layers_are_named_styled_and_grouped(scene, tmp_path):
    from processing.gui.Postprocessing import handleAlgorithmResults
    from qgis.core import QgsApplication

    project = QgsProject.instance()
    layer = QgsRasterLayer(scene, "scene")
    project.addMapLayer(layer)
    context = QgsProcessingContext()
    context.setProject(project)
    paths = {"MASK": str(tmp_path / "m.tif"), "POLYGONS": str(tmp_path / "p.gpkg"), "SCORE": str(tmp_path / "s.tif")}
    for name, path in paths.items():
        context.addLayerToLoadOnCompletion(path, QgsProcessingContext.LayerDetails(name, project, name))
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("geocloud:detectclouds")
    given = {"INPUT": layer.id(), "MODEL": "brightness", **paths}
    _, ok = algorithm.run(given, context, Heard())
    assert ok
    assert handleAlgorithmResults(algorithm, context, Heard(), parameters=given)
    group = project.layerTreeRoot().findGroup("Clouds of scene")
    names = [node.name() for node in group.children()]
    assert names == ["scene cloud polygons", "scene cloud mask", "scene cloud score"]
    assert project.layerTreeRoot().children()[-1].name() == "scene"
    mask = next(node.layer() for node in group.children() if "mask" in node.name())
    assert [(entry.value, entry.label) for entry in mask.renderer().classes()] == [(0, "clear"), (1, "cloud")]
    assert mask.renderer().classes()[0].color.alpha() == 0
    project.clear()


def test_a_mask_opened_by_hand_has_names_and_a_transparent_clear(scene, tmp_path):
    mask = QgsRasterLayer(detect(tmp_path, scene)["MASK"], "mask")
    entries = mask.renderer().classes()
    assert [entry.label for entry in entries] == ["clear", "cloud"]
    assert entries[0].color.alpha() == 0


def test_an_error_is_the_programs_own_sentence(scene, tmp_path):
    with pytest.raises(QgsProcessingException, match="no model 'nosuch'"):
        detect(tmp_path, scene, MODEL="nosuch")


def test_missing_program(scene, tmp_path, monkeypatch):
    monkeypatch.setenv("GEOCLOUD_EXECUTABLE", str(tmp_path / "gone"))
    with pytest.raises(QgsProcessingException, match="GEOCLOUD_EXECUTABLE"):
        detect(tmp_path, scene)


def test_cancel_leaves_nothing(scene, tmp_path):
    heard, folder = Heard(), tmp_path / "out"
    big = _enlarged(scene, tmp_path)
    threading.Timer(3, heard.cancel).start()
    started = time.monotonic()
    with pytest.raises(QgsProcessingException, match="^Cancelled"):
        detect(folder, big, heard, POLYGONS=str(folder / "p.gpkg"))
    assert time.monotonic() - started < 8
    assert not folder.exists() or list(folder.iterdir()) == []


def _enlarged(scene, folder):
    """The scene at so many pixels that it takes longer than the test waits."""
    vrt = folder / "big.vrt"
    from osgeo import gdal

    copy = shutil.copy(scene, folder / "copy.tif")  # the program reads a VRT's files beside it only
    gdal.Translate(str(vrt), str(copy), format="VRT", width=12000, height=12000)
    return str(vrt)


def test_polygonize_and_apply_mask(scene, tmp_path):
    import processing

    mask = detect(tmp_path, scene)["MASK"]
    out, heard = str(tmp_path / "q.gpkg"), Heard()
    results = processing.run("geocloud:polygonize", {"INPUT": mask, "POLYGONS": out}, feedback=heard)
    assert QgsVectorLayer(out).featureCount() == results["POLYGON_COUNT"] > 0
    assert heard.stages == ["Tracing polygons"]
    clear = str(tmp_path / "clear.tif")
    results = processing.run("geocloud:applymask", {"INPUT": scene, "MASK": mask, "OUTPUT": clear})
    assert QgsRasterLayer(clear).bandCount() == 4
    assert 0 < results["REMOVED_FRACTION"] < 1


def test_one_band_of_a_folder_stands_for_the_folder(scene, tmp_path):
    from osgeo import gdal

    folder = tmp_path / "a product"
    folder.mkdir()
    for number, name in enumerate(("B02", "B03", "B04", "B08"), start=1):
        gdal.Translate(str(folder / f"{name}.tif"), scene, bandList=[number])
    whole = detect(tmp_path, scene, MODEL="hot")
    layer = QgsRasterLayer(str(folder / "B03.tif"), "green")
    single = detect(tmp_path, layer, MODEL="hot", MASK=str(tmp_path / "n.tif"))
    assert single["CLOUD_FRACTION"] == whole["CLOUD_FRACTION"] > 0


def test_a_batch_of_scenes(scene, tmp_path):
    """Row after row in one feedback, as the batch dialog runs them; one that fails does not stop the next."""
    from processing.gui.BatchAlgorithmDialog import BatchFeedback
    from qgis.core import QgsApplication

    algorithm, feedback = QgsApplication.processingRegistry().createAlgorithmById("geocloud:detectclouds"), Heard()
    rows = BatchFeedback(3, feedback)
    ended = []
    for number, model in enumerate(("brightness", "nosuch", "hot")):
        rows.setCurrentStep(number)
        mask = tmp_path / f"row {number}.tif"
        given = {"INPUT": scene, "MODEL": model, "MASK": str(mask)}
        _, ok = algorithm.run(given, QgsProcessingContext(), rows)
        ended.append((ok, mask.exists()))
    assert ended == [(True, True), (False, False), (True, True)]
    assert len([error for error in rows.errors if "no model 'nosuch'" in error]) == 1


def test_check_installation():
    import processing

    results = processing.run("geocloud:checkinstallation", {})
    assert "projections ok" in results["REPORT"]
    assert results["VERSION"]


def test_in_a_model(scene, tmp_path):
    model = QgsProcessingModelAlgorithm("one step")
    model.addModelParameter(QgsProcessingParameterRasterLayer("SCENE", "Scene"), QgsProcessingModelParameter("SCENE"))
    child = QgsProcessingModelChildAlgorithm("geocloud:detectclouds")
    child.setChildId("clouds")
    source = QgsProcessingModelChildParameterSource
    mask = tmp_path / "model.tif"
    child.addParameterSources("INPUT", [source.fromModelParameter("SCENE")])
    child.addParameterSources("MODEL", [source.fromStaticValue("brightness")])
    child.addParameterSources("MASK", [source.fromStaticValue(str(mask))])
    model.addChildAlgorithm(child)
    context = QgsProcessingContext()
    results, ok = model.run({"SCENE": scene}, context, Heard())
    assert ok
    assert Path(mask).exists()
