"""The public interface: names from `geocloud` alone, and paths as plain strings."""

from __future__ import annotations

import inspect
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio

import geocloud
from geocloud import (
    AdaptOptions,
    ApplyOptions,
    BatchOptions,
    CalibrateOptions,
    ClassifyOptions,
    CompositeOptions,
    DataOptions,
    DetectOptions,
    EvaluateOptions,
    InputError,
    LabelCodes,
    PatchOptions,
    PolygonizeOptions,
    TrainOptions,
    UsageError,
    adapt,
    apply_mask,
    calibrate,
    classify,
    composite,
    cover,
    detect,
    detect_many,
    detect_series,
    evaluate,
    load_scorer,
    mask,
    open_scene,
    polygonize,
    score,
    train,
    write_patches,
)

BRIGHT = DetectOptions(model="brightness", score=True)
VERBS = (
    *(
        "detect",
        "detect_many",
        "classify",
        "train",
        "calibrate",
        "evaluate",
        "polygonize",
        "apply_mask",
        "write_patches",
    ),
    *("adapt", "detect_series", "composite", "cover", "search"),
)
INPUTS = {"scene", "scenes", "picture", "data", "mask", "masks", "zones", "api"}


def test_every_public_name_is_there_and_on_the_page() -> None:
    for name in geocloud.__all__:
        assert getattr(geocloud, name) is not None
    page = (Path(__file__).parents[1] / "docs" / "api.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^::: geocloud\.(\S+)$", page, re.MULTILINE)) == set(geocloud.__all__) - {"__version__"}


@pytest.mark.parametrize("name", VERBS)
def test_verbs_take_input_model_output_options_then_progress_by_keyword(name: str) -> None:
    parameters = inspect.signature(getattr(geocloud, name)).parameters
    positional = [key for key, value in parameters.items() if value.kind is value.POSITIONAL_OR_KEYWORD]
    order = [key for key in positional if key not in INPUTS]
    assert positional[: -len(order)]
    assert set(positional[: -len(order)]) <= INPUTS
    assert order == [key for key in ("model", "out", "options") if key in order]
    assert parameters["progress"].kind is inspect.Parameter.KEYWORD_ONLY


def test_every_path_may_be_a_string() -> None:
    every = {name: getattr(geocloud, name) for name in geocloud.__all__}
    for name, value in every.items():
        if inspect.isfunction(value) or name.endswith("Options"):
            for parameter in inspect.signature(value).parameters.values():
                kinds = str(parameter.annotation)
                assert "Path" not in kinds or "str | os.PathLike" in kinds, (name, parameter)


def test_detect_apply_mask_polygonize_and_patches(sample: Path, tmp_path: Path) -> None:
    stages = []
    scene, out = str(sample), str(tmp_path)
    found = detect(scene, out, BRIGHT, progress=lambda *step: stages.append(step[2]))
    assert found.mask_path.is_file()
    assert stages[0] == "load"
    removed = apply_mask(scene, str(found.mask_path), f"{out}/clear.tif", ApplyOptions(nodata=0))
    assert removed >= found.cloud_cover / 2
    options = PolygonizeOptions(score=str(found.files["score"]))
    assert polygonize(str(found.mask_path), f"{out}/again.gpkg", options) == found.polygon_count
    number = write_patches(scene, f"{out}/patches", PatchOptions(overwrite=True))
    assert len(list((tmp_path / "patches").iterdir())) == number > 0


