"""What another run writes meanwhile is neither replaced unasked nor mixed with this one's files.

The other run is one of the same process, started by the first one's progress: the moment is sure then.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from faults.running import contents
from testutils import write_scene

from geocloud import DetectOptions, SeriesOptions, detect, detect_series
from geocloud.errors import OutputError
from geocloud.evaluation.samples import DataOptions
from geocloud.models.registry import SHIPPED, default_name
from geocloud.scorers.card import check_unchanged, read_card, write_card
from geocloud.training.options import TRAINING, TrainOptions
from geocloud.verbs.evaluate import EvaluateOptions, evaluate
from geocloud.verbs.train import train
from geocloud.writers.staging import staged

QUICK = TrainOptions(folders=("field",), epochs=1, batch_size=8, latent=4, widths=(8,))


def _once(work: Callable[[], object]) -> Callable[..., None]:
    """A listener that does the work when it is called first."""
    waiting = [work]

    def listen(*_: object) -> None:
        if waiting:
            waiting.pop()()

    return listen


@pytest.mark.slow
def test_what_another_run_wrote_meanwhile_goes_with_the_outputs_that_are_replaced(tmp_path: Path) -> None:
    dates = [write_scene(tmp_path / f"site_2023-08-1{n}.tif", seed=n, bands=4) for n in range(3)]
    out, options = tmp_path / "out", SeriesOptions(model="brightness", overwrite=True)
    detect_series(dates, tmp_path / "whole", options)
    further = DetectOptions(model="brightness", quicklook=True, score=True, overwrite=True)
    detect_series(dates, out, options, progress=_once(lambda: detect(dates[1], out, further)))
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.slow
def test_an_evaluation_leaves_none_of_one_that_ended_meanwhile(tagged: Path, tmp_path: Path) -> None:
    options = EvaluateOptions(
        models=("brightness",), data=DataOptions(folders=("field",)), baselines=(), draws=2, overwrite=True
    )
    out = tmp_path / "out"
    evaluate(tagged, tmp_path / "whole", options)
    evaluate(tagged, out, options, progress=_once(lambda: evaluate(tagged, out, replace(options, models=("hot",)))))
    assert contents(out).keys() == contents(tmp_path / "whole").keys()


def test_a_model_that_appears_meanwhile_is_not_replaced_unasked(tagged: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    with pytest.raises(OutputError, match=r"card\.json was written by another run in the meantime"):
        train(tagged, out, QUICK, on_epoch=_once(lambda: (out / "card.json").write_text("theirs")))
    assert {name: text for name, text in contents(out).items() if "/" not in name} == {"card.json": b"theirs"}


def test_one_training_at_a_time_in_a_folder(tagged: Path, tmp_path: Path) -> None:
    """They would write one checkpoint; a dead one's folder holds nobody up."""
    out = tmp_path / "m"
    with staged(TRAINING, alone=True) as other:
        other.path(out / "card.json")
        for options in (QUICK, replace(QUICK, overwrite=True)):
            with pytest.raises(OutputError, match=r"another run is at work in .*; wait for its end"):
                train(tagged, out, options)
    assert contents(out) == {}
    dead = out / f".geocloud-{TRAINING}-x.partial"
    dead.mkdir()
    (dead / "lock").touch()
    assert train(tagged, out, QUICK).folder == out
    assert not dead.exists()


def test_a_card_is_not_written_over_another_model(tmp_path: Path) -> None:
    """As `calibrate`, `survey` and `threshold --keep` do with the card they read a while ago."""
    model = tmp_path / "m"
    shutil.copytree(SHIPPED / default_name(), model)
    card = read_card(model)
    assert check_unchanged(model, card) == ()
    write_card(replace(card, description="of another run"), model)
    with pytest.raises(OutputError, match="was changed by another run in the meantime; run this again"):
        check_unchanged(model, card)
