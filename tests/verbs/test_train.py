import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import rasterio

from geocloud.errors import Cancelled, InputError, ModelError, OutputError, UsageError
from geocloud.models.kinds import KINDS, Kind
from geocloud.models.network_scorer import WEIGHTS_FILE
from geocloud.models.registry import load_scorer
from geocloud.pipeline.scoring import score_scene
from geocloud.readers import open_scene
from geocloud.scorers.contract import score_patches
from geocloud.training.options import UNDER_WAY, TrainOptions
from geocloud.verbs.train import train

QUICK = TrainOptions(folders=("field",), epochs=2, batch_size=8, latent=4, widths=(8,))


def test_a_model_folder_holds_all_that_the_readme_promises(clear_model):
    assert {"weights.safetensors", "card.json", "loss.png", "errors.png", "log.csv"} <= {
        path.name for path in clear_model.iterdir()
    }
    losses = [float(row["loss"]) for row in csv.DictReader((clear_model / "log.csv").read_text().splitlines())]
    assert len(losses) == 25
    assert losses[-1] < 0.5 * losses[0]
    card = json.loads((clear_model / "card.json").read_text())
    assert (card["calibration"]["cloud_is"], card["training"]["supervision"]) == ("high", "T1")
    assert "--normal clear --folders field" in card["training"]["recipe"]


def test_the_quantile_threshold_leaves_its_share_of_held_out_errors_above(clear_model, cloudy_model):
    for folder in (clear_model, cloudy_model):
        calibration = load_scorer(str(folder)).card.calibration
        assert calibration.rule.name == "quantile"
        assert float(calibration.rule.figure.split()[0]) <= 10
        assert calibration.threshold > 0
        assert dict(calibration.curve)[calibration.threshold] == pytest.approx(0.5)


def test_the_paper_s_threshold_is_its_own_and_the_quantile_stands_by(tagged, tmp_path):
    calibration = train(tagged, tmp_path / "m", QUICK).card.calibration
    assert (calibration.rule.name, calibration.threshold) == ("paper", 0.02)
    assert calibration.by_rule("quantile").threshold == dict(calibration.alternatives)["quantile"]


def test_a_seed_gives_the_same_weights(tagged, tmp_path):
    first, again, other = (
        train(tagged, tmp_path / name, replace(QUICK, seed=seed)).card.sha256
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == again != other


def test_a_model_is_never_replaced_unasked(tagged, tmp_path):
    before = train(tagged, tmp_path / "m", QUICK)
    with pytest.raises(OutputError, match="already holds a model"):
        train(tagged, tmp_path / "m", QUICK)
    after = train(tagged, tmp_path / "m", replace(QUICK, epochs=3, resume=True))
    assert after.losses[:2] == before.losses
    with pytest.raises(ModelError, match="other options or data"):
        train(tagged, tmp_path / "m", replace(QUICK, lr=0.5, resume=True))


def test_an_older_model_stays_whole_until_the_new_one_is(tagged, tmp_path):
    out = tmp_path / "m"
    train(tagged, out, QUICK)
    (out / "recipe.toml").write_text("of an older training of another kind")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert "checkpoint.safetensors" in before

    def stop(epoch, loss):
        if epoch == 2:
            raise Cancelled("cancelled")

    anew = replace(QUICK, seed=1, overwrite=True)
    with pytest.raises(Cancelled):
        train(tagged, out, anew, on_epoch=stop)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    assert [path.name for path in out.iterdir() if path.is_dir()] == [UNDER_WAY]
    epochs = []
    resumed = train(
        tagged, out, replace(anew, overwrite=False, resume=True), on_epoch=lambda epoch, _: epochs.append(epoch)
    )
    assert epochs == [2]
    assert resumed.card.sha256 == train(tagged, tmp_path / "once", replace(QUICK, seed=1, name="m")).card.sha256
    assert {path.name for path in out.iterdir()} == before.keys() - {"recipe.toml"}


def test_a_model_has_as_much_of_its_folder_s_name_as_its_card_can_bear(tagged, tmp_path):
    for name, expected in (("m" * 120, "m" * 100), ("a\nb\\c\x1b", "a_b_c_")):
        assert train(tagged, tmp_path / name, replace(QUICK, epochs=1)).card.name == expected
    with pytest.raises(UsageError, match=r"--name 'a/b' must be 1 to 100 characters"):
        replace(QUICK, name="a/b")


def test_a_training_that_was_broken_off_is_not_replaced_unasked(tagged, tmp_path):
    out = tmp_path / "m"
    (out / UNDER_WAY).mkdir(parents=True)
    (out / UNDER_WAY / "checkpoint.safetensors").write_text("of long work")
    with pytest.raises(UsageError, match="exists; pass --overwrite"):
        train(tagged, out, QUICK)
    with pytest.raises(InputError):
        train(tmp_path / "nowhere", out, replace(QUICK, overwrite=True))
    assert (out / UNDER_WAY / "checkpoint.safetensors").read_text() == "of long work"
    (out / UNDER_WAY).rename(tmp_path / "elsewhere")
    (out / UNDER_WAY).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="is a link"):
        train(tagged, out, replace(QUICK, overwrite=True))


