"""Boundary F1: whole for the same outline, tolerant of two pixels, and by hand for a square moved by more."""

import math

import numpy as np
import pytest

from geocloud.metrics.boundary import boundary_f1, outline


def square(top, left, side=20, size=64):
    mask = np.zeros((size, size), dtype=bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_the_outline_of_a_square_is_its_rim_and_the_picture_s_edge_is_none():
    assert outline(square(10, 10)).sum() == 4 * 19
    assert not outline(np.ones((9, 9), dtype=bool)).any()


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_two_pixels_are_forgiven(moved):
    assert boundary_f1(square(10, 10 + moved), square(10, 10)) == 1


def test_a_square_moved_by_three_pixels_loses_its_two_upright_sides():
    # the oracle measures the distance of every pixel of one rim to every pixel of the other
    ours, theirs = square(10, 13), square(10, 10)
    near = sum(bool((np.hypot(*(np.argwhere(outline(theirs)) - at).T) <= 2).any()) for at in np.argwhere(outline(ours)))
    assert boundary_f1(ours, theirs) == pytest.approx(near / 76)
    assert boundary_f1(ours, theirs) < 0.7


def test_no_cloud_at_all_has_no_figure_and_a_missed_cloud_has_none_of_it():
    nothing = np.zeros((64, 64), dtype=bool)

    assert math.isnan(boundary_f1(nothing, nothing))
    assert boundary_f1(nothing, square(10, 10)) == 0
