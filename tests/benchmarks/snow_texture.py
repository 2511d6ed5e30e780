"""How much texture may take off the score of what looks like snow in RGB, cross-validated over catalogue scenes.

GEOCLOUD_DATA=../shared/data python tests/benchmarks/snow_texture.py

The regression of `geocloud.training.unmix.snow` is fitted six times, each time without a sixth of the scenes, which are
then masked with it; the network is the default's, which has seen part of them. Printed are balanced accuracy, recall of
cloud and the share of clear ground called cloud at the default threshold, all pixels of all scenes pooled, by the most
that is taken off and what the odds are held back by. The last row is what ships, whose own fit has seen part of them.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from geocloud.models.network_scorer import load_network, read_card
from geocloud.models.networks.snow import DOUBT, UNSURE, SnowTexture
from geocloud.models.networks.unmix import UnmixNet
from geocloud.models.registry import DEFAULT_MODEL, model_folder
from geocloud.readers.bands.radiometry import EIGHT_BIT
from geocloud.training.unmix.scenes import CATALOGUE_WHITE, TrainingScene, load_folder
from geocloud.training.unmix.snow import CAUTION, fit_snow_texture

FOLDERS, FOLDS = ("s2cmc", "s2cmc_more"), 6
TRIED = ((0.0, 0.0), (2.5, 1.0), (3.5, 1.0), (DOUBT, CAUTION), (5.0, 2.0))
"""Logits taken off at most, and what the log odds are held back by."""
RGB = torch.arange(7) < 3
Counts = np.ndarray[tuple[int], np.dtype[np.int64]]


def folds(scenes: list[TrainingScene]) -> list[int]:
    """The fold of each scene: scenes with snow and others are dealt out alike."""
    dealt = {}
    for snowy in (True, False):
        names = sorted(scene.name for scene in scenes if scene.snow == snowy)
        order = np.random.default_rng(0).permutation(len(names)).tolist()
        dealt |= {names[number]: place % FOLDS for place, number in enumerate(order)}
    return [dealt[scene.name] for scene in scenes]


def score(logit: torch.Tensor, x: torch.Tensor, texture: SnowTexture, most: float, held_back: float) -> torch.Tensor:
    """(h, w) the score that the network gives with a texture whose odds are held back."""
    kept = texture.bias.clone()
    texture.bias += CAUTION - held_back
    chance, nothing = texture(x)
    texture.bias.copy_(kept)
    if not most:
        return logit
    return torch.lerp(logit - most * chance[0, 0], torch.full_like(logit, UNSURE), nothing[0, 0])


def count(cloudy: torch.Tensor, scene: TrainingScene) -> Counts:
    """Cloud found, cloud, clear called cloud, clear, in pixels that are labelled."""
    height, width = cloudy.shape
    cloud = scene.target[:height, :width] > 0.5
    known = scene.weight[:height, :width] == 1
    groups = (cloudy & cloud, cloud, cloudy & ~cloud, ~cloud)
    return np.array([int((group & known).sum()) for group in groups])


def main() -> None:
    """Print the table."""
    root = Path(os.environ["GEOCLOUD_DATA"]) / "labelled"
    folder = model_folder(DEFAULT_MODEL)
    card = read_card(folder)
    network = load_network(folder, card).eval()
    assert isinstance(network, UnmixNet)
    shipped, network.texture = network.texture, SnowTexture()
    tagged = [scene for name in FOLDERS for scene in load_folder(root / name, "tags", place=True)]
    labelled = [scene for name in FOLDERS for scene in load_folder(root / name, "labels", place=True)]
    fold = folds(tagged)
    fitted = [fit_snow_texture([s for s, own in zip(tagged, fold, strict=True) if own != n]) for n in range(FOLDS)]
    counts: defaultdict[tuple[str, str], Counts] = defaultdict(lambda: np.zeros(4, dtype=np.int64))
    for scene, own in zip(labelled, fold, strict=True):
        height, width = (side // 64 * 64 for side in scene.target.shape)
        x = scene.data[None, :, :height, :width].float() * (EIGHT_BIT.scale * 255 / CATALOGUE_WHITE)
        with torch.inference_mode():
            logit = network.raw_score(x, RGB)[0].float()
            rows = {f"{most:g}, held back by {back:g}": (fitted[own], most, back) for most, back in TRIED}
            rows["what ships"] = (shipped, DOUBT, CAUTION)
            for row, (texture, most, back) in rows.items():
                found = count(score(logit, x, texture, most, back) >= card.calibration.threshold, scene)
                for part in ("snow" if scene.snow else "others", "all"):
                    counts[row, part] += found
    sys.stdout.write("| taken off | snow | others | all |\n| --- | --- | --- | --- |\n")
    for row in dict.fromkeys(row for row, _ in counts):
        cells = []
        for part in ("snow", "others", "all"):
            hit, cloud, false, clear = counts[row, part].tolist()
            recall, alarms = hit / cloud, false / clear
            cells.append(f"{(recall + 1 - alarms) / 2:.3f} ({recall:.3f}, {alarms:.3f})")
        sys.stdout.write(f"| {row} | {' | '.join(cells)} |\n")


if __name__ == "__main__":
    main()