def test_detect_many(sample: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    result = detect_many([str(sample)], str(tmp_path), BatchOptions(DetectOptions(model="brightness"), workers=1))
    assert [record.status for record in result.records] == ["done"]


def test_train_calibrate_classify_evaluate(tagged: Path, tmp_path: Path) -> None:
    data, model = str(tagged), str(tmp_path / "model")
    losses = []
    options = TrainOptions(folders=("field",), epochs=1, latent=4, widths=(8,), rule="quantile")
    train(data, model, options, on_epoch=lambda _, loss: losses.append(loss))
    assert len(losses) == 1
    card = calibrate(data, model, str(tmp_path / "copy"), CalibrateOptions("f1"))
    assert card.name == "copy"
    picture = next((tagged / "cloudy").iterdir())
    said = classify(str(picture), model, ClassifyOptions())
    assert said == classify(picture, load_scorer(model))
    assert said.statement in ("cloudy", "not cloudy")
    rows = evaluate(data, str(tmp_path / "report"), EvaluateOptions((model,), baselines=(), draws=2)).rows
    assert rows[0].model == "model"
    assert (tmp_path / "report" / "evaluation.json").is_file()


def test_dates_cover_and_adapt(sample: Path, tmp_path: Path) -> None:
    scene, out = str(sample), str(tmp_path)
    dates = [shutil.copy(scene, f"{out}/2026-07-0{day}.tif") for day in (1, 2)]
    assert composite(dates, f"{out}/image.tif", CompositeOptions(model="brightness")).path.is_file()
    with pytest.raises(UsageError, match="2 dates are too few"):
        detect_series(dates, f"{out}/series")
    box = {"type": "Polygon", "coordinates": [[[-180, -85], [180, -85], [180, 85], [-180, 85], [-180, -85]]]}
    (tmp_path / "zones.geojson").write_text(json.dumps(box))
    mask_path = detect(scene, out, DetectOptions(model="brightness")).mask_path
    assert len(cover(str(mask_path), f"{out}/zones.geojson", f"{out}/cover.csv")) == 1
    with pytest.raises(InputError, match=r"no\.txt is no text file of scene names"):
        adapt([scene], f"{out}/model", AdaptOptions(clear=f"{out}/no.txt"))
    with pytest.raises(InputError, match="is no folder of masks"):
        adapt([scene], f"{out}/model", AdaptOptions(masks=f"{out}/no"))


def test_labels_as_a_string(labelled: Path) -> None:
    data = DataOptions(labels=str(labelled / "labels"), codes=LabelCodes((2,), (9,)))
    rows = evaluate(
        str(labelled / "images"), options=EvaluateOptions(("brightness",), baselines=(), data=data, draws=2)
    ).rows
    assert rows[0].counts.total > 0


def test_numpy_arrays_are_scored_as_a_scene_of_the_same_pixels(sample: Path) -> None:
    with rasterio.open(sample) as dataset:
        pixels, nodata = dataset.read(), dataset.nodata
        scale, offset = dataset.scales[0], dataset.offsets[0]
    with open_scene(str(sample)) as scene:
        bands = scene.bands
        expected = scene.read(geocloud.Window(0, 0, *scene.georef.shape), bands[:3])
    options = {"bands": bands, "nodata": nodata, "model": "brightness"}
    options |= {} if (scale, offset) == (1, 0) else {"scale": scale, "offset": offset}
    found = score(pixels, raw=True, **options)
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(np.isnan(found), ~expected.valid)
    np.testing.assert_allclose(found[expected.valid], expected.data.mean(0)[expected.valid], rtol=1e-5)
    codes = mask(pixels, **options)
    assert set(np.unique(codes)) <= {0, 1, 255}
    np.testing.assert_array_equal(codes == 255, ~expected.valid)


@pytest.mark.parametrize(
    ("array", "bands", "sentence"),
    [
        ("scene.tif", None, "for a file use detect"),
        (np.zeros((3, 64, 64)), None, "does not name its bands"),
        (np.zeros((64, 64)), ("blue",), r"give \(band, y, x\)"),
        (np.zeros((3, 64, 64)), ("blue", "green"), "2 bands are named"),
        (np.ma.zeros((3, 64, 64)), ("blue", "green", "red"), "array.filled"),
    ],
)
def test_what_is_no_array_of_a_scene_is_refused_in_a_sentence(array: object, bands: object, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        score(array, bands=bands, model="brightness")
