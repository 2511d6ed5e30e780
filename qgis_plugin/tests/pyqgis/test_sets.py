"""Several layers in: cover of zones, series, composite, one mask for a group of layers."""

from pathlib import Path

import pytest
from heard import Heard
from osgeo import gdal
from qgis.core import (
    QgsFeature,
    QgsGeometry,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
)

BANDS = ("blue", "green", "red", "nir")


@pytest.fixture(scope="module")
def dates(tmp_path_factory):
    """Three dates of one place: a bright field of cloud moves over ground that changes little."""
    import numpy

    folder, paths = tmp_path_factory.mktemp("dates"), []
    noise = numpy.random.default_rng(1)
    ground = noise.uniform(300, 900, (4, 96, 96))
    for number, day in enumerate(("2020-05-01", "2020-05-11", "2020-05-21")):
        values = ground * (1 + 0.02 * number) + noise.normal(0, 10, ground.shape)
        values[:, 30 * number : 30 * number + 24, 20:70] = 7000
        paths.append(str(folder / f"{day}.tif"))
        dataset = gdal.GetDriverByName("GTiff").Create(paths[-1], 96, 96, 4, gdal.GDT_UInt16)
        dataset.SetGeoTransform([500000, 10, 0, 5000000, 0, -10])
        dataset.SetProjection(QgsRasterLayer(paths[0]).crs().toWkt() if number else _utm())
        for band, name in enumerate(BANDS, start=1):
            dataset.GetRasterBand(band).WriteArray(values[band - 1].clip(1, 9999).astype("uint16"))
            dataset.GetRasterBand(band).SetDescription(name)
        del dataset
    return paths


def _utm():
    from qgis.core import QgsCoordinateReferenceSystem

    return QgsCoordinateReferenceSystem("EPSG:32633").toWkt()


@pytest.fixture
def run(provider):
    """Run an algorithm in the project, with a quick model where it takes one; results, layers to load, feedback."""
    import processing

    def call(name, **given):
        context, heard = QgsProcessingContext(), Heard()
        context.setProject(QgsProject.instance())
        results = processing.run(f"geocloud:{name}", given, feedback=heard, context=context)
        names = [details.name for details in context.layersToLoadOnCompletion().values()]
        return results, names, heard

    return call


def test_a_series_gives_a_mask_per_date(run, dates, tmp_path):
    results, names, heard = run("series", LAYERS=dates, MODEL="hot", SCALE=0.0001, OUTPUT=str(tmp_path / "masks"))
    assert results["MASK_COUNT"] == 3
    assert sorted(path.name for path in (tmp_path / "masks").glob("*.tif")) == [
        f"{Path(date).stem}_cloudmask.tif" for date in dates
    ]
    assert sorted(names) == [f"{Path(date).stem} cloud mask" for date in dates]
    assert "Comparing the dates" in heard.stages
    mask = gdal.Open(str(tmp_path / "masks" / "2020-05-01_cloudmask.tif")).ReadAsArray()
    assert (mask[2:22, 25:65] == 1).mean() > 0.9
    assert (mask[60:] == 1).mean() < 0.1


def test_a_series_of_two_is_refused_in_the_programs_words(run, dates, tmp_path):
    with pytest.raises(QgsProcessingException, match="2 dates are too few"):
        run("series", LAYERS=dates[:2], MODEL="hot", OUTPUT=str(tmp_path / "masks"))


def test_a_composite_has_no_clouds(run, dates, tmp_path):
    out = str(tmp_path / "c.tif")
    given = {"LAYERS": dates, "MODEL": "hot", "SCALE": 0.0001, "METHOD": "medoid", "OUTPUT": out}
    results, _, _ = run("composite", **given)
    assert results["DATE_COUNT"] == 3
    assert results["FILLED_FRACTION"] == 1
    layer = QgsRasterLayer(out)
    assert layer.bandCount() == 6
    assert gdal.Open(out).GetRasterBand(1).ReadAsArray().max() < 0.5


def test_a_composite_of_a_part(run, dates, tmp_path):
    out, part = str(tmp_path / "c.tif"), "500000,500480,4999520,5000000 [EPSG:32633]"
    run("composite", LAYERS=dates, MODEL="hot", SCALE=0.0001, EXTENT=part, OUTPUT=out)
    whole, made = QgsRasterLayer(dates[0]), QgsRasterLayer(out)
    assert 48 <= made.width() <= 50 < whole.width()  # the box goes in degrees, which lie askew


def test_two_bands_of_a_folder_are_one_date(run, dates, tmp_path):
    folder = tmp_path / "2020-05-01"
    folder.mkdir()
    for number, name in enumerate(("B02", "B03", "B04", "B08"), start=1):
        gdal.Translate(str(folder / f"{name}.tif"), dates[0], bandList=[number])
    layers = [str(folder / "B02.tif"), str(folder / "B03.tif"), *dates[1:]]
    out = str(tmp_path / "c.tif")
    results, _, _ = run("composite", LAYERS=layers, MODEL="hot", SCALE=0.0001, OUTPUT=out)
    assert results["DATE_COUNT"] == 3


