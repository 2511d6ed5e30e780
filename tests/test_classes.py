"""What an unmixed pixel is called, and the cuts chosen on simulated veils."""

from __future__ import annotations

import numpy as np
import pytest

from geocloud.classes import CODES, ClassThresholds, classify, mark_snow, mask_codes, wanted_classes
from geocloud.errors import UsageError
from geocloud.evaluation.simulated_plumes import PLUMES, plume
from geocloud.metrics.class_thresholds import ColourSamples, ShadowSamples, choose_class_thresholds
from geocloud.readers.bands.names import CENTRES

CUTS = ClassThresholds(thin=2.0, haze=-0.5, dust=0.5, shadow=0.3)
SCORE = np.array([-1, -1, 1, 3, 3, 3, 1, np.nan], dtype=np.float32)
SLOPE = np.array([0, -1, 0, 0, -1, 1, -1, 0], dtype=np.float32)
SHADE = np.array([0, 0.5, 0.5, 0, 0, 0, 0, 0], dtype=np.float32)


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
    assert classify(SCORE, SLOPE, SHADE, np.float32(0), CUTS, classes).tolist() == codes


def test_snow_is_marked_on_clear_ground_alone() -> None:
    codes = np.array([0, 1, 2, 5, 0, 255], dtype=np.uint8)
    snow = np.array([0.9, 0.9, 0.9, 0.9, 0.1, 0.9], dtype=np.float32)
    assert mark_snow(codes.copy(), snow, ClassThresholds(snow=0.5), ("cloud", "snow")).tolist() == [6, 1, 2, 5, 0, 255]
    for thresholds, classes in ((ClassThresholds(snow=0.5), ("cloud",)), (ClassThresholds(), ("cloud", "snow"))):
        assert mark_snow(codes.copy(), snow, thresholds, classes).tolist() == codes.tolist()


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
