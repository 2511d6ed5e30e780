"""ukis-csmask on a part of a scene, four bands, on this machine's CPU; prints seconds of inference.

python tests/benchmarks/peer.py SCENE SIDE
"""

from __future__ import annotations

import sys
import time

import numpy as np
import rasterio
from rasterio.windows import Window
from ukis_csmask.mask import CSmask


def main() -> None:
    """Read a square of reflectance, mask it once."""
    side = int(sys.argv[2])
    with rasterio.open(sys.argv[1]) as dataset:
        data = dataset.read((1, 2, 3, 4), window=Window(0, 0, side, side)).astype(np.float32) / 10000
    started = time.perf_counter()
    mask = CSmask(
        img=np.moveaxis(data, 0, -1), band_order=["blue", "green", "red", "nir"], product_level="l1c", nodata_value=0
    ).csm
    assert mask.shape[:2] == (side, side)
    sys.stdout.write(f"{time.perf_counter() - started:.3f}\n")


if __name__ == "__main__":
    main()
