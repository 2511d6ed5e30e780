"""How well the outlines of a mask follow those of the labels.

Formula: the boundary F measure of Csurka et al. 2013, "What is a good evaluation measure for semantic segmentation?".
"""

from __future__ import annotations

import numpy as np

from geocloud.raster import BoolArray

TOLERANCE = 2
"""Pixels by which an outline may be off."""


def outline(mask: BoolArray) -> BoolArray:
    """(h, w) True on the pixels of a mask that have a neighbour, above, below, left or right, outside it.

    The edge of the picture is no outline, since the mask is assumed to continue beyond it.
    """
    around = np.pad(mask, 1, mode="edge")
    inside = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    return mask & ~inside


def boundary_f1(mask: BoolArray, truth: BoolArray, tolerance: int = TOLERANCE) -> float:
    """Harmonic mean of two shares: of the mask's outline that is near the truth's, and of the truth's near the mask's.

    Args:
        mask: (h, w) True = cloud.
        truth: (h, w) True = cloud in the labels.
        tolerance: distance in pixels, from centre to centre, that counts as near.

    Returns:
        0 to 1; NaN where neither has an outline.
    """
    ours, theirs = outline(mask), outline(truth)
    if not ours.any() and not theirs.any():
        return float("nan")
    right = (ours & _near(theirs, tolerance)).sum() / max(ours.sum(), 1)
    found = (theirs & _near(ours, tolerance)).sum() / max(theirs.sum(), 1)
    return float(2 * right * found / max(right + found, 1e-9))


def _near(line: BoolArray, distance: int) -> BoolArray:
    """(h, w) True within `distance` pixels of any True pixel of `line`."""
    height, width = line.shape
    around = np.pad(line, distance)
    near = np.zeros_like(line)
    for down in range(-distance, distance + 1):
        for right in range(-distance, distance + 1):
            if down * down + right * right <= distance * distance:
                top, left = distance + down, distance + right
                near |= around[top : top + height, left : left + width]
    return near
