"""How results come into the project: names, styles, groups, and no failure that is none."""

import pytest
from geocloud_qgis.layers import is_result
from heard import Heard
from qgis.core import QgsApplication, QgsProcessingContext, QgsProject, QgsRasterLayer

NAMES = ["clear", "cloud", "thin cloud", "cloud shadow", "snow or ice"]
OUTPUTS = {"MASK": "m.tif", "POLYGONS": "p.gpkg", "SCORE": "s.tif"}


@pytest.fixture
def project(provider):
    project = QgsProject.instance()
    project.clear()
    yield project
    project.clear()


def run(project, folder, layer, feedback=None, context=None, **more):
    """As the dialog does it: the results are loaded, then styled and placed."""
    from processing.gui.Postprocessing import handleAlgorithmResults

    folder.mkdir(exist_ok=True)
    context, feedback = context or QgsProcessingContext(), feedback or Heard()
    context.setProject(project)
    given = {"INPUT": layer.id(), "MODEL": "brightness", **{k: str(folder / v) for k, v in OUTPUTS.items()}, **more}
    for name in OUTPUTS:
        if given[name] is not None:
            context.addLayerToLoadOnCompletion(given[name], QgsProcessingContext.LayerDetails(name, project, name))
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("geocloud:detectclouds")
    _, ok = algorithm.run(given, context, feedback)
    assert ok
    assert handleAlgorithmResults(algorithm, context, feedback, parameters=given), feedback.errors
    return feedback


def add(project, scene, name):
    layer = QgsRasterLayer(scene, name)
    project.addMapLayer(layer)
    return layer


def names(group):
    return [node.name() for node in group.children()]


def test_layers_are_named_styled_and_grouped(project, scene, tmp_path):
    run(project, tmp_path / "a", add(project, scene, "scene"))
    root = project.layerTreeRoot()
    group = root.findGroup("Clouds of scene")
    assert names(group) == ["scene cloud polygons", "scene cloud mask", "scene cloud score"]
    assert names(root) == ["Clouds of scene", "scene"]
    mask = group.children()[1].layer()
    assert [(entry.value, entry.label) for entry in mask.renderer().classes()] == [(0, "clear"), (1, "cloud")]
    assert mask.renderer().classes()[0].color.alpha() == 0
    assert mask.renderer().classes()[1].color.alpha() < 128


def test_a_second_run_is_numbered_and_beside_the_first(project, scene, tmp_path):
    layer = add(project, scene, "scene")
    run(project, tmp_path / "a", layer)
    run(project, tmp_path / "b", layer, THRESHOLD="0.3")
    root = project.layerTreeRoot()
    assert names(root) == ["Clouds of scene", "Clouds of scene (2)", "scene"]
    assert names(root.findGroup("Clouds of scene (2)"))[1] == "scene cloud mask (2)"


def test_groups_do_not_nest(project, scene, tmp_path):
    """A scene that the user has put into a group of results gets its own group beside that."""
    run(project, tmp_path / "a", add(project, scene, "scene"))
    root = project.layerTreeRoot()
    other = QgsRasterLayer(scene, "other")
    project.addMapLayer(other, False)
    root.findGroup("Clouds of scene").addLayer(other)
    run(project, tmp_path / "b", other)
    assert names(root) == ["Clouds of other", "Clouds of scene", "scene"]
    assert not [node for node in root.findGroup("Clouds of scene").children() if hasattr(node, "findGroup")]


def test_a_scene_in_the_users_own_group_keeps_its_results_there(project, scene, tmp_path):
    group = project.layerTreeRoot().addGroup("my scenes")
    layer = QgsRasterLayer(scene, "scene")
    project.addMapLayer(layer, False)
    group.addLayer(layer)
    run(project, tmp_path / "a", layer)
    assert names(group) == ["Clouds of scene", "scene"]


def test_the_legend_has_the_classes_asked_for(project, scene, tmp_path):
    run(project, tmp_path / "a", add(project, scene, "scene"), MODEL="", CLASSES=["thin", "shadow", "snow"])
    group = project.layerTreeRoot().findGroup("Clouds of scene")
    polygons, mask = (node.layer() for node in group.children()[:2])
    assert [entry.label for entry in mask.renderer().classes()] == NAMES
    categories = polygons.renderer().categories()
    assert [category.value() for category in categories] == NAMES[1:]
    assert {feature["class"] for feature in polygons.getFeatures()} <= {category.value() for category in categories}


def test_an_output_left_empty_is_no_failure(project, scene, tmp_path):
    """A row of a batch asks QGIS to load the empty path of an optional output."""
    feedback = run(project, tmp_path / "a", add(project, scene, "scene"), SCORE="")
    assert feedback.errors == []


def test_polygons_that_a_scene_cannot_have_are_no_failure(project, scene, tmp_path):
    from osgeo import gdal

    plain = str(tmp_path / "plain.tif")
    gdal.Translate(plain, scene)
    dataset = gdal.Open(plain, gdal.GA_Update)
    dataset.SetProjection("")
    dataset.SetGeoTransform([0, 1, 0, 0, 0, 1])
    del dataset
    feedback = run(project, tmp_path / "a", add(project, plain, "plain"))
    assert feedback.errors == []
    assert names(project.layerTreeRoot().findGroup("Clouds of plain")) == ["plain cloud mask", "plain cloud score"]


def test_the_ground_without_cloud_is_shown_in_its_colours(project, scene, tmp_path):
    estimate = str(tmp_path / "ground.tif")
    layer = add(project, scene, "scene")
    context = QgsProcessingContext()
    context.setProject(project)
    details = QgsProcessingContext.LayerDetails("ground", project, "CLEAR_SKY")
    context.addLayerToLoadOnCompletion(estimate, details)
    run(project, tmp_path / "a", layer, context=context, MODEL="", CLEAR_SKY=estimate)
    ground = project.layerTreeRoot().findGroup("Clouds of scene").children()[-1].layer()
    renderer = ground.renderer()
    assert ground.name() == "scene ground without cloud"
    shown = [ground.bandName(band) for band in (renderer.redBand(), renderer.greenBand(), renderer.blueBand())]
    assert [name.split(": ")[-1] for name in shown] == ["red", "green", "blue"]


def test_probabilities_of_classes_have_a_style_each_and_uncertainty_its_own(project, scene, tmp_path):
    layer, context = add(project, scene, "scene"), QgsProcessingContext()
    context.setProject(project)
    files = {name: str(tmp_path / f"{name}.tif") for name in ("CLASS_SCORES", "UNCERTAINTY")}
    for name, path in files.items():
        context.addLayerToLoadOnCompletion(path, QgsProcessingContext.LayerDetails(name, project, name))
    run(project, tmp_path / "a", layer, context=context, MODEL="", **files)
    group = project.layerTreeRoot().findGroup("Clouds of scene")
    assert names(group)[-2:] == ["scene probability of each class", "scene uncertainty"]
    classes, doubt = (node.layer() for node in group.children()[-2:])
    styles = classes.styleManager()
    assert {"clear", "cloud", "thin cloud"} <= set(styles.styles())
    assert len(styles.styles()) == classes.bandCount()
    assert styles.currentStyle() == "cloud"
    for style in ("thin cloud", "cloud"):
        assert styles.setCurrentStyle(style)
        assert classes.bandName(classes.renderer().band()).endswith(f"P({style})")
        assert is_result(classes)
    assert classes.dataProvider().bandStatistics(1).maximumValue <= 1
    assert doubt.renderer().classificationMax() == 0.5
