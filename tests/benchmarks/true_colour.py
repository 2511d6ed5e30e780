"""Cloud in true-colour images of Sentinel-2, made from labelled chips: found, and clear ground called cloud.

GEOCLOUD_DATA=../shared/data python tests/benchmarks/true_colour.py

Each chip of SEN12MS-CR is written as an 8-bit picture that is white from a reflectance of 0.2 on, as those of Level 2A
are, and of 0.3558, as those of Level 1C, under a name by which `detect` knows it; and as reflectance. Pixels of all
chips are pooled.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from geocloud import DetectOptions, detect
from geocloud.readers import SceneOptions

RGB = SceneOptions(bands={"red": 1, "green": 2, "blue": 3})
PLAIN = replace(RGB, scale=0.2 / 255, offset=0.0)
PICTURES = {
    "plain": ("0.2, saturated pixels as 0.2", 0.2, PLAIN),
    "T32TQM_20230815T100601_TCI_10m": ("0.2, as it is read", 0.2, RGB),
    "T32TQM_20230815T100601_TCI": ("0.3558", 0.3558, RGB),
    "reflectance": ("not cut off", 0.0, RGB),
}
"""File name -> what it is, the reflectance that is white in it (0: none), and how it is read."""
CLOUD, UNKNOWN = (1, 2), 255


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    root = Path(os.environ["GEOCLOUD_DATA"]) / "labelled/sen12mscr"
    counts = {name: np.zeros(4, dtype=np.int64) for name in PICTURES}
    with tempfile.TemporaryDirectory() as folder:
        for image in sorted((root / "images").glob("*.tif")):
            with rasterio.open(image) as source, rasterio.open(root / "labels" / image.name) as labels:
                shown, profile, label = source.read([3, 2, 1]) * 1e-4, source.profile, labels.read(1)
            for name, (_, white, options) in PICTURES.items():
                data = (shown / white * 255).round().clip(1, 255).astype(np.uint8) if white else shown
                scene = Path(folder, f"{name}.tif")
                kept = {key: profile[key] for key in ("width", "height", "crs", "transform")}
                with rasterio.open(scene, "w", driver="GTiff", count=3, dtype=data.dtype, **kept) as made:
                    made.write(data)
                found = detect(scene, folder, DetectOptions(scene=options, overwrite=True, polygons="none"))
                with rasterio.open(found.mask_path) as mask:
                    cloudy = mask.read(1) == 1
                known, cloud = label != UNKNOWN, np.isin(label, CLOUD)
                groups = (cloudy & cloud, cloud, cloudy & ~cloud, ~cloud)
                counts[name] += [int((group & known).sum()) for group in groups]
    sys.stdout.write("| white from | cloud found | clear called cloud |\n| --- | --- | --- |\n")
    for name, (what, _, _) in PICTURES.items():
        hit, cloud, false, clear = counts[name].tolist()
        sys.stdout.write(f"| {what} | {hit / cloud:.3f} | {false / clear:.3f} |\n")


if __name__ == "__main__":
    main()
