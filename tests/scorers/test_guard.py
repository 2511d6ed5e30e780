"""A scorer that somebody else wrote: whatever is wrong with it is one sentence, and never a wrong mask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from testutils import write_scene

from geocloud import Calibration, DetectOptions, ModelCard, detect
from geocloud.errors import GeocloudError, ModelError
from geocloud.raster import PatchBatch


class Toy:
    """The darkest of three bands."""

    card = ModelCard("toy", "toy", ("blue", "green", "red"), halo=4, calibration=Calibration(0.3))

    def choose_bands(self, available: tuple[str, ...]) -> Any:
        return self.card.bands

    def score(self, batch: PatchBatch) -> Any:
        return batch.data.min(axis=1)[:, 4:-4, 4:-4]


def toy(**changes: Any) -> Any:
    """A scorer with methods or attributes of its own."""
    return type("Mine", (Toy,), changes)()


def scored(change: Callable[[np.ndarray], Any]) -> Any:
    """One whose right scores are changed."""
    return toy(score=lambda self, batch: change(Toy.score(self, batch)))


def stop(*_: Any) -> Any:
    raise SystemExit(3)


def holed(scores: np.ndarray) -> np.ndarray:
    scores[:, 5, 5] = np.nan
    return scores


class Elsewhere:
    """Its card is in a file that is not there."""

    score = choose_bands = Toy.score

    @property
    def card(self) -> ModelCard:
        raise OSError("no licence")


WRONG = {
    "raises": (scored(lambda x: x / {}), r"model toy fails in score \(TypeError: "),
    "leaves the program": (toy(score=stop), r"fails in score \(SystemExit: 3\)"),
    "leaves the halo on": (toy(score=lambda _, batch: batch.data.min(axis=1)), r"cut off the halo of 4 pixels"),
    "one row short": (scored(lambda x: x[:, 1:]), r"returns float32 \(\d+, 127, \d+\) from score"),
    "one block": (scored(lambda x: x[0]), r"returns float32 \(128, 128\) from score"),
    "a block too many": (scored(lambda x: np.concatenate([x, x])), r"returns float32 \(\d+, 128, 128\)"),
    "nothing": (scored(lambda _: None), "returns NoneType from score"),
    "a text": (scored(lambda _: "cloud"), "returns str from score"),
    "a list": (scored(lambda x: x.tolist()), "returns list from score"),
    "complex numbers": (scored(lambda x: x + 1j), "returns complex64"),
    "objects": (scored(lambda x: x.astype(object)), "returns object"),
    "no numbers": (scored(holed), r"returns values that are not numbers \(NaN\) from score"),
    "bands that are not there": (toy(choose_bands=lambda *_: ("ultra",)), r"chooses the bands \('ultra',\) of blue, "),
    "no bands": (toy(choose_bands=lambda *_: None), "chooses the bands None of"),
    "a band twice": (toy(choose_bands=lambda *_: ("red", "red")), "each once"),
    "bands in one text": (toy(choose_bands=lambda *_: "red"), "chooses the bands 'red'"),
    "raises of bands": (toy(choose_bands=stop), "fails in choose_bands"),
    "a card that raises": (Elsewhere(), r"the scorer cannot be used \(OSError: no licence\)"),
    "a dict for a card": (toy(card={"name": "x"}), "the scorer is no scorer: it needs card"),
    "no scorer": (7, "the scorer is no scorer"),
    "a class that there is not": (toy(classes=("cloud", "fog"), score_classes=stop), "class 'fog' is unknown"),
}


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "scene.tif", shape=(128, 128))


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_sentence_and_writes_nothing(name: str, scene: Path, tmp_path: Path) -> None:
    scorer, sentence = WRONG[name]
    with pytest.raises(ModelError, match=sentence) as caught:
        detect(scene, tmp_path / "out", scorer=scorer)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda x: x, "fails in score_classes"),
        (lambda x: (x, {"cloud": x}), r"fails in score_classes \(KeyError: 'shadow'\)"),
        (lambda x: (x, {"cloud": x, "shadow": x[:, :5]}), r"from score_classes\['shadow'\]"),
        (lambda x: (x, {"cloud": x, "shadow": x - 2}), "probabilities of shadow from -1"),
        (lambda x: (x[:, 1:], {"cloud": x, "shadow": x}), "from score_classes, where float32"),
    ],
)
def test_classes_that_are_wrong(answer: Any, sentence: str, scene: Path, tmp_path: Path) -> None:
    scorer = toy(classes=("cloud", "shadow"), score_classes=lambda self, batch: answer(Toy.score(self, batch)))
    with pytest.raises(ModelError, match=sentence):
        detect(scene, tmp_path / "out", DetectOptions(class_scores=True), scorer=scorer)


def test_what_may_be_taken_is_taken(scene: Path, tmp_path: Path) -> None:
    def spoilt(self: Toy, batch: PatchBatch) -> np.ndarray:
        found = Toy.score(self, batch).astype(np.float64)
        batch.data[:] = 0  # pixels that are its own
        return found

    def shares(self: Toy, batch: PatchBatch) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        cloud = Toy.score(self, batch)
        return cloud, {"cloud": cloud, "shadow": 0 * cloud}

    masks = []
    for number, scorer in enumerate((Toy(), toy(score=spoilt), toy(choose_bands=lambda *_: ["blue", "green", "red"]))):
        found = detect(scene, tmp_path / str(number), DetectOptions(uncertainty=True), scorer=scorer)
        with rasterio.open(found.files["uncertainty"]) as file:
            assert file.read().max() in (0, 255)  # mirrored views agree
        masks.append(rasterio.open(found.mask_path).read(1))
    assert 0 < (masks[0] == 1).mean() < 1
    assert all((one == masks[0]).all() for one in masks)
    scorer = toy(classes=("cloud", "shadow"), score_classes=shares)
    found = detect(scene, tmp_path / "classes", DetectOptions(class_scores=True), scorer=scorer)
    assert rasterio.open(found.files["class_scores"]).descriptions == ("P(clear)", "P(cloud)", "P(cloud shadow)")


def test_errors_of_geocloud_s_own_pass_as_they_are(scene: Path, tmp_path: Path) -> None:
    def refuse(*_: Any) -> Any:
        raise GeocloudError("bring more light")

    with pytest.raises(GeocloudError, match=r"^bring more light$"):
        detect(scene, tmp_path / "out", scorer=toy(score=refuse))
