import json

import numpy as np
import pytest
import rasterio
from sklearn import metrics as oracle

from geocloud.datasets.labels import LabelCodes
from geocloud.errors import InputError, UsageError
from geocloud.evaluation.report import markdown
from geocloud.evaluation.samples import DataOptions
from geocloud.verbs.evaluate import EvaluateOptions, evaluate

CODES = LabelCodes((2,), (9,))


def _pixels(labelled):
    """Brightness and truth of the labelled valid pixels, read apart from geocloud; and the scenes they are of."""
    scores, truths, scenes = [], [], []
    for number in range(3):
        with rasterio.open(labelled / "images" / f"s{number}.tif") as file:
            values = file.read([1, 2, 3])
        with rasterio.open(labelled / "labels" / f"s{number}.tif") as file:
            label = file.read(1)
        use = (label != 9) & values.any(axis=0)
        scores.append((values.mean(axis=0) / 10_000)[use])
        truths.append(label[use] == 2)
        scenes.append(np.full(use.sum(), number))
    return np.concatenate(scores), np.concatenate(truths), np.concatenate(scenes)


def _options(**more):
    return EvaluateOptions(models=("brightness",), baselines=("hot",), data=DataOptions(codes=CODES, threads=1), **more)


def test_pixel_figures_equal_scikit_learn(labelled):
    score, truth, scenes = _pixels(labelled)
    called = score >= 0.25
    row = evaluate([labelled / "images"], options=_options()).rows[0]
    expected = {
        "precision": oracle.precision_score(truth, called),
        "recall": oracle.recall_score(truth, called),
        "accuracy": oracle.accuracy_score(truth, called),
        "f1": oracle.f1_score(truth, called),
        "iou": oracle.jaccard_score(truth, called),
        "balanced_accuracy": oracle.balanced_accuracy_score(truth, called),
        "auroc": oracle.roc_auc_score(truth, score),
        "ap": oracle.average_precision_score(truth, score),
        "cover_error": np.mean([100 * abs(called[scenes == n].mean() - truth[scenes == n].mean()) for n in range(3)]),
    }
    for name, value in expected.items():
        assert row.metrics[name] == pytest.approx(value, abs=1e-3 if name in ("auroc", "ap") else 1e-6), name
    assert (row.source, row.model, row.supervision, row.unit, row.scenes) == (
        labelled.name,
        "brightness",
        "T0",
        "pixel",
        3,
    )
    assert row.oracle[1] >= row.metrics["balanced_accuracy"]
    assert row.counts.total == len(truth)


def test_the_null_models_stand_beside(labelled, clear_model):
    options = EvaluateOptions(models=(str(clear_model),), data=DataOptions(codes=CODES, threads=1), draws=20)
    rows = evaluate([labelled], options=options).rows
    assert [row.model for row in rows] == ["clear", "brightness", "hot"]
    assert [row.supervision for row in rows] == ["T1", "T0", "T0"]


def test_folds_count_as_one_model_each_scene_by_its_own(labelled):
    data = DataOptions(codes=CODES, threads=1)

    def counts(fold, scenes):
        options = EvaluateOptions(folds=((fold, scenes),), baselines=(), data=data, draws=5, threshold=0.25)
        return evaluate([labelled], options=options).rows[0].counts

    folds = (("brightness", ("s0", "s1")), ("hot", ("s2", "elsewhere")))
    rows = evaluate([labelled], options=EvaluateOptions(folds=folds, baselines=("chroma",), data=data, draws=5)).rows
    assert [(row.model, row.scenes) for row in rows] == [("brightness, cross-validated", 3), ("chroma", 3)]
    parts = [counts(*fold) for fold in folds]
    assert parts[1].tp + parts[1].fp > 0
    assert rows[0].counts.tp == sum(part.tp for part in parts)
    assert rows[0].counts.total == sum(part.total for part in parts)
    with pytest.raises(UsageError, match="scene s1 is in two folds"):
        EvaluateOptions(folds=(folds[0], ("hot", ("s1",))))
    with pytest.raises(InputError, match=r"nothing of the data could be measured; .* none of its scenes is wanted"):
        evaluate([labelled], options=EvaluateOptions(folds=(("hot", ("elsewhere",)),), data=data))


