"""survey fills a card that had no word on classes, and refuses what does not fit."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from testutils import run_cli

from geocloud.errors import InputError, ModelError
from geocloud.models.registry import SHIPPED, default_name
from geocloud.scorers.card import read_card, write_card
from geocloud.verbs.survey import SurveyOptions, coloured_veil, survey


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The default model without its survey."""
    folder = tmp_path / "model"
    shutil.copytree(SHIPPED / default_name(), folder)
    write_card(replace(read_card(folder), class_thresholds=None, domain=None, bf16_agreement=None), folder)
    return folder


def test_veils_are_of_every_colour_and_known_at_each_pixel() -> None:
    import torch

    veil = coloured_veil(64, 64, torch.Generator().manual_seed(0))
    slopes = veil.slope.ravel()
    assert [bool((slopes < -0.4).any()), bool((slopes > 0.4).any()), bool((slopes.abs() < 0.3).any())] == [True] * 3
    logs = veil.cloud[:, :3, 0, 0].log() - veil.cloud[:, 1:2, 0, 0].log()
    ratio = np.log(np.array([0.49, 0.56, 0.665]) / 0.56)
    np.testing.assert_allclose(logs.numpy(), slopes[:, None].numpy() * ratio, atol=1e-4)
    assert veil.shadow.max() > 0.2


def test_other_weights_and_other_kinds_are_refused(bare: Path, tmp_path: Path) -> None:
    write_card(replace(read_card(bare), sha256="0" * 64), bare)
    with pytest.raises(InputError, match="holds other weights than"):
        survey(tmp_path, "default", bare)
    with pytest.raises(ModelError):
        survey(tmp_path, "brightness", bare)


def test_missing_training_scenes_are_one_sentence(bare: Path, tmp_path: Path) -> None:
    result = run_cli("survey", "default", tmp_path / "nowhere", "--out", bare)
    assert result.returncode == 1
    assert "lacks training scenes" in result.stderr


@pytest.mark.data
@pytest.mark.slow
def test_the_card_then_tells_classes_and_strangeness(data_root: Path, bare: Path) -> None:
    card = survey(data_root, str(bare), bare, SurveyOptions(batches=20))
    assert read_card(bare) == card
    assert json.loads((bare / "card.json").read_text())["class_thresholds"]["rule"].startswith("on simulated veils")
    assert 0.999 <= card.bf16_agreement < 1
    assert 0 < card.domain.median < card.domain.brightest < 0.2
    assert {kind.bands[:1] for kind in card.domain.clear} == {("blue",), ("green",)}
