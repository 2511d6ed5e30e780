"""Each kind, trained as a user would, finds simulated cloud over ground it never saw, and says what it was told."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
from PIL import Image
from skies import scene_under_cloud, separation, write_skies

from geocloud.datasets.labels import LabelCodes
from geocloud.errors import InputError, ModelError, UsageError
from geocloud.evaluation.samples import DataOptions
from geocloud.models.network_scorer import NetworkScorer, save_weights
from geocloud.models.registry import load_scorer
from geocloud.pipeline.detection import DetectOptions
from geocloud.pipeline.scoring import score_scene
from geocloud.scorers.card import write_card
from geocloud.training.options import Listener, TrainOptions
from geocloud.training.patches.trainer import read_patches, train_on_patches
from geocloud.verbs.calibrate import CalibrateOptions, calibrate
from geocloud.verbs.detect import detect
from geocloud.verbs.train import train

TOY = {"epochs": 12, "batch_size": 4, "lr": 3e-3}
CONV = {"widths": (6, 8, 12), "latent": 4}
KINDS = {
    "dense": {"widths": (32,), "latent": 8},
    "conv": CONV,
    "contrast": CONV,
    "gan": CONV,
    "gmm": {"components": 2},
    "gmm codes": {"on": "codes", "components": 2, **CONV},
    "features": {"components": 4},
}
TOLD = {name: "W" if name == "contrast" else "T1" for name in KINDS}
LEAST_AUROC = dict.fromkeys(KINDS, 0.8) | {"features": 0.65}
"""What each kind exceeds on these skies: 0.07 and more below the lowest of ten seeds (`tests/benchmarks/seeds.py`)."""
ROUNDING = {
    "features": {"rtol": 1e-3, "atol": 1e-4},
    "gmm codes": {"rtol": 1e-3, "atol": 1e-3},
    "dense": {"rtol": 0},
    "gmm": {"rtol": 0},
}
"""Loading folds batch norm and lays convolutions out anew, which rounds; what has neither comes back bit for bit."""
HELD_OUT_SKIES = (1, 2, 4)


def _options(name, **more):
    return TrainOptions(kind=name.split()[0], **{**TOY, **KINDS[name], **more})


@pytest.fixture(scope="module")
def skies(tmp_path_factory):
    return write_skies(tmp_path_factory.mktemp("skies") / "toy")


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A clear scene and an overcast one: enough where it does not matter what is learned."""
    return write_skies(tmp_path_factory.mktemp("few") / "toy", scenes=1)


@pytest.fixture(scope="module")
def models(skies, tmp_path_factory):
    """Kind to its model folder, trained when first asked for."""
    folder, made = tmp_path_factory.mktemp("kinds"), {}

    def model(name):
        if name not in made:
            made[name] = train(skies, folder / name.replace(" ", "-"), _options(name)).folder
        return made[name]

    return model


@pytest.mark.parametrize("name", KINDS)
def test_simulated_cloud_is_told_from_ground_never_seen(models, name):
    assert separation(load_scorer(str(models(name))), HELD_OUT_SKIES) > LEAST_AUROC[name]


@pytest.mark.parametrize("name", KINDS)
def test_the_folder_is_whole_and_its_card_names_the_supervision(models, name):
    folder = models(name)
    assert {"card.json", "weights.safetensors", "log.csv", "loss.png", "errors.png"} <= {
        p.name for p in folder.iterdir()
    }
    scorer = load_scorer(str(folder))
    assert scorer.card.training.supervision == TOLD[name]
    assert scorer.card.calibration.rule.name == {"dense": "paper", "contrast": "equal"}.get(name, "quantile")
    assert f"--kind {name.split()[0]}" in scorer.card.training.recipe
    losses = [float(row["loss"]) for row in csv.DictReader((folder / "log.csv").read_text().splitlines())]
    assert np.isfinite(losses).all()
    assert len(losses) == {"features": 1}.get(name, len(losses)) >= 1


@pytest.mark.parametrize("name", KINDS)
def test_saved_and_loaded_gives_identical_scores(few, name, tmp_path):
    trained = train_on_patches(few, tmp_path, replace(_options(name, epochs=1), name="m"), Listener())
    write_card(replace(trained.card, sha256=save_weights(trained.network, tmp_path)), tmp_path)
    scene, _ = scene_under_cloud(1)
    before, _ = score_scene(scene, NetworkScorer(trained.network, trained.card, torch.device("cpu")), threads=1)
    after, _ = score_scene(scene, load_scorer(str(tmp_path), precision="fp32"), threads=1)
    np.testing.assert_allclose(after, before, **ROUNDING.get(name, {"rtol": 1e-5, "atol": 1e-5}))


@pytest.mark.parametrize("name", ["contrast", "gan", "gmm", "features"])
def test_detect_and_calibrate_take_every_kind(models, skies, name, tmp_path):
    data = DataOptions(threads=1)
    card = calibrate(skies, str(models(name)), tmp_path / "cut", CalibrateOptions("f1", data=data))
    assert float(card.calibration.rule.figure.removeprefix("F1 ")) > 0.9
    found = detect(skies / "images" / "overcast0.tif", tmp_path / "out", DetectOptions(model=str(tmp_path / "cut")))
    assert found.cloud_cover > 80


