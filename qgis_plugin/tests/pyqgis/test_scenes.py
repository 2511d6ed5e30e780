"""What can be a scene: layers of every kind that QGIS opens, and products that are not on the map."""

import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from geocloud_qgis.layers import is_result, layer_source
from geocloud_qgis.recent import remember, scene_for
from osgeo import gdal
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsGeometry,
    QgsProcessingException,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
)

BANDS = ("B02", "B03", "B04", "B08")


@pytest.fixture
def product(scene, tmp_path):
    """A folder of band files."""
    folder = tmp_path / "a product"
    folder.mkdir()
    for number, name in enumerate(BANDS, start=1):
        gdal.Translate(str(folder / f"{name}.tif"), scene, bandList=[number])
    return folder


@pytest.fixture
def fraction(scene, detect):
    """What the whole scene has."""
    return detect(scene)["CLOUD_FRACTION"]


def test_one_band_of_a_folder_stands_for_the_folder(detect, product, fraction):
    layer = QgsRasterLayer(str(product / "B03.tif"), "green")
    assert detect(layer)["CLOUD_FRACTION"] == fraction > 0


def test_one_band_of_an_archive_stands_for_the_archive(detect, product, fraction, tmp_path):
    with tarfile.open(tmp_path / "bands.tar", "w") as archive:
        for path in product.iterdir():
            archive.add(path, path.name)
    with zipfile.ZipFile(tmp_path / "bands.zip", "w") as archive:
        for path in product.iterdir():
            archive.write(path, path.name)
    for source in (f"/vsitar/{tmp_path}/bands.tar/B03.tif", f"/vsizip/{tmp_path}/bands.zip/B03.tif"):
        layer = QgsRasterLayer(source, "green")
        assert layer.isValid()
        assert detect(layer)["CLOUD_FRACTION"] == fraction


def test_a_virtual_raster_in_another_folder(detect, product, fraction, tmp_path):
    """As QGIS's own Build virtual raster makes it, into a temporary folder."""
    (tmp_path / "temporary").mkdir()
    target = str(tmp_path / "temporary" / "OUTPUT.vrt")
    gdal.BuildVRT(target, [str(product / f"{name}.tif") for name in BANDS], separate=True)
    layer = QgsRasterLayer(target, "OUTPUT")
    assert detect(layer, BANDS="blue=1,green=2,red=3,nir=4")["CLOUD_FRACTION"] == fraction


def test_a_table_of_a_geopackage(detect, scene, fraction, tmp_path):
    target = str(tmp_path / "all.gpkg")
    gdal.Translate(str(tmp_path / "byte.tif"), scene, outputType=gdal.GDT_Byte, scaleParams=[[0, 10200, 0, 255]])
    options = ["RASTER_TABLE=chip", "TILE_FORMAT=PNG"]
    gdal.Translate(target, str(tmp_path / "byte.tif"), format="GPKG", bandList=[3, 2, 1], creationOptions=options)
    layer = QgsRasterLayer(f"GPKG:{target}:chip", "chip")
    assert layer.isValid()
    assert layer_source(layer).title == "chip"
    found = detect(layer, MODEL="brightness", BANDS="red=1,green=2,blue=3", SCALE=0.004)["CLOUD_FRACTION"]
    assert found == pytest.approx(detect(scene, MODEL="brightness")["CLOUD_FRACTION"], abs=0.02)


def test_a_raster_in_qgis_own_memory(detect, scene, fraction):
    gdal.Translate("/vsimem/made.tif", scene)
    layer = QgsRasterLayer("/vsimem/made.tif", "made")
    assert detect(layer)["CLOUD_FRACTION"] == fraction
    gdal.Unlink("/vsimem/made.tif")


def test_a_format_whose_files_may_name_others(detect, scene, fraction, tmp_path):
    target = str(tmp_path / "scene.ers")
    gdal.Translate(target, scene, format="ERS")
    found = detect(QgsRasterLayer(target, "scene"), BANDS="blue=1,green=2,red=3,nir=4", SCALE=0.0001)
    assert found["CLOUD_FRACTION"] == pytest.approx(fraction, abs=0.01)