def test_ready_masks_are_measured_against_labels(labelled, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    for number in range(3):
        with rasterio.open(labelled / "labels" / f"s{number}.tif") as file:
            mask, profile = (file.read(1) == 2).astype(np.uint8), file.profile
        mask[:10] = 255
        mask[-20:] = 1
        with rasterio.open(masks / f"s{number}_cloudmask.tif", "w", **profile) as file:
            file.write(mask, 1)
    data = DataOptions(codes=CODES, labels=labelled / "labels", masks=True)
    (row,) = evaluate([masks], options=EvaluateOptions(data=data)).rows
    assert row.metrics["recall"] == 1
    assert row.counts.fp == 3 * 10 * 130  # the lowest ten rows are unknown, the topmost nodata
    assert row.counts.total == 3 * 70 * 130


def test_tagged_pictures_with_both_readings_and_their_difference(tagged, clear_model, cloudy_model, tmp_path):
    options = EvaluateOptions((str(clear_model), str(cloudy_model)), ("chroma",), difference=True, draws=50)
    rows = evaluate([tagged], tmp_path / "out", options).rows
    assert [row.model for row in rows] == ["clear", "cloudy", "clear - cloudy", "chroma"]
    assert all(row.unit == "picture" and row.counts.total == 40 for row in rows)
    assert all(row.metrics["auroc"] > 0.95 for row in rows)
    assert np.isnan(rows[0].metrics["cover_error"])
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"evaluation.json", "evaluation.md"} < written
    assert sum(name.endswith(".png") for name in written) == 3 + 2 * 4
    records = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert records[0]["cover_error"] is None
    assert (tmp_path / "out" / "evaluation.md").read_text() == markdown(rows)


def test_a_threshold_moves_the_counts_and_not_the_ranking(tagged, cloudy_model):
    def row(threshold):
        options = EvaluateOptions((str(cloudy_model),), (), threshold=threshold, draws=5)
        return evaluate([tagged], options=options).rows[0]

    none, all_of_it = row(0.0), row(1.0)
    assert none.counts.tp == none.counts.fp == 0
    assert all_of_it.counts.fn == all_of_it.counts.tn == 0
    assert none.metrics["auroc"] == all_of_it.metrics["auroc"]


def test_parts_share_no_picture(tagged):
    def total(part):
        options = EvaluateOptions(("brightness",), (), data=DataOptions(part=part, seed=4), draws=5)
        return evaluate([tagged], options=options).rows[0].counts.total

    assert total("train") + total("held-out") == total("all") == 40
    assert 3 < total("held-out") < 22


def test_what_cannot_be_measured_is_one_sentence(tagged, labelled, tmp_path):
    (tmp_path / "labels").mkdir()
    with pytest.raises(InputError, match=r"no label in .* has the name of a scene"):
        evaluate([labelled / "images"], options=EvaluateOptions(("hot",), data=DataOptions(labels=tmp_path / "labels")))
    with pytest.raises(UsageError, match="cloudy class 'fog' is not among the classes cloudy, field"):
        evaluate([tagged], options=EvaluateOptions(("hot",), data=DataOptions(cloudy=("fog",))))
    codes = LabelCodes(ignore=(0, 2, 9))
    with pytest.raises(UsageError, match="no labelled pixel"):
        evaluate([labelled], options=EvaluateOptions(("hot",), data=DataOptions(codes=codes)))
    with pytest.raises(UsageError, match="difference takes two models, not 1"):
        EvaluateOptions(("hot",), difference=True)
    with rasterio.open(tmp_path / "labels" / "s0.tif", "w", driver="GTiff", width=9, height=9, count=1, dtype="uint8"):
        pass
    with pytest.raises(UsageError, match="must lie on one grid"):
        evaluate([labelled / "images"], options=EvaluateOptions(("hot",), data=DataOptions(labels=tmp_path / "labels")))