@pytest.mark.parametrize("name", [pytest.param("contrast", marks=pytest.mark.slow), "gan", "gmm codes"])
def test_a_resumed_run_ends_with_the_same_weights(few, name, tmp_path):
    whole = train(few, tmp_path / "once", _options(name, epochs=2))
    train(few, tmp_path / "twice", _options(name, epochs=1))
    resumed = train(few, tmp_path / "twice", _options(name, epochs=2, resume=True))
    assert resumed.card.sha256 == whole.card.sha256


def test_patches_are_tagged_by_their_whole_label(skies, tmp_path):
    folder = tmp_path / "half"
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    label = np.zeros((128, 192), dtype=np.uint8)
    label[:, 64:128] = 7  # a column of cloud
    label[0, 0] = 9  # unknown
    label[127, 191] = 7  # a single pixel of cloud
    data = np.repeat((label > 0)[..., None] * 200, 3, axis=2).astype(np.uint8)
    Image.fromarray(data).save(folder / "images" / "a.png")
    Image.fromarray(label).save(folder / "labels" / "a.png")
    options = TrainOptions(kind="contrast", codes=LabelCodes((7,), (9,)))
    clear, cloudy = (read_patches(folder, tag, options, Listener()) for tag in ("clear", "cloudy"))
    assert (len(clear), len(cloudy)) == (2, 2)  # of six: one has an unknown pixel, one is mixed
    assert not clear.data.any()
    assert (cloudy.data > 0.6).all()
    assert (clear.tags.tolist(), cloudy.tags.tolist()) == ([0, 0], [1, 1])


def test_subfolders_named_as_cloud_are_not_learnt_as_clear(tagged):
    def names(**more):
        return set(read_patches(tagged, "clear", TrainOptions(kind="gan", **more), Listener()).files)

    assert {name.split("/")[0] for name in names()} == {"field"}
    assert {name.split("/")[0] for name in names(cloudy=("field",))} == {"cloudy"}
    assert {name.split("/")[0] for name in names(folders=("cloudy",))} == {"cloudy"}


def test_what_cannot_be_trained_is_one_sentence(tagged, skies, tmp_path):
    with pytest.raises(InputError, match=r"nothing tagged cloudy among its subfolders \(field\)"):
        train(tagged, tmp_path / "m", TrainOptions(kind="contrast", folders=("field",)))
    with pytest.raises(InputError, match="its label calls cloudy throughout"):
        train(skies, tmp_path / "m", TrainOptions(kind="contrast", codes=LabelCodes((5,))))
    with pytest.raises(ModelError, match="components must be 1 to"):
        train(skies, tmp_path / "m", TrainOptions(kind="features", components=999))
    for wrong, said in (
        ({"kind": "gmm", "optional_bands": ("nir",)}, "needs all its bands"),
        ({"kind": "features", "bands": ("nir",)}, "takes the bands blue, green, red alone"),
        ({"kind": "gan", "rule": "paper"}, "rule paper cannot choose a threshold of kind gan"),
        ({"kind": "contrast", "normal": "cloudy"}, "learns both tags"),
        ({"kind": "gmm", "components": 0}, "components 0 must be above 0"),
    ):
        with pytest.raises(UsageError, match=said):
            TrainOptions(**wrong)


def test_a_backbone_learns_its_classes_and_is_no_detector(tagged, tmp_path):
    options = TrainOptions(kind="backbone", epochs=12, batch_size=4, widths=(4, 8, 8), lr=5e-3)
    card = train(tagged, tmp_path / "m", options).card
    assert card.metrics["held-out pictures"]["accuracy"] > 0.8
    assert card.architecture == {"classes": 2, "widths": [4, 8, 8]}
    with pytest.raises(ModelError, match="kind 'backbone' is unknown"):
        load_scorer(str(tmp_path / "m"))
    with pytest.raises(UsageError, match="two subfolders or more"):
        train(tagged, tmp_path / "n", replace(options, folders=("field",)))


def test_pixel_kinds_take_scenes_that_lack_an_optional_band(tmp_path):
    folder = write_skies(tmp_path / "rgbn", scenes=1)
    for path in (folder / "images").iterdir():
        with rasterio.open(path) as file:
            data, profile = file.read(), file.profile
        with rasterio.open(path, "w", **{**profile, "count": 4}) as file:
            file.write(np.concatenate([data, data[2:]]))
            file.descriptions = ("blue", "green", "red", "nir")
    scene, opacity = scene_under_cloud(1)
    for name in ("contrast", "gan"):
        train(folder, tmp_path / name, _options(name, epochs=1, optional_bands=("nir",)))
        score, _ = score_scene(scene, load_scorer(str(tmp_path / name)), threads=1)
        assert score.shape == opacity.shape
        assert np.isfinite(score).all()