@pytest.fixture
def masks(dates, tmp_path):
    """A mask per date: the upper half is cloud, and the whole."""
    import numpy

    paths = []
    for date, rows in zip(dates, (48, 96)):
        paths.append(str(tmp_path / f"{Path(date).stem}_cloudmask.tif"))
        dataset = gdal.GetDriverByName("GTiff").Create(paths[-1], 96, 96, 1, gdal.GDT_Byte)
        source = gdal.Open(date)
        dataset.SetGeoTransform(source.GetGeoTransform())
        dataset.SetProjection(source.GetProjection())
        values = numpy.zeros((96, 96), dtype="uint8")
        values[:rows] = 1
        dataset.GetRasterBand(1).WriteArray(values)
        del dataset
    return paths


@pytest.fixture
def zones():
    """The upper and the lower half, as a layer in memory."""
    layer = QgsVectorLayer("Polygon?crs=EPSG:32633&field=name:string", "zones", "memory")
    for name, top in (("upper", 5000000), ("lower", 5000000 - 480)):
        feature = QgsFeature(layer.fields())
        feature.setAttribute("name", name)
        feature.setGeometry(QgsGeometry.fromRect(QgsRectangle(500000, top - 480, 500960, top)))
        assert layer.dataProvider().addFeature(feature)
    layer.updateExtents()
    QgsProject.instance().addMapLayer(layer)
    yield layer
    QgsProject.instance().removeMapLayer(layer)


def test_the_cover_of_zones(run, masks, zones, tmp_path):
    out = str(tmp_path / "cover.gpkg")
    results, _, heard = run("cover", MASKS=masks, ZONES=zones, OUTPUT=out)
    assert results["CLOUD_FRACTION"] is None, "a mean over several dates says nothing"
    found = {(row["name"], row["mask"][:10]): row["cloud_percent"] for row in QgsVectorLayer(out).getFeatures()}
    first, second = (Path(mask).name[:10] for mask in masks)
    assert found[("upper", first)] == pytest.approx(100)
    assert found[("lower", first)] == pytest.approx(0)
    assert found[("lower", second)] == pytest.approx(100)
    assert "Measuring the zones" in heard.stages


def test_the_cover_of_the_selected_zones_alone(run, masks, zones, tmp_path):
    from qgis.core import QgsProcessingFeatureSourceDefinition

    zones.selectByExpression("name = 'lower'")
    selected = QgsProcessingFeatureSourceDefinition(zones.id(), selectedFeaturesOnly=True)
    out = str(tmp_path / "cover.gpkg")
    results, _, _ = run("cover", MASKS=masks[:1], ZONES=selected, OUTPUT=out)
    assert results["CLOUD_FRACTION"] == pytest.approx(0)
    assert [row["name"] for row in QgsVectorLayer(out).getFeatures()] == ["lower"]


def test_one_mask_for_several_layers(run, dates, masks, tmp_path):
    twin = tmp_path / "twin" / Path(dates[0]).name
    twin.parent.mkdir()
    gdal.Translate(str(twin), dates[0], bandList=[3])
    _, names, _ = run("applymasktolayers", LAYERS=[dates[0], str(twin)], MASK=masks[0], OUTPUT=str(tmp_path / "out"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "2020-05-01_2_clear.tif",
        "2020-05-01_clear.tif",
    ]
    assert names == ["2020-05-01 without clouds"] * 2
    clear = gdal.Open(str(tmp_path / "out" / "2020-05-01_2_clear.tif"))
    assert clear.RasterCount == 1
    assert (clear.ReadAsArray()[:48] == clear.GetRasterBand(1).GetNoDataValue()).all()


def test_a_mask_in_landsats_codes(run, dates, tmp_path):
    """A QA_PIXEL band is the mask here, not one band of its product."""
    import numpy

    qa = str(tmp_path / "LC08_L2SP_008059_20191201_20200825_02_T1_QA_PIXEL.TIF")
    dataset = gdal.GetDriverByName("GTiff").Create(qa, 96, 96, 1, gdal.GDT_UInt16)
    source = gdal.Open(dates[0])
    dataset.SetGeoTransform(source.GetGeoTransform())
    dataset.SetProjection(source.GetProjection())
    values = numpy.full((96, 96), 21824, dtype="uint16")  # clear
    values[:24] = 22280  # high confidence of cloud
    dataset.GetRasterBand(1).WriteArray(values)
    del dataset
    results, _, _ = run("polygonize", INPUT=qa, ENCODING="qa_pixel", POLYGONS=str(tmp_path / "p.gpkg"))
    assert results["POLYGON_COUNT"] == 1
    results, _, _ = run("applymask", INPUT=dates[0], MASK=qa, ENCODING="qa_pixel", OUTPUT=str(tmp_path / "o.tif"))
    assert results["REMOVED_FRACTION"] == pytest.approx(0.25)


def test_a_model_of_ones_own(run, scene, tmp_path):
    """From a layer of which all is known to be cloud, and one of which nothing is known."""
    twin = str(tmp_path / "twin.tif")
    gdal.Translate(twin, scene)
    out = tmp_path / "my model"
    given = {"CLOUDY": [twin], "LAYERS": [scene], "STEPS": 2, "ALLOW_WORSE": True, "THREADS": 1}
    results, _, heard = run("adapt", OUTPUT=str(out), **given)
    assert results["OUTPUT"] == str(out)
    assert (out / "card.json").exists()
    assert "Learning" in heard.stages
    mask = str(tmp_path / "m.tif")
    results, _, _ = run("detectclouds", INPUT=scene, MODEL=str(out), MASK=mask)
    assert 0 <= results["CLOUD_FRACTION"] <= 1
    with pytest.raises(QgsProcessingException, match="at least one scene"):
        run("adapt", OUTPUT=str(out))
