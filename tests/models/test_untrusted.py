"""Model folders from strangers: weights that are code, cards that lie, ask for too much or name files."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path

import pytest

from geocloud.errors import ModelError
from geocloud.models.network_scorer import WEIGHTS_FILE
from geocloud.models.registry import SHIPPED, default_name, load_scorer
from geocloud.scorers.card import CARD_FILE, MAX_CARD_BYTES


class Harmful:
    """Writes a file when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple:
        return Path.touch, (self.place,)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the default model."""
    source, copy = SHIPPED / default_name(), tmp_path / "model"
    copy.mkdir()
    for name in (CARD_FILE, WEIGHTS_FILE):
        (copy / name).write_bytes((source / name).read_bytes())
    return copy


def change(folder: Path, **fields: object) -> Path:
    card = json.loads((folder / CARD_FILE).read_text())
    (folder / CARD_FILE).write_text(json.dumps({**card, **fields}))
    return folder


def test_weights_are_never_unpickled(folder: Path, tmp_path: Path) -> None:
    content = pickle.dumps(Harmful(tmp_path / "harm"))
    content += bytes(10_000_000)  # as large as the network asks for
    (folder / WEIGHTS_FILE).write_bytes(content)
    change(folder, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ModelError, match="does not fit the network"):
        load_scorer(str(folder))
    assert not (tmp_path / "harm").exists()


def test_changed_weights_are_refused(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS_FILE).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(ModelError, match="the weights are damaged or of another model"):
        load_scorer(str(folder))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"kind": "os:system"}, "kind 'os:system' is unknown"),
        ({"kind": "../../evil"}, "is unknown"),
        ({"name": "../../etc/cron.d/x"}, "without slashes"),
        ({"architecture": {"widths": [10**9] * 5}}, "the number 1000000000; at most"),
        ({"architecture": {"widths": [1] * 100}}, "list or table of 100 values"),
        ({"architecture": {"path": "/etc/passwd"}}, "names of at most 64 characters"),
        ({"architecture": {"widths": [4096] * 5, "blocks": [0, 1, 1, 1, 1]}}, "cannot hold them|does not fit"),
        ({"architecture": {"widths": [8] * 5, "blocks": [10**6] * 5}}, "64 blocks in all"),
        ({"architecture": {"nonsense": 1}}, "cannot be built"),
        ({"architecture": [[[[[[[]]]]]]]}, "not a valid model card"),
        ({"bands": ["blue"] * 2}, "different names"),
        ({"bands": [f"b{n}" for n in range(70)]}, "1 to 64 different names"),
        ({"block": 10**6}, "block must be 1 to 32"),
        ({"min_resolution": 1e6}, "min_resolution must be 0 to 1000 metres"),
        ({"halo": -5}, "halo 0 to 512"),
        ({"bf16_agreement": 1.5}, "a share from 0 to 1"),
        ({"level": "planet"}, "level must be"),
        ({"calibration": {"threshold": float("nan")}}, "must be finite"),
        ({"unknown": 1}, "not a valid model card"),
    ],
)
def test_cards_that_lie_are_one_sentence(folder: Path, fields: dict, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        load_scorer(str(change(folder, **fields)))


def test_a_card_of_any_length_is_not_read(folder: Path) -> None:
    (folder / CARD_FILE).write_bytes(b" " * (MAX_CARD_BYTES + 1))
    with pytest.raises(ModelError, match="a card has at most"):
        load_scorer(str(folder))
