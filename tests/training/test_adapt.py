"""The training under `geocloud adapt`: a copy learns, step by step, and leaves another run's checkpoint aside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from geocloud.errors import Cancelled, UsageError
from geocloud.models.networks.unmix import UnmixNet
from geocloud.raster import Georef
from geocloud.training.adapt import FitOptions, adapted, training_tile
from geocloud.training.checkpoint import CHECKPOINT_FILE
from geocloud.training.own_scenes import Tile

BANDS = ("blue", "green", "red")


def tile(level: float) -> Tile:
    data = np.random.default_rng(0).uniform(level - 0.03, level + 0.03, (3, 96, 96)).astype(np.float32)
    return Tile("sand", data, BANDS, np.zeros((96, 96), np.uint8), np.ones((96, 96), bool), Georef((96, 96)))


def test_a_copy_learns_and_a_foreign_checkpoint_goes_only_when_it_may(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = UnmixNet(widths=(8,) * 5).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    (tmp_path / CHECKPOINT_FILE).write_bytes(b"of something else")
    told: list[int] = []
    options = FitOptions(steps=2, batch=2, size=64)
    given = network, [training_tile(tile(0.3))], 0.0, options, tmp_path, lambda done, _: told.append(done)
    with pytest.raises(UsageError, match="is of another training; pass --overwrite"):
        adapted(*given)
    assert told == []
    made = adapted(*given, anew=True)
    assert told == [1, 2]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    changed = [name for name, value in made.state_dict().items() if not torch.equal(value, before[name])]
    assert any(name.startswith("last") for name in changed)
    assert not any("running" in name for name in changed)  # batch statistics stay as they were trained


def test_a_broken_run_goes_on_only_with_the_same_model_and_the_same_truth(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, other = UnmixNet(widths=(8,) * 5).eval(), UnmixNet(widths=(8,) * 5).eval()
    options, told = FitOptions(steps=12, batch=2, size=64), []
    clear = tile(0.3)
    corrected = replace(clear, truth=np.where(np.arange(96) < 20, np.uint8(1), clear.truth))

    def stop(done: int, _: int) -> None:
        if done == 11:
            raise Cancelled("cancelled")

    with pytest.raises(Cancelled):
        adapted(network, [training_tile(clear)], 0.0, options, tmp_path, stop)
    for start, ground, threshold in ((network, corrected, 0.0), (other, clear, 0.0), (network, clear, 1.0)):
        with pytest.raises(UsageError, match="is of another training"):
            adapted(start, [training_tile(ground)], threshold, options, tmp_path, stop)
    adapted(network, [training_tile(clear)], 0.0, options, tmp_path, lambda done, _: told.append(done))
    assert told == [11, 12]
