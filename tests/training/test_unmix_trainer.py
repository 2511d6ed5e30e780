"""`train --kind unmix` on real scenes: a whole folder, halves, resumable, its threshold by simulated cloud."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.numpy import load_file

from geocloud.cli.main import cli
from geocloud.errors import InputError, ModelError, UsageError
from geocloud.models.networks.unmix import UnmixNet
from geocloud.models.registry import load_scorer
from geocloud.scorers.card import read_card
from geocloud.training.options import TrainOptions
from geocloud.training.unmix.recipe import UnmixConfig
from geocloud.training.unmix.scenes import TrainingScene
from geocloud.training.unmix.train import train_unmix
from geocloud.verbs.train import train

RECIPE = """supervision = "tags"
seed = 3
steps = {steps}
batch = 2
size = 64
teach_from = 99
precision = "fp32"
widths = [4, 4, 6, 6, 8]
"""


@pytest.fixture(scope="module")
def few(data_root, tmp_path_factory):
    """A data folder of one real scene a source, small."""
    root = tmp_path_factory.mktemp("few")
    for source, stem in (("s2cmc", "S2A"), ("l8biome", "Forest_06"), ("s2chips", "chip")):
        for part in ("images", "labels"):
            (root / "labelled" / source / part).mkdir(parents=True)
        image = next(
            p for p in sorted((data_root / "labelled" / source / "images").iterdir()) if p.name.startswith(stem)
        )
        for part in ("images", "labels"):
            shutil.copy(data_root / "labelled" / source / part / image.name, root / "labelled" / source / part)
    images = root / "labelled" / "s2cmc" / "images"
    label = root / "labelled" / "s2cmc" / "labels"
    for folder, value in ((images, 60), (label, 0)):  # a dark clear picture, to lay clouds over
        Image.fromarray(np.full((192, 192, 3)[: 3 if folder == images else 2], value, np.uint8)).save(
            folder / "dark.png"
        )
    return root


def _recipe(path, steps):
    path.write_text(RECIPE.format(steps=steps))
    return path


@pytest.fixture(scope="module")
def toy(few, tmp_path_factory):
    """A model of three steps in the folder `m`, and its recipe beside it."""
    folder = tmp_path_factory.mktemp("toy")
    train(few, folder / "m", TrainOptions(kind="unmix", recipe=_recipe(folder / "toy.toml", 3)))
    return folder


def test_the_folder_is_whole_and_a_resumed_run_ends_alike(few, toy, tmp_path):
    names = {path.name for path in (toy / "m").iterdir()}
    assert {
        "card.json",
        "weights.safetensors",
        "recipe.toml",
        "checkpoint.safetensors",
        "log.csv",
        "loss.png",
    } <= names
    card = read_card(toy / "m")
    assert (card.kind, card.training.supervision, card.training.steps, card.halo) == ("unmix", "W", 3, 32)
    assert card.calibration.rule.name == "half-way"
    assert card.calibration.probability(np.float32([card.calibration.threshold]))[0] == pytest.approx(0.5)
    assert any("CC BY 4.0; 2 scenes" in line for line in card.training.data)
    log = (toy / "m" / "log.csv").read_text().splitlines()
    assert log[0].startswith("step,detect")
    assert log[1].startswith("0,")
    weights = (toy / "m" / "weights.safetensors").stat().st_size
    parameters = sum(p.numel() for p in load_scorer(str(toy / "m")).network.parameters())
    assert weights < 2.5 * parameters + 20_000  # halves
    copy = shutil.copytree(toy / "m", tmp_path / "m")
    again = train(few, copy, TrainOptions(kind="unmix", recipe=toy / "toy.toml", resume=True))
    assert again.card.sha256 == card.sha256
    assert again.card.calibration == card.calibration


def test_another_recipe_is_not_resumed_and_missing_data_are_one_sentence(few, toy, tmp_path):
    recipe = toy / "toy.toml"
    with pytest.raises(ModelError, match=r"no checkpoint\.safetensors to resume from"):
        train(few, tmp_path / "none", TrainOptions(kind="unmix", recipe=recipe, resume=True))
    copy = shutil.copytree(toy / "m", tmp_path / "m")
    with pytest.raises(ModelError, match="run of another recipe"):
        train(few, copy, TrainOptions(kind="unmix", recipe=_recipe(tmp_path / "b.toml", 2), resume=True))
    with pytest.raises(InputError, match=r"does not hold what toy\.toml names"):
        train(tmp_path, tmp_path / "n", TrainOptions(kind="unmix", recipe=recipe))
    (tmp_path / "bad.toml").write_text("steps = 3\nbanana = 1\n")
    with pytest.raises(InputError, match=r"bad\.toml is no recipe of unmix"):
        train(few, tmp_path / "n", TrainOptions(kind="unmix", recipe=tmp_path / "bad.toml"))
    with pytest.raises(InputError, match="unmix-labels"):
        train(few, tmp_path / "n", TrainOptions(kind="unmix", recipe="nosuch"))


def test_scenes_left_out_are_not_seen(few, toy, tmp_path):
    options = TrainOptions(kind="unmix", recipe=_recipe(tmp_path / "toy.toml", 1), without=("dark",))
    with_all, without = read_card(toy / "m"), train(few, tmp_path / "b", options).card
    assert any("; 2 scenes" in line for line in with_all.training.data)
    assert not any("; 2 scenes" in line for line in without.training.data)
    assert "(1 scenes left out)" in without.training.recipe


def test_the_command_takes_a_recipe_by_name_or_file_and_no_other_number(few, tmp_path):
    recipe = _recipe(tmp_path / "toy.toml", 1)
    run = CliRunner().invoke
    result = run(cli, ["train", str(few), "--kind", "unmix", "--config", str(recipe), "--out", str(tmp_path / "m")])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["rule"] == "half-way"
    (tmp_path / "more.toml").write_text('extends = "toy.toml"\nseed = 4\n')
    more = ["--kind", "unmix", "--config", str(tmp_path / "more.toml"), "--out", str(tmp_path / "more")]
    assert run(cli, ["train", str(few), *more]).exit_code == 0
    assert read_card(tmp_path / "more").training.seed == 4
    assert read_card(tmp_path / "m").kind == "unmix"
    for arguments, said in (
        (["--kind", "unmix", "--config", str(recipe), "--epochs", "3"], "--epochs does not go with --kind unmix"),
        (["--config", str(recipe)], "kind dense has no recipe"),
        (["--kind", "unmix", "--config", "nosuch"], "neither a TOML file nor a shipped recipe"),
    ):
        result = run(cli, ["train", str(few), "--out", str(tmp_path / "n"), *arguments])
        assert result.exit_code == 2
        assert said in result.stderr


def test_a_run_goes_on_from_a_model(few, toy, tmp_path):
    recipe, start = _recipe(tmp_path / "toy.toml", 2), toy / "m"
    (tmp_path / "none.toml").write_text('extends = "toy.toml"\nsteps = 0\n')
    train(few, tmp_path / "b", TrainOptions(kind="unmix", recipe=tmp_path / "none.toml", start=str(start)))
    assert not (tmp_path / "b" / "loss.png").exists()  # there was no step
    a, b = (load_file(folder / "weights.safetensors") for folder in (start, tmp_path / "b"))
    assert a.keys() == b.keys()
    assert all(np.array_equal(value, a[key]) for key, value in b.items())
    with pytest.raises(ModelError, match="the recipe needs kind unmix with"):
        train(few, tmp_path / "c", TrainOptions(kind="unmix", recipe=recipe, start="default"))
    with pytest.raises(ModelError, match="no model 'nosuch'"):
        train(few, tmp_path / "c", TrainOptions(kind="unmix", recipe=recipe, start="nosuch"))


def test_what_a_model_says_in_rgb_is_kept_where_a_recipe_asks_for_it(tmp_path):
    """Dark ground is tagged as cloud: a training believes it, one that keeps RGB does not."""
    ground = torch.full((3, 64, 64), 0.1).half()
    told = torch.ones(64, 64).half()
    wrong = TrainingScene("wrong", "toy", ground, told, told, (3,))
    config = UnmixConfig(
        seed=1,
        steps=40,
        batch=2,
        size=64,
        simulated=0,
        lr=0.05,
        batch_norm_steps=0,
        teach_from=99,
        precision="fp32",
        average=0.5,
    )
    torch.manual_seed(1)
    start = UnmixNet(widths=(8, 8, 8)).eval()
    rgb = torch.tensor([[1.0, 1, 1, 0, 0, 0, 0]])
    x = torch.cat([ground.float(), torch.zeros(4, 64, 64)])[None]

    def moved(**changes):
        folder = tmp_path / str(len(changes))
        folder.mkdir()
        network = train_unmix(replace(config, **changes), [wrong], folder, lambda *_: None, start)
        with torch.no_grad():
            return float((network.score(x, rgb) - start.score(x, rgb)).mean())

    assert moved() > 5
    assert abs(moved(keep_rgb=True)) < 0.5
    with pytest.raises(UsageError, match="--start"):
        train_unmix(replace(config, keep_rgb=True), [wrong], tmp_path, lambda *_: None)


def test_half_of_the_start_is_in_what_a_recipe_of_means_hands_over(few, toy, tmp_path):
    _recipe(tmp_path / "toy.toml", 2)
    for name, line in (("whole", ""), ("half", "start_share = 0.5\n")):
        recipe = tmp_path / f"{name}.toml"
        recipe.write_text(f'extends = "toy.toml"\nsteps = 3\n{line}')
        train(few, tmp_path / name, TrainOptions(kind="unmix", recipe=recipe, start=toy / "m"))
    folders = toy / "m", tmp_path / "whole", tmp_path / "half"
    start, whole, half = (load_file(folder / "weights.safetensors") for folder in folders)

    for name, weight in half.items():
        if weight.dtype == np.float16:
            between = (start[name].astype(np.float32) + whole[name].astype(np.float32)) / 2
            np.testing.assert_allclose(weight.astype(np.float32), between, atol=2e-3, rtol=2e-3)
