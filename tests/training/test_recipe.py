"""Recipes that ship can be read, and one that extends another differs in what it says alone."""

from dataclasses import replace
from pathlib import Path

import geocloud.training.unmix.recipe as module
from geocloud.training.unmix.recipe import UnmixConfig

RECIPES = Path(module.__file__).parent / "recipes"


def test_an_extending_recipe_keeps_what_it_does_not_say(tmp_path):
    (tmp_path / "base.toml").write_text("steps = 7\nbatch = 3\n[weights]\na = 1.0\n")
    (tmp_path / "more.toml").write_text('extends = "base.toml"\nsteps = 9\n')
    base, more = (UnmixConfig.read(tmp_path / name) for name in ("base.toml", "more.toml"))

    assert more == replace(base, steps=9)


def test_the_twin_differs_from_the_default_by_supervision_alone():
    default, twin = (UnmixConfig.read(RECIPES / name) for name in ("unmix-finish.toml", "unmix-labels.toml"))

    assert default.scenes
    assert replace(twin, supervision="tags", teach_from=default.teach_from) == default


def test_the_copy_that_a_run_keeps_can_be_read_where_it_lies(tmp_path):
    (tmp_path / "recipe.toml").write_text((RECIPES / "unmix-colours.toml").read_text())

    assert UnmixConfig.read(tmp_path / "recipe.toml") == UnmixConfig.read(RECIPES / "unmix-colours.toml")
