"""A mask of 300,000 specks to polygons: the worst case of vector output.

python tests/benchmarks/speckles.py
"""

from __future__ import annotations

import sys

import numpy as np

from geocloud.geometry.polygons import PolygonTracer
from geocloud.raster import Georef

SIDE = 10980


def main() -> None:
    """Trace a mask whose pixels are cloud by chance, in strips, and print how many polygons there are."""
    rng = np.random.default_rng(0)
    tracer = PolygonTracer(Georef((SIDE, SIDE)).shape[1])
    for row in range(0, SIDE, 1024):
        high = min(1024, SIDE - row)
        specks = (rng.random((high, SIDE), dtype=np.float32) < 0.0026).astype(np.uint8)
        tracer.add(specks, specks.astype(np.float32))
    shapes = tracer.finish()
    sys.stdout.write(f"{len(shapes)}\n")


if __name__ == "__main__":
    main()