def test_what_cannot_be_trained_is_one_sentence(tagged, tmp_path):
    with pytest.raises(UsageError, match="'desert' is not among the subfolders"):
        train(tagged, tmp_path / "m", replace(QUICK, folders=("desert",)))
    with pytest.raises(InputError, match="does not exist"):
        train(tmp_path / "nowhere", tmp_path / "m", QUICK)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        train(tagged, tmp_path / "file" / "m", QUICK)
    for wrong in ({"epochs": 0}, {"lr": -1.0}, {"held_out": 1.0}, {"quantile": 2.0}, {"optional_bands": ("nir",)}):
        with pytest.raises(UsageError):
            replace(QUICK, **wrong)


def test_a_damaged_picture_of_a_tag_that_is_not_trained_on_loses_nothing(tagged, tmp_path):
    data = shutil.copytree(tagged, tmp_path / "data")
    (data / "cloudy" / "cloudy_0.png").write_bytes(b"no picture")
    result = train(data, tmp_path / "m", replace(QUICK, folders=()))
    assert load_scorer(str(result.folder)).card.level == "patch"
    assert result.card.bf16_agreement is None


def test_damaged_weights_are_one_sentence(tagged, tmp_path):
    train(tagged, tmp_path / "m", QUICK)
    path = tmp_path / "m" / WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[:-9] + b"corrupted")
    with pytest.raises(ModelError, match="damaged"):
        load_scorer(str(tmp_path / "m"))


def test_conv_trains_on_scenes_and_scores_each_pixel_even_without_the_optional_band(labelled, tmp_path):
    options = TrainOptions(kind="conv", epochs=1, widths=(4, 4, 4), latent=2, optional_bands=("nir",), batch_size=2)
    result = train(labelled / "images" / "s1.tif", tmp_path / "m", options)
    assert (result.card.level, result.card.halo, result.card.bands) == ("pixel", 32, ("blue", "green", "red"))
    scorer = load_scorer(str(tmp_path / "m"))
    rgb = tmp_path / "rgb.tif"
    with (
        rasterio.open(labelled / "images" / "s0.tif") as scene,
        rasterio.open(rgb, "w", **{**scene.profile, "count": 3}) as file,
    ):
        file.write(scene.read([1, 2, 3]))
        file.descriptions = ("blue", "green", "red")
    for path in (labelled / "images" / "s0.tif", rgb):
        with open_scene(path) as scene:
            score, valid = score_scene(scene, scorer, threads=1)
        assert score.shape == (90, 130)
        np.testing.assert_array_equal(np.isfinite(score), valid)


def test_a_single_scene_can_be_trained_on(labelled, tmp_path):
    options = TrainOptions(epochs=1, widths=(4,), latent=2, batch_size=1)
    assert train(labelled / "images" / "s0.tif", tmp_path / "m", options).card.training.steps >= 1


TOY_KIND = """
import torch

class Mean(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.usual = torch.nn.Parameter(torch.zeros(channels))

    def raw_score(self, x, present):
        return (x - self.usual[present][:, None, None]).mean(dim=1)

def fit(network, patches, options, listener):
    network.usual.data = torch.from_numpy(patches.data.mean(axis=(0, 2, 3)))
    return [0.0]
"""


def test_a_new_kind_is_a_network_what_fits_it_and_an_entry(tagged, tmp_path, monkeypatch):
    (tmp_path / "toy_kind.py").write_text(TOY_KIND)
    monkeypatch.syspath_prepend(tmp_path)
    text = "Mean of {normal} patches"
    entry = Kind("brightness.", "toy_kind:Mean", fitter="toy_kind:fit", text=text, unit="reflectance")
    monkeypatch.setitem(KINDS, "mean", entry)
    folder = train(tagged, tmp_path / "model", TrainOptions(kind="mean", folders=("field",))).folder
    scorer = load_scorer(str(folder))
    assert (scorer.card.kind, scorer.card.calibration.unit) == ("mean", "reflectance")
    patches = np.stack([np.full((3, 64, 64), value, dtype=np.float32) for value in (0.1, 0.9)])
    dark, bright = score_patches(scorer, patches, scorer.card.bands).mean(axis=(1, 2))
    assert bright - dark == pytest.approx(0.8)
