"""The algorithms in a real QGIS, running the real program."""

import threading
from pathlib import Path

import pytest
from heard import Heard
from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelParameter,
    QgsProcessingParameterRasterLayer,
    QgsRasterLayer,
    QgsVectorLayer,
)

pytestmark = pytest.mark.usefixtures("provider")


def detect(folder, scene, feedback=None, context=None, **more):
    import processing

    given = {"INPUT": scene, "MODEL": "brightness", "MASK": str(folder / "m é.tif"), **more}
    return processing.run("geocloud:detectclouds", given, feedback=feedback or Heard(), context=context)


ALGORITHMS = {
    *("detectclouds", "polygonize", "applymask", "applymasktolayers", "cover", "series", "composite"),
    *("adapt", "checkinstallation"),
}


def test_algorithms_and_their_help(provider):
    names = {algorithm.name() for algorithm in provider.algorithms()}
    assert names == ALGORITHMS
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
    with pytest.raises(QgsProcessingException, match="^Cancelled"):
        detect(folder, big, heard, POLYGONS=str(folder / "p.gpkg"))
    assert not folder.exists() or list(folder.iterdir()) == []


def _enlarged(scene, folder):
    """The scene at so many pixels that a run that heeds no cancel takes a quarter of an hour."""
    from osgeo import gdal

    gdal.Translate(str(folder / "big.vrt"), scene, format="VRT", width=30000, height=30000)
    return str(folder / "big.vrt")


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


def test_smooth_outlines(scene, tmp_path):
    import processing

    def corners(path):
        return sum(feature.geometry().constGet().nCoordinates() for feature in QgsVectorLayer(path).getFeatures())

    files = {"POLYGONS": str(tmp_path / "p.gpkg"), "SCORE": str(tmp_path / "s.tif")}
    mask = detect(tmp_path, scene, **files)["MASK"]
    outs = {name: str(tmp_path / f"{name}.gpkg") for name in ("pixel", "smooth")}
    given = {"INPUT": mask, "SCORE": files["SCORE"], "MIN_AREA": 2500}
    for name, out in outs.items():
        processing.run("geocloud:polygonize", {**given, "OUTLINE": name, "POLYGONS": out}, feedback=Heard())
    assert corners(outs["smooth"]) != corners(outs["pixel"])
    detect(tmp_path, scene, OUTLINE="smooth", **files)
    assert corners(files["POLYGONS"]) > 1.2 * corners(outs["pixel"])
    assert "mean_score" in QgsVectorLayer(outs["smooth"]).fields().names()


def test_a_batch_of_scenes(scene, tmp_path):
    """Row after row in one feedback, as the batch dialog runs them; one that fails does not stop the next."""
    from qgis.core import QgsApplication, QgsProcessingMultiStepFeedback

    algorithm, feedback = QgsApplication.processingRegistry().createAlgorithmById("geocloud:detectclouds"), Heard()
    rows = QgsProcessingMultiStepFeedback(3, feedback)
    ended = []
    for number, model in enumerate(("brightness", "nosuch", "hot")):
        rows.setCurrentStep(number)
        mask = tmp_path / f"row {number}.tif"
        given = {"INPUT": scene, "MODEL": model, "MASK": str(mask)}
        _, ok = algorithm.run(given, QgsProcessingContext(), rows)
        ended.append((ok, mask.exists()))
    assert ended == [(True, True), (False, False), (True, True)]
    assert len([error for error in feedback.errors if "no model 'nosuch'" in error]) == 1


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
