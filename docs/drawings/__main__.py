"""Makes the drawings of the manual: python docs/drawings [FOLDER] [PRODUCT].

They show the sample scene and the default model as they are. With PRODUCT, a real Sentinel-2 product, the README's
picture is made of it too.
"""

from __future__ import annotations

import sys
from pathlib import Path

import scene
import threshold
import tiling
import unmixing

FOLDER = Path(__file__).parent.parent / "img"


def main(arguments: list[str]) -> None:
    """Write each picture into the folder and print its name."""
    folder = Path(arguments[0]) if arguments else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    makers = [*tiling.PICTURES, *unmixing.PICTURES, *threshold.PICTURES]
    for name, make in makers:
        make(folder / name)
        print(folder / name)
    if len(arguments) > 1:
        scene.picture(arguments[1], folder / "scene.jpg")
        print(folder / "scene.jpg")


main(sys.argv[1:])
