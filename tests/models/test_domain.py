"""A scene unlike the training data is told from one like it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from geocloud.pipeline.domain_check import DomainCheck, DomainStats, unfamiliar
from geocloud.scorers.card import TrainingDomain
from geocloud.training.prototypes import fit_prototypes

BANDS = ("blue", "green", "red", "nir")


def ground(rng: np.random.Generator, n: int) -> np.ndarray:
    """(n, 4) soil and vegetation: red varies more than blue, as air veils blue."""
    green = rng.uniform(0, 1, (n, 1))
    soil, leaves = np.array([0.08, 0.11, 0.16, 0.24]), np.array([0.05, 0.07, 0.04, 0.35])
    shade = rng.uniform(0.6, 1.3, (n, 1))
    air = np.array([0.05, 0.02, 0.01, 0])
    return ((green * leaves + (1 - green) * soil) * shade + air + rng.normal(0, 0.002, (n, 4))).astype(np.float32)


@pytest.fixture(scope="module")
def seen() -> TrainingDomain:
    rng = np.random.default_rng(0)
    known = fit_prototypes(ground(rng, 5000), BANDS)
    cloud = (rng.uniform(0.3, 1, (3000, 1)) * rng.normal(1, 0.03, (3000, 4))).astype(np.float32)
    return TrainingDomain((known,), (fit_prototypes(cloud, BANDS),), median=0.04, brightest=0.06)


def strangeness(seen: TrainingDomain, change: object, *, valid: np.ndarray | None = None) -> DomainStats:
    data = ground(np.random.default_rng(1), 512 * 512).T.reshape(4, 512, 512)
    data = change(data)
    tally = DomainCheck(seen)
    every = np.ones((512, 512), dtype=bool) if valid is None else valid
    tally.add(data, every, data[:3].mean(axis=0) > 0.3, BANDS)
    return tally.stats()


def test_ground_like_that_of_training_is_silent(seen: TrainingDomain) -> None:
    figures = strangeness(seen, lambda data: data)
    assert figures.warnings(seen) == ()
    assert figures.percent < 5


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda data: data * 10, "--scale"),
        (lambda data: data * 10000, "--scale"),
        (lambda data: data / 10, "darker than any scene"),
        (lambda data: data * 20, "brighter than any scene"),
        (lambda data: data[[2, 1, 0, 3]], "--bands"),
        (lambda data: data[[0, 1, 3, 2]], "--bands"),
        (lambda data: data[[1, 2, 3, 3]], "--bands"),
        (lambda data: data[[2, 1, 0, 3]], "more like those with red and blue exchanged"),
        (lambda data: data[[1, 2, 3, 3]], "more like those with green, red and near infrared each one band further"),
        (lambda data: data / 5.6, "more like those if it were 5.6 times as bright"),
        (lambda data: data * 3.2, "more like those if it were a third as bright"),
        (lambda data: data / 5.6, "its land is 0.0"),
        (lambda data: data * 3.2, "in near infrared, and 0.1 to 0.55 elsewhere: is its scale"),
    ],
)
def test_wrong_scale_and_wrong_order_are_told(seen: TrainingDomain, change: object, sentence: str) -> None:
    warnings = strangeness(seen, change).warnings(seen)
    assert any(sentence in text for text in warnings)
    assert all(text.startswith("the scene is unlike the training data, ") for text in warnings)


def test_brighter_water_than_any_is_told(seen: TrainingDomain) -> None:
    spread = np.random.default_rng(3).uniform(0.9, 1.1, (4000, 4))
    for levels, told in (((0.33, 0.25, 0.2, 0.1), True), ((0.14, 0.1, 0.08, 0.05), False)):
        check = DomainCheck(seen)
        check.add_pixels((spread * levels).astype(np.float32), np.zeros(4000, dtype=bool), BANDS)
        assert any("its water is 0.3" in text and "--scale" in text for text in check.warnings()) == told


def test_red_edge_bands_in_the_place_of_infrared_are_told(seen: TrainingDomain) -> None:
    shown = ground(np.random.default_rng(2), 4000)
    red, nir = shown[:, 2], shown[:, 3]
    names = (*BANDS, "swir16", "swir22")
    for infrared, told in (
        ([nir, 0.7 * nir, 0.45 * nir], False),
        ([0.25 * nir + 0.75 * red, 0.75 * nir + 0.25 * red, nir], True),
    ):
        tally = DomainCheck(seen)
        pixels = np.stack([*shown[:, :3].T, *infrared], axis=1).astype(np.float32)
        tally.add_pixels(pixels, np.zeros(len(pixels), dtype=bool), names)
        warned = [text for text in tally.warnings() if "grows brighter through the infrared" in text]
        assert bool(warned) == told
        assert all("--bands" in text for text in warned)


def test_stripes_of_nodata_are_told_and_a_collar_is_not(seen: TrainingDomain) -> None:
    stripes = np.broadcast_to((np.arange(512) % 33 < 22)[:, None], (512, 512))
    assert "strips" in strangeness(seen, lambda data: data, valid=stripes).warnings(seen)[0]
    collar = np.add.outer(np.arange(512), np.arange(512)) > 300
    assert strangeness(seen, lambda data: data, valid=collar).warnings(seen) == ()


def test_the_order_of_blocks_changes_nothing_and_few_pixels_say_nothing(seen: TrainingDomain) -> None:
    blocks = [ground(np.random.default_rng(seed), 128 * 128).T.reshape(4, 128, 128) for seed in range(4)]
    every = np.ones((128, 128), dtype=bool)
    tallies = [DomainCheck(seen), DomainCheck(seen), DomainCheck(seen)]
    for tally, order in zip(tallies, (blocks, blocks[::-1], blocks[:1]), strict=True):
        for block in order:
            tally.add(block, every, block[0] > 0.3, BANDS)
    assert tallies[0].stats() == tallies[1].stats()
    assert tallies[2].stats().percent is None
    assert tallies[2].stats().warnings(seen) == ()


def test_bands_that_a_scene_lacks_are_left_out(seen: TrainingDomain) -> None:
    red_only = np.full((200, 1), 5.0, dtype=np.float32)
    assert not unfamiliar(red_only, ("red",), seen.clear).any()
    assert unfamiliar(np.full((200, 4), 5.0, dtype=np.float32), BANDS, seen.clear).all()
    with pytest.raises(ValueError, match="prototypes of 3 bands"):
        replace(seen.clear[0], bands=("blue", "green", "red"))


@pytest.mark.parametrize("changed", [{"radius": 0.0}, {"radius": float("nan")}, {"middle": (1e300,) * len(BANDS)}])
def test_prototypes_without_a_finite_distance_are_refused(seen: TrainingDomain, changed: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="prototypes need numbers up to"):
        replace(seen.clear[0], **changed)
