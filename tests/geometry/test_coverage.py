"""The share of each pixel that a polygon covers, against clipping by shapely."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from geocloud.geometry.coverage import coverage, polygon_edges
from geocloud.raster import Window


def clipped(shape: shapely.Geometry, window: Window) -> np.ndarray:
    rows, cols = np.mgrid[window.row : window.stop_row, window.col : window.stop_col]
    return shapely.area(shapely.intersection(shapely.box(cols, rows, cols + 1, rows + 1), shape))


def ragged(seed: int) -> shapely.Geometry:
    """Polygons of all kinds: with holes, of several parts, on pixel borders, beyond the window on any side."""
    rng = np.random.default_rng(seed)
    if seed % 4 == 0:
        return shapely.box(*rng.integers(-3, 10, 2), *rng.integers(10, 24, 2))
    shape = shapely.Polygon(rng.uniform(-5, 25, (rng.integers(3, 12), 2))).buffer(0)
    return shapely.difference(shape, shapely.Point(10, 10).buffer(3)) if seed % 3 == 0 else shape


@pytest.mark.parametrize("seed", range(40))
def test_coverage_is_the_area_of_the_clipped_polygon(seed: int) -> None:
    window, shape = Window(2, 3, 15, 17), ragged(seed)
    np.testing.assert_allclose(coverage(polygon_edges(shape), window), clipped(shape, window), atol=1e-9)


def test_strips_of_a_window_add_up_to_it() -> None:
    shape = shapely.Point(20.3, 14.9).buffer(11.2)
    whole = coverage(polygon_edges(shape), Window(0, 0, 40, 50))
    strips = [coverage(polygon_edges(shape), Window(row, 0, 8, 50)) for row in range(0, 40, 8)]
    np.testing.assert_allclose(np.concatenate(strips), whole, atol=1e-12)
    assert whole.sum() == pytest.approx(shape.area)
