"""Makes the drawings of the manual: python docs/drawings [FOLDER] [PRODUCT].

They show the sample scene, a synthetic one, and the default model as they are. With PRODUCT, a real Sentinel-2 product,
the picture of the page Scenes is made of it too.
"""

from __future__ import annotations

import sys
from pathlib import Path

import dates
import scene
import threshold
import tiling
import unmixing

FOLDER = Path(__file__).parent.parent / "img"


def main(arguments: list[str]) -> None:
    """Write each picture into the folder and print its name."""
    folder = Path(arguments[0]) if arguments else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    makers = [*scene.PICTURES, *tiling.PICTURES, *unmixing.PICTURES, *threshold.PICTURES, *dates.PICTURES]
    for name, make in makers:
        make(folder / name)
        print(folder / name)
    if len(arguments) > 1:
        scene.product(arguments[1], folder / "sentinel2.jpg")
        print(folder / "sentinel2.jpg")


main(sys.argv[1:])
