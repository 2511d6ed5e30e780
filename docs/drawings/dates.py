"""The picture of several dates: what the notebook From STAC to a cloud-free field draws, figure below figure."""

from __future__ import annotations

import contextlib
import io
import json
import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "dates.ipynb"
SHOWN = 1, 3, 4
"""Figures: the dates, their masks, and the composite; 2 is the chart of cover."""


def dates(path: Path) -> None:
    """Run the notebook's cells, and stack what they drew."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    plt.close("all")
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    path, before, names = path.absolute(), Path.cwd(), {}
    os.chdir(NOTEBOOK.parent)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            for cell in cells:
                exec("".join(cell["source"]), names)  # noqa: S102 - our own notebook
    finally:
        os.chdir(before)
    pictures = []
    for number in SHOWN:
        buffer = io.BytesIO()
        plt.figure(number).savefig(buffer, dpi=100, bbox_inches="tight", pad_inches=0.1)
        pictures.append(Image.open(buffer).convert("RGB"))
    page = Image.new("RGB", (max(one.width for one in pictures), sum(one.height for one in pictures)), "white")
    tops = np.cumsum([0, *(one.height for one in pictures)])
    for one, top in zip(pictures, tops, strict=False):
        page.paste(one, ((page.width - one.width) // 2, int(top)))
    page.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


PICTURES = (("dates.png", dates),)
