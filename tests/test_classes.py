"""What an unmixed pixel is called, and the cuts chosen on simulated veils."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from geocloud import DetectOptions
from geocloud.classes import (
    CLASSES,
    CODES,
    ClassThresholds,
    class_codes,
    decode,
    encode,
    mask_codes,
    share_out,
    wanted_classes,
)
from geocloud.errors import UsageError
from geocloud.metrics.class_thresholds import PLUMES, ColourSamples, ShadowSamples, choose_class_thresholds, plume
from geocloud.raster import Parts
from geocloud.readers.bands.names import CENTRES

CUTS = ClassThresholds(thin=2.0, haze=-0.5, dust=0.5, shadow=0.3)
SCORE = np.array([-1, -1, 1, 3, 3, 3, 1, np.nan], dtype=np.float32)
SLOPE = np.array([0, -1, 0, 0, -1, 1, -1, 0], dtype=np.float32)
SHADE = np.array([0, 0.5, 0.5, 0, 0, 0, 0, 0], dtype=np.float32)
WHITE = np.array([0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.1], dtype=np.float32)
PARTS = Parts(SCORE, SLOPE, SHADE, WHITE, SCORE[None])


@pytest.mark.parametrize(
    ("classes", "codes"),
    [
        (("cloud",), [0, 0, 1, 1, 1, 1, 1, 0]),
        (("cloud", "thin"), [0, 0, 2, 1, 1, 1, 2, 0]),
        (("cloud", "haze"), [0, 0, 1, 1, 3, 1, 3, 0]),
        (("cloud", "thin", "haze", "dust", "shadow"), [0, 5, 2, 1, 3, 4, 3, 0]),
    ],
)
def test_a_class_that_is_not_asked_for_falls_to_the_next(classes: tuple[str, ...], codes: list[int]) -> None:
    assert class_codes(PARTS, np.float32(0), CUTS, classes).tolist() == codes


def test_names_of_classes_may_come_in_one_text() -> None:
    assert wanted_classes("shadow, thin") == wanted_classes(["shadow", "thin"]) == ("cloud", "thin", "shadow")
    assert DetectOptions(classes="cloud,thin").has_maps
    with pytest.raises(UsageError, match="class 'fog' is unknown; there are cloud, thin"):
        DetectOptions(classes="cloud,fog")


def test_snow_is_marked_on_clear_ground_alone() -> None:
    thresholds = replace(CUTS, snow=0.5)
    assert class_codes(PARTS, np.float32(0), thresholds, ("cloud", "snow")).tolist() == [6, 6, 1, 1, 1, 1, 1, 0]
    every = ("cloud", "thin", "haze", "dust", "shadow", "snow")
    assert class_codes(PARTS, np.float32(0), thresholds, every).tolist() == [6, 5, 2, 1, 3, 4, 3, 0]
    assert class_codes(PARTS, np.float32(0), CUTS, ("cloud", "snow")).tolist() == [0, 0, 1, 1, 1, 1, 1, 0]


def test_shares_add_up_and_the_largest_is_the_class_where_the_maps_are_far_from_the_thresholds() -> None:
    thresholds, rng = replace(CUTS, snow=0.5), np.random.default_rng(0)

    def far(threshold: float, by: float) -> np.ndarray:
        return (threshold + by * rng.choice([-1, 1], 500)).astype(np.float32)

    score = np.where(rng.random(500) < 0.5, far(0.0, 1.0), far(2.0, 7.0))
    maps = far(0.0, 5.0), far(0.3, 9.0), far(0.5, 1.2)
    parts = Parts(score, *maps, score[None])
    cloud = 1 / (1 + np.exp(-9 * score))
    shares = share_out(cloud, parts, thresholds)
    assert list(shares) == ["clear", "cloud", "thin", "haze", "dust", "shadow", "snow"]
    every = np.stack(list(shares.values()))
    np.testing.assert_allclose(every.sum(axis=0), 1, atol=1e-5)
    assert (every >= 0).all()
    np.testing.assert_array_equal(every.argmax(axis=0), class_codes(parts, np.float32(0), thresholds, tuple(CODES)))


def test_shares_of_what_no_rule_can_tell_are_clear_and_cloud() -> None:
    cloud = np.array([0.2, 0.7, np.nan], dtype=np.float32)
    for parts, thresholds in ((None, None), (None, CUTS), (PARTS, None), (PARTS, ClassThresholds())):
        shares = share_out(cloud, parts, thresholds)
        assert list(shares) == ["clear", "cloud"]
        np.testing.assert_allclose(shares["clear"], [0.8, 0.3, np.nan], atol=1e-6)
    at = share_out(np.ones(1, np.float32), Parts(*(np.full(1, 2.0, np.float32),) * 5), ClassThresholds(thin=2.0))
    assert (at["thin"], at["cloud"]) == (0.5, 0.5)  # a half at the threshold


def test_every_class_is_written_and_read_in_every_encoding() -> None:
    codes = np.array([entry.code for entry in CLASSES], dtype=np.uint8)
    for name in ("scl", "qa_pixel"):
        back = decode(encode(codes, name), name)
        assert back[[0, 1, 2, 5, 6, 7]].tolist() == codes[[0, 1, 2, 5, 6, 7]].tolist()
        assert back[[3, 4]].tolist() == [2, 1]  # haze is written as thin cloud, dust as cloud


def test_where_several_bits_are_set_cloud_wins_and_snow_gives_way() -> None:
    bits = {"snow": 32, "thin": 4, "shadow": 16, "cloud": 8, "nodata": 1}
    codes = {**CODES, "nodata": 255}
    for weaker, stronger in pairwise(bits):
        assert decode(np.array([bits[weaker] | bits[stronger]]), "qa_pixel").tolist() == [codes[stronger]]


def test_names_become_codes_and_unknown_ones_one_sentence() -> None:
    assert wanted_classes(("shadow", " Thin ")) == ("cloud", "thin", "shadow")
    assert mask_codes(wanted_classes(())) == (0, 1, 255)
    assert mask_codes(tuple(CODES)) == (0, 1, 2, 3, 4, 5, 6, 255)
    with pytest.raises(UsageError, match="class 'fog' is unknown; there are cloud, thin, haze, dust, shadow, snow"):
        wanted_classes(("fog",))


def samples(rng: np.random.Generator, *, telling: bool) -> ColourSamples:
    n = 20_000
    opacity, colour = rng.uniform(0, 1, n), rng.choice([-1.0, 0.0, 1.0], n)
    score = (opacity if telling else np.where(opacity > 0.3, 1, 0)) + rng.normal(0, 0.1, n)
    slope = (colour if telling else np.zeros(n)) + rng.normal(0, 0.1, n)
    return ColourSamples(*(part.astype(np.float32) for part in (score, slope, opacity, colour)))


def shadows(rng: np.random.Generator, *, telling: bool) -> ShadowSamples:
    shaded = rng.uniform(0, 1, 20_000) < 0.2
    return ShadowSamples((rng.normal(0, 1, 20_000) + 4 * (telling & shaded)).astype(np.float32), shaded)


def test_cuts_lie_between_the_classes_a_model_tells() -> None:
    rng = np.random.default_rng(0)
    thresholds = choose_class_thresholds(samples(rng, telling=True), shadows(rng, telling=True), np.float32(0.3))
    assert thresholds.thin == pytest.approx(0.5, abs=0.08)
    assert -0.9 < thresholds.haze < -0.1
    assert 0.1 < thresholds.dust < 0.9
    assert thresholds.shadow == pytest.approx(1.645, abs=0.1)  # what 5 % of a standard normal exceed
    assert "shadow 99 % found at 5 % of lit ground" in thresholds.rule


def test_what_a_model_does_not_tell_has_no_cut() -> None:
    rng = np.random.default_rng(0)
    thresholds = choose_class_thresholds(samples(rng, telling=False), shadows(rng, telling=False), np.float32(0.5))
    assert (thresholds.thin, thresholds.haze, thresholds.dust, thresholds.shadow) == (None, None, None, None)
    assert choose_class_thresholds(samples(rng, telling=True), None, np.float32(0.3)).shadow is None


@pytest.mark.parametrize("kind", PLUMES)
def test_plumes_have_the_slope_of_their_kind(kind: str) -> None:
    bands = ("blue", "green", "red", "nir")
    opacity, colour = plume(kind, (96, 128), bands, np.random.default_rng(1))
    logs = np.log([CENTRES[band] for band in bands])
    assert np.polyfit(logs, np.log(colour.ravel()), 1)[0] == pytest.approx(PLUMES[kind][0], abs=1e-4)
    assert opacity.shape == (96, 128)
    assert 0.3 < opacity.max() <= 0.9
    assert opacity.min() < 0.05
