"""The live threshold: what the dock shows is what the program finds at that probability."""

import pytest
from geocloud_qgis.layers import PARAMETERS, SCENE, SCENE_ID
from geocloud_qgis.threshold_dock import cover, cut_style, parameters_of, score_counts
from qgis.core import QgsProject, QgsRasterLayer


@pytest.fixture
def score(detect, scene, tmp_path):
    layer = QgsRasterLayer(detect(scene, SCORE=str(tmp_path / "score.tif"), MIN_AREA=0)["SCORE"], "score")
    QgsProject.instance().addMapLayer(layer)
    yield layer
    QgsProject.instance().clear()


@pytest.mark.parametrize("probability", [0.2, 0.5, 0.8])
def test_the_cover_is_what_the_program_finds(score, detect, scene, probability):
    found = detect(scene, PROBABILITY=probability, MIN_AREA=0)["CLOUD_FRACTION"]
    assert cover(score_counts(score), probability) == pytest.approx(100 * found, abs=0.2)


def test_the_style_is_cut_at_the_value(score):
    cut_style(score, 0.7)
    shade = score.renderer().shader().rasterShaderFunction().shade
    assert shade(0.69)[4] == 0
    assert shade(0.7)[4] > 0
    assert shade(1.0)[4] > 0


def test_the_run_that_made_a_score_is_repeated_at_the_value(score, scene):
    score.setCustomProperty(PARAMETERS, '{"MODEL": "hot", "THRESHOLD": "0.1", "SCALE": null, "CLASSES": ["cloud"]}')
    score.setCustomProperty(SCENE, scene)
    score.setCustomProperty(SCENE_ID, "gone")
    given = parameters_of(score, QgsProject.instance(), 0.7)
    assert given == {"MODEL": "hot", "CLASSES": ["cloud"], "PRODUCT": scene, "PROBABILITY": 0.7}
