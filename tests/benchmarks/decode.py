"""Decodes whole raster files in strips, on all cores as GDAL does, and does nothing with them.

python tests/benchmarks/decode.py FILE...
"""

from __future__ import annotations

import sys

import rasterio
from rasterio.windows import Window

ROWS = 1024


def main() -> None:
    """Each file in turn."""
    with rasterio.Env(GDAL_NUM_THREADS="ALL_CPUS"):
        for path in sys.argv[1:]:
            with rasterio.open(path) as dataset:
                for row in range(0, dataset.height, ROWS):
                    dataset.read(window=Window(0, row, dataset.width, min(ROWS, dataset.height - row)))


if __name__ == "__main__":
    main()