def test_the_crs_that_the_user_gave_to_a_layer(detect, scene, tmp_path):
    """Its results lie where the layer lies, and square metres are known."""
    bare = str(tmp_path / "bare.tif")
    gdal.Translate(bare, scene)
    dataset = gdal.Open(bare, gdal.GA_Update)
    dataset.SetProjection("")
    del dataset
    layer, crs = QgsRasterLayer(bare, "a renamed layer"), QgsRasterLayer(scene).crs()
    assert crs != QgsCoordinateReferenceSystem("EPSG:32733")
    for given in (crs, QgsCoordinateReferenceSystem("EPSG:32733")):
        layer.setCrs(given)
        results = detect(layer, POLYGONS=str(tmp_path / "p.gpkg"))
        assert QgsRasterLayer(results["MASK"]).crs() == given
        assert results["POLYGON_COUNT"] > 0
    assert layer_source(layer).title == "a renamed layer"


def test_a_product_that_is_not_on_the_map(detect, product, fraction):
    results = detect(None, PRODUCT=str(product))
    assert results["CLOUD_FRACTION"] == fraction


def half_of(scene):
    """The upper half's rectangle, as QGIS writes it: xmin, xmax, ymin, ymax."""
    layer = QgsRasterLayer(scene)
    box = layer.extent()
    middle = (box.yMinimum() + box.yMaximum()) / 2
    return QgsRectangle(box.xMinimum(), middle, box.xMaximum(), box.yMaximum()), layer.crs()


def cloud_rows(path):
    """Rows of the mask on the scene's grid that have data, and the cloud pixels among them."""
    dataset = gdal.Open(path)
    values = dataset.ReadAsArray()
    valid = values != 255
    return int(valid.any(axis=1).sum()), int((values[valid] == 1).sum())


def test_a_part_of_the_scene_is_what_the_whole_says_there(detect, scene, tmp_path):
    box, crs = half_of(scene)
    whole = gdal.Open(detect(scene, MIN_AREA=0)["MASK"]).ReadAsArray()
    expected = 256, int((whole[:256] == 1).sum())
    part = f"{box.xMinimum()},{box.xMaximum()},{box.yMinimum()},{box.yMaximum()} [{crs.authid()}]"
    assert cloud_rows(detect(scene, MIN_AREA=0, EXTENT=part)["MASK"]) == expected
    rows, _ = cloud_rows(detect(None, PRODUCT=scene, MIN_AREA=0, EXTENT=part)["MASK"])
    assert 256 <= rows <= 270  # the box goes in degrees, which lie askew


def test_polygons_as_the_area(detect, scene, tmp_path):
    box, crs = half_of(scene)
    whole = gdal.Open(detect(scene, MIN_AREA=0)["MASK"]).ReadAsArray()
    layer = QgsVectorLayer(f"Polygon?crs={crs.authid()}", "area", "memory")
    feature = QgsFeature()
    feature.setGeometry(QgsGeometry.fromRect(box))
    layer.dataProvider().addFeature(feature)
    layer.updateExtents()
    found = cloud_rows(detect(scene, MIN_AREA=0, AREA=layer)["MASK"])
    assert found == (256, int((whole[:256] == 1).sum()))


def test_an_area_without_polygons_or_crs_is_named(detect, scene):
    empty = QgsVectorLayer("Polygon?crs=EPSG:4326", "my fields", "memory")
    with pytest.raises(QgsProcessingException, match="my fields has no polygons"):
        detect(scene, AREA=empty)
    feature = QgsFeature()
    feature.setGeometry(QgsGeometry.fromRect(half_of(scene)[0]))
    nowhere = QgsVectorLayer("Polygon", "my fields", "memory")
    nowhere.dataProvider().addFeature(feature)
    nowhere.setCrs(QgsCoordinateReferenceSystem())
    with pytest.raises(QgsProcessingException, match="my fields has no CRS"):
        detect(scene, AREA=nowhere)


