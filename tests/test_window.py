from __future__ import annotations

import numpy as np
import pytest

from geocloud.raster import Window


def test_grow_clip_and_slices_cut_the_same_pixels_as_numpy() -> None:
    array = np.arange(60).reshape(6, 10)
    window = Window(1, 2, 3, 4)
    assert (array[window.slices()] == array[1:4, 2:6]).all()
    assert window.grow(2).clip(array.shape) == Window(0, 0, 6, 8)
    assert (array[2:, 3:][Window(2, 3, 2, 2).slices((2, 3))] == array[2:4, 3:5]).all()


def test_empty_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1x1"):
        Window(0, 0, 0, 5)
    with pytest.raises(ValueError, match="at least 1x1"):
        Window(20, 0, 5, 5).clip((10, 10))
