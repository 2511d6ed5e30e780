"""The classes of a mask beyond cloud and clear: what an unmixed pixel is called."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from geocloud.errors import UsageError
from geocloud.raster import CLEAR, CLOUD, DUST, HAZE, NODATA, SHADOW, THIN, ByteArray, FloatArray

ClassName = Literal["cloud", "thin", "haze", "dust", "shadow"]
CODES: dict[ClassName, int] = {"cloud": CLOUD, "thin": THIN, "haze": HAZE, "dust": DUST, "shadow": SHADOW}
COUNTED = (CLOUD, THIN)
"""Codes that count towards the cloud cover."""


@dataclass(frozen=True, slots=True)
class VeilCuts:
    """Where the parts of an unmixed pixel are cut; measured once for a model's weights and kept in its card."""

    thin: float | None = None
    """Score below which cloud is thin; None: the model cannot tell."""
    haze: float | None = None
    """Slope of the veil's brightness over wavelength up to which it is haze or smoke; None: the model cannot tell."""
    dust: float | None = None
    """Slope from which it is dust; None: the model cannot tell."""
    shadow: float | None = None
    """Logit from which ground lies in cloud shadow; None: the model cannot tell."""
    rule: str = ""
    """How they were chosen, in words."""


def wanted_classes(names: Iterable[str]) -> tuple[ClassName, ...]:
    """The classes of these names in order of code, cloud always among them; UsageError for an unknown name."""
    chosen = {name.strip().lower() for name in names}
    unknown = sorted(chosen - set(CODES))
    if unknown:
        raise UsageError(f"class {unknown[0]!r} is unknown; there are {', '.join(get_args(ClassName))}")
    return tuple(name for name in CODES if name in chosen | {"cloud"})


def mask_codes(classes: Iterable[ClassName]) -> tuple[int, ...]:
    """All codes that a mask of these classes holds, clear and nodata too."""
    return (CLEAR, *sorted(CODES[name] for name in classes), NODATA)


def classify(
    score: FloatArray,
    slope: FloatArray,
    shadow: FloatArray | None,
    cut: np.float32,
    cuts: VeilCuts,
    classes: Container[str],
) -> ByteArray:
    """The code of each pixel.

    What scores at or above the cut is a veil, exactly as in a mask without further classes. Haze and dust are told by
    the slope, thin cloud among the rest by the score; a class that is not asked for falls to the next one, in the end
    to cloud. Ground below the cut is shadow or clear.

    Args:
        score: any shape, higher = cloudier; NaN = not scored, called clear.
        slope: the same shape, exponent of the veil's brightness over wavelength.
        shadow: the same shape, logit of lying in cloud shadow; None: none is told.
        cut: score from which a pixel is a veil.
        cuts: where the kinds are told apart.
        classes: names as in ClassName.
    """
    veil = score >= cut
    codes = np.where(veil, np.uint8(CLOUD), np.uint8(CLEAR))
    if "thin" in classes and cuts.thin is not None:
        codes[veil & (score < cuts.thin)] = THIN
    if "haze" in classes and cuts.haze is not None:
        codes[veil & (slope <= cuts.haze)] = HAZE
    if "dust" in classes and cuts.dust is not None:
        codes[veil & (slope >= cuts.dust)] = DUST
    if "shadow" in classes and cuts.shadow is not None and shadow is not None:
        codes[~veil & (shadow >= cuts.shadow)] = SHADOW
    return codes