def test_other_tables_of_a_geopackage_are_not_lost(provider, scene, tmp_path):
    from qgis.core import QgsApplication, QgsProcessingContext

    target = str(tmp_path / "all.gpkg")
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("geocloud:detectclouds")
    given = {"INPUT": scene, "MASK": "TEMPORARY_OUTPUT", "POLYGONS": target}
    for table, mode, ok in (("clouds", None, True), ("my fields", "update", False)):
        gdal.VectorTranslate(target, _square(tmp_path), layerName=table, accessMode=mode, format="GPKG")
        good, text = algorithm.checkParameterValues(given, QgsProcessingContext())
        assert (good, "my fields" in text) == (ok, not ok)


def _square(folder):
    path = folder / "square.geojson"
    path.write_text('{"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}')
    return str(path)


def test_one_area_not_two(provider, scene):
    from qgis.core import QgsApplication, QgsProcessingContext

    algorithm = QgsApplication.processingRegistry().createAlgorithmById("geocloud:detectclouds")
    given = {"INPUT": scene, "EXTENT": "0,1,0,1 [EPSG:4326]", "AREA": "a.gpkg", "MASK": "TEMPORARY_OUTPUT"}
    ok, text = algorithm.checkParameterValues(given, QgsProcessingContext())
    assert not ok
    assert "not both" in text


def test_a_scene_without_georeference_keeps_small_clouds(detect, scene, tmp_path):
    plain = str(tmp_path / "plain.png")
    gdal.Translate(plain, scene, format="PNG", outputType=gdal.GDT_Byte, bandList=[3, 2, 1], scaleParams=[[0, 9000]])
    Path(plain + ".aux.xml").unlink(missing_ok=True)
    for given in ({"INPUT": plain}, {"INPUT": None, "PRODUCT": plain}):
        results = detect(**{"scene": given["INPUT"], "PRODUCT": given.get("PRODUCT"), "MODEL": "brightness"})
        assert results["CLOUD_FRACTION"] > 0


@pytest.mark.parametrize(("layer", "product"), [(None, ""), ("scene", "scene")])
def test_one_scene_not_none_and_not_two(provider, scene, layer, product):
    from qgis.core import QgsApplication, QgsProcessingContext

    algorithm = QgsApplication.processingRegistry().createAlgorithmById("geocloud:detectclouds")
    given = {"INPUT": layer and scene, "PRODUCT": product and scene, "MASK": "TEMPORARY_OUTPUT"}
    ok, text = algorithm.checkParameterValues(given, QgsProcessingContext())
    assert not ok
    assert "scene" in text


def test_a_layer_that_is_no_file(qgis_app):
    layer = QgsRasterLayer("type=xyz&url=https://tile.example.org/{z}/{x}/{y}.png", "tiles", "wms")
    with pytest.raises(QgsProcessingException, match="tiles is not a raster file"):
        layer_source(layer)


class TestTheDialogOpensWith:
    @pytest.fixture(autouse=True)
    def project(self, qgis_app):
        remember({})
        project = QgsProject.instance()
        project.clear()
        yield project
        project.clear()

    @pytest.fixture
    def layer(self, scene, project):
        return project.addMapLayer(QgsRasterLayer(scene, "scene"))

    def test_the_active_layer(self, layer, project):
        assert scene_for(layer, project) == {"INPUT": layer.id()}

    def test_the_only_raster(self, layer, project):
        assert scene_for(None, project) == {"INPUT": layer.id()}

    def test_the_scene_of_a_result(self, layer, project, detect, scene, tmp_path):
        mask = project.addMapLayer(QgsRasterLayer(detect(scene)["MASK"], "mask by hand"))
        assert is_result(mask)
        remember({"INPUT": layer.id()})
        assert scene_for(mask, project) == {"INPUT": layer.id()}
        other = project.addMapLayer(QgsRasterLayer(scene, "other"))
        mask.setCustomProperty("geocloud/scene", scene)
        mask.setCustomProperty("geocloud/scene_id", other.id())
        assert scene_for(mask, project) == {"INPUT": other.id()}

    def test_the_last_product(self, project):
        remember({"PRODUCT": "/d/S2A.SAFE"})
        vector = project.addMapLayer(QgsVectorLayer("Point", "points", "memory"))
        assert scene_for(vector, project) == {"PRODUCT": "/d/S2A.SAFE"}

    def test_nothing_where_the_last_scene_is_gone(self, project):
        remember({"INPUT": "gone"})
        assert scene_for(None, project) == {}
