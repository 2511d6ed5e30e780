"""Variants of how the default sets a pixel in doubt against the clear ground around it, in blue, green and red.

GEOCLOUD_DATA=../shared/data python tests/benchmarks/ground.py

Balanced accuracy at the card's threshold on the labelled scenes that no training saw; boundary F1 at 2 pixels of
simulated clouds with an edge (in brackets how many chips), and the share of the pixels of all clouds that is found,
large clouds and small ones apart. Constants of the shipped model are changed in memory; its weights stay.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from ideas import alone, scenes
from outlines import EDGE, cases, clear_scenes

from geocloud.metrics.boundary import boundary_f1
from geocloud.models.network_scorer import load_network
from geocloud.models.networks import unmix
from geocloud.models.networks.unmix import UnmixNet
from geocloud.models.registry import model_folder
from geocloud.raster import BoolArray, FloatArray
from geocloud.scorers.card import read_card

VARIANTS = {
    "score alone": None,
    "weights 1.2": {"LOSS": 1.2},
    "**likeness 1.5**: ships": {},
    "likeness 2": {"LOSS": 2.0},
    "likeness 2, one pass": {"LOSS": 2.0, "PASSES": 1},
    "unlikeness 2": {"GAIN": 2.0},
}
RGB = torch.arange(7) < 3
HELD_OUT = Path(unmix.__file__).parents[2] / "training" / "unmix" / "recipes" / "held-out.txt"
Score = Callable[[FloatArray], FloatArray]


def with_ground(shown: FloatArray, network: UnmixNet) -> FloatArray:
    """(h, w) the score as the constants have it now, of reflectance (3, h, w)."""
    with torch.inference_mode():
        found: FloatArray = network.raw_score(torch.from_numpy(np.ascontiguousarray(shown))[None], RGB)[0].numpy()
    return found


def balanced(found: list[BoolArray], cloud: list[BoolArray]) -> float:
    """Balanced accuracy over all pixels."""
    one, other = np.concatenate(found), np.concatenate(cloud)
    return float((one[other].mean() + (~one[~other]).mean()) / 2)


def measure(score: Score, threshold: float, data: Path, held: frozenset[str]) -> str:
    """The cells of a row."""
    found: dict[str, list[BoolArray]] = {}
    cloud: dict[str, list[BoolArray]] = {}
    for source, shown, labelled, known in scenes(data, held):
        if source.endswith(", left out"):
            found.setdefault(source, []).append((score(shown[:3]) >= threshold)[known])
            cloud.setdefault(source, []).append(labelled[known])
    figures = [f"{balanced(found[source], cloud[source]):.3f}" for source in sorted(found)]
    f1: dict[bool, list[float]] = {False: [], True: []}
    hits: dict[bool, list[BoolArray]] = {False: [], True: []}
    for shown, opacity, sharp, small in cases(clear_scenes(data, held)):
        mask, truth = score(shown[:3]) >= threshold, opacity >= EDGE
        hits[small].append(mask[truth])
        if sharp:
            f1[small].append(boundary_f1(mask, truth))
    for small in (False, True):
        figures += [f"{np.nanmean(f1[small]):.3f} ({len(f1[small])})", f"{np.concatenate(hits[small]).mean():.3f}"]
    return " | ".join(figures)


def main() -> None:
    """The table, as Markdown."""
    data, held = Path(os.environ["GEOCLOUD_DATA"]), frozenset(HELD_OUT.read_text(encoding="utf-8").split())
    folder = model_folder("default")
    card = read_card(folder)
    network = load_network(folder, card).eval()
    assert isinstance(network, UnmixNet)
    columns = ("", "L8 Biome", "SEN12MS-CR", "large: F1", "found", "small: F1", "found")
    sys.stdout.write(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}\n")
    for name, constants in VARIANTS.items():
        shipped = {constant: getattr(unmix, constant) for constant in constants or ()}
        for constant, value in (constants or {}).items():
            setattr(unmix, constant, value)
        way = alone if constants is None else with_ground
        row = measure(lambda shown, way=way: way(shown, network), card.calibration.threshold, data, held)
        sys.stdout.write(f"| {name} | {row} |\n")
        sys.stdout.flush()
        for constant, value in shipped.items():
            setattr(unmix, constant, value)


if __name__ == "__main__":
    main()
