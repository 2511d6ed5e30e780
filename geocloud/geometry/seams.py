"""Parts of rectilinear polygons that touch along the rows where strips meet, made one polygon again."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

Geometries = NDArray[Any]
IntArray = NDArray[np.int64]
HOLES_IN_OUTLINES = shapely.geos_version < (3, 14)
"""Whether GEOS gives a hole that touches the outline of a coverage as a part of that outline."""


def unite(parts: Geometries, group: IntArray) -> Geometries:
    """One polygon for each group of parts, groups numbered from 0; pixel coordinates, no part in a hole of its group.

    A hole never reaches a seam: so outer rings are joined alone, and holes kept as they are, of which there may be
    thousands.
    """
    groups = group.max() + 1
    rings, owner = shapely.get_rings(parts, return_index=True)
    outer = np.diff(owner, prepend=-1) > 0
    outlines, holes = shapely.polygons(noded(rings[outer], shapely.bounds(parts))), rings[~outer]
    united: Geometries = np.array([shapely.coverage_union_all(outlines[own]) for own in _members(group, groups)])
    if HOLES_IN_OUTLINES:
        united = shapely.make_valid(united)
    united = shapely.simplify(united, 0)
    for number, kept in enumerate(_members(group[owner[~outer]], groups)):
        outline, *new = shapely.get_rings(united[number])
        united[number] = shapely.polygons(outline, np.array([*new, *holes[kept]], dtype=object))
    return united


def _members(group: IntArray, groups: int) -> list[IntArray]:
    """The places of each group's members, in order."""
    ends = np.cumsum(np.bincount(group, minlength=groups))
    return np.split(np.argsort(group, kind="stable"), ends[:-1])


def noded(rings: Geometries, bounds: NDArray[np.float64]) -> Geometries:
    """The rings with a vertex wherever one of another lies on their edges along a seam: shared edges are then alike.

    Args:
        rings: closed, with whole numbers for coordinates.
        bounds: (n, 4) of the parts they belong to; a seam is where one part ends and another begins.
    """
    points, ring = shapely.get_coordinates(rings, return_index=True)
    x, y = points.astype(np.int64).T
    place = (y << 32) + x  # along a row, in order
    on_seam = np.isin(y, np.intersect1d(bounds[:, 1], bounds[:, 3]))
    vertices = np.unique(place[on_seam])
    edge = np.flatnonzero(on_seam[:-1] & (y[:-1] == y[1:]) & (ring[:-1] == ring[1:]))
    low, high = np.sort([place[edge], place[edge + 1]], axis=0)
    first, end = np.searchsorted(vertices, low, "right"), np.searchsorted(vertices, high, "left")
    count = end - first
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    backwards = np.repeat(place[edge + 1] < place[edge], count)
    between = vertices[np.where(backwards, np.repeat(end, count) - 1 - step, np.repeat(first, count) + step)]
    after = np.repeat(edge + 1, count)
    every = np.insert(points, after, np.stack([between & 0xFFFFFFFF, between >> 32], axis=1), axis=0)
    return np.asarray(shapely.linearrings(every, indices=np.insert(ring, after, ring[after])))
