"""Outlines and thin cloud on simulated cloud over real clear ground: exact truth, which no label gives.

python tests/benchmarks/outlines.py MODEL DATA [--only NAMES]

DATA is the data folder of the trainings. Small and large clouds are laid, each by its own random numbers, over clear
images of places; the mask at the card's threshold is compared with where the opacity passes the middle between what
training calls clear and cloud. Printed for each number of bands: boundary F1 at 2 pixels, of all and of those clouds
that have an edge over ground that is not white; and of veils with an opacity of 0.12 to 0.3 the share found, at the
card's threshold and at one that calls 3 % of the clear pixels cloud.

A cloud has an edge where its opacity passes from 0.05 to 0.1 within about two pixels: nobody can place the outline of
a softer one to within two.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from geocloud import load_scorer, score
from geocloud.metrics.boundary import boundary_f1
from geocloud.models.networks.cells import BANDS
from geocloud.raster import FloatArray
from geocloud.training.unmix.scenes import TrainingScene, load_clear, place_of
from geocloud.training.unmix.simulator import simulate

CASES, SIDE, EDGE = 60, 256, 0.07
CLEAR, THIN = 0.02, (0.12, 0.3)
FADING, STEEP, WHITE = (0.05, 0.1), 0.025, 0.35
"""Opacities of an outline, their least change per pixel across it, and the mean reflectance of white ground."""
FALSE_ALARMS = 0.03


def clear_scenes(data: Path, only: frozenset[str]) -> dict[str, list[TrainingScene]]:
    """Place to its clear images of seven bands."""
    files = [*(data / "labelled/sen12mscr/clear").glob("*.tif"), *(data / "scenes/sen12mscr_clear").glob("*.tif")]
    places: dict[str, list[TrainingScene]] = {}
    for scene in load_clear(sorted(files), "clear"):
        if not only or scene.name in only:
            places.setdefault(place_of(scene.name), []).append(scene)
    return places


def cases(places: dict[str, list[TrainingScene]]) -> Iterator[tuple[FloatArray, FloatArray, bool, bool]]:
    """Reflectance (7, h, w) under a simulated cloud, its opacity (h, w), and whether it has an edge, and is small."""
    rng, names = torch.Generator().manual_seed(5), sorted(places)
    for number in range(CASES):
        scenes = places[names[number % len(names)]]
        ground = scenes[(number // len(names)) % len(scenes)].data.float()[None, :, :SIDE, :SIDE]
        veil = simulate(1, SIDE, rng, small=float(number % 2))
        opacity = veil.opacity[0, :3].mean(0).numpy()
        if (opacity >= EDGE).mean() >= 0.01:
            plain = bool(ground[:, :3].mean() < WHITE) and has_edge(opacity)
            yield veil.over(ground)[0].clamp(0, 1.5).numpy(), opacity, plain, bool(number % 2)


def has_edge(opacity: FloatArray) -> bool:
    """Whether opacity (h, w) rises steeply where half of an outline lies."""
    steepness = np.hypot(*np.gradient(opacity))[(opacity > FADING[0]) & (opacity < FADING[1])]
    return bool(len(steepness)) and bool(np.median(steepness) >= STEEP)


def measure(model: str, count: int, places: dict[str, list[TrainingScene]]) -> str:
    """One line of the table."""
    threshold = load_scorer(model).card.calibration.threshold
    f1, plain, scores, kinds = [], [], [], []
    for data, opacity, sharp, _ in cases(places):
        found = score(data[:count], bands=BANDS[:count], scale=1, offset=0, model=model, raw=True)
        f1.append(boundary_f1(found >= threshold, opacity >= EDGE))
        plain.append(sharp)
        scores.append(found.ravel())
        kinds.append(np.where(opacity < CLEAR, 0, np.where((opacity > THIN[0]) & (opacity < THIN[1]), 1, 2)).ravel())
    every, kind = np.concatenate(scores), np.concatenate(kinds)
    at_three = np.quantile(every[kind == 0], 1 - FALSE_ALARMS)
    figures = (
        np.nanmean(f1),
        np.nanmean(np.array(f1)[plain]),
        (every[kind == 1] >= threshold).mean(),
        (every[kind == 0] >= threshold).mean(),
        (every[kind == 1] >= at_three).mean(),
    )
    row = " | ".join(f"{figure:.3f}" for figure in figures)
    return f"| {count} | {len(f1)}, {sum(plain)} with an edge | {row} |\n"


def main() -> None:
    """The table, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", type=Path, help="file with the names of the scenes to use")
    arguments = parser.parse_args()
    names = frozenset(arguments.only.read_text().split()) if arguments.only else frozenset()
    places = clear_scenes(arguments.data, names)
    columns = (
        "bands",
        "scenes",
        "boundary F1",
        "with an edge",
        "thin found",
        "clear called cloud",
        "thin found at 3 %",
    )
    sys.stdout.write(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}\n")
    for count in (3, 4, 6, 7):
        sys.stdout.write(measure(arguments.model, count, places))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
