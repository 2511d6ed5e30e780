"""Two ideas of anomaly detection on the default's score, without training: mirrored views, and the scene's own normal.

GEOCLOUD_DATA=../shared/data python tests/benchmarks/ideas.py [--model MODEL]

Views: the mean score of a scene and of its mirror images. One look: as shipped, but seen once, with the cirrus band if
there is one; what ships looks a second time, without it. Own normal (after INP-Former, Luo et al. 2025): pixels that
score far below the threshold are clear ground, and what is unlike that gains on the score. What ships asks the ground
in a window around each pixel. *Alone* is the network's score without that. *Clusters*: eight clusters of the log
reflectance of all clear ground of the scene are its normal, and the log of a pixel's Mahalanobis distance to the
nearest, against that which the clear ground itself has, is added to the score alone.
Printed: balanced accuracy at the card's threshold, IoU and AUROC, pixels of all scenes together.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import rasterio
import torch
from scipy.stats import rankdata

from geocloud import score
from geocloud.models.network_scorer import load_network
from geocloud.models.networks.cells import to_grid
from geocloud.models.networks.unmix import UnmixNet
from geocloud.models.registry import model_folder
from geocloud.raster import BoolArray, FloatArray
from geocloud.scorers.card import read_card

BANDS = ("blue", "green", "red", "nir", "swir16", "swir22", "cirrus")
ALL = torch.ones(len(BANDS), dtype=torch.bool)
SURELY_CLEAR, CLUSTERS, SAMPLE = 1.4, 8, 2000
"""Logits below the threshold from which a pixel is clear ground; clusters of it; pixels that they are made of."""
Scene = tuple[str, FloatArray, BoolArray, BoolArray]
"""Source, reflectance (band, h, w), cloud, and where it is known (h, w)."""


def scenes(data: Path, held: frozenset[str]) -> Iterator[Scene]:
    """Labelled scenes of seven bands; those that no training saw apart."""
    for path in sorted((data / "labelled/sen12mscr/images").glob("*.tif")):
        labels = read(data / "labelled/sen12mscr/labels" / path.name)[0, ::2, ::2]
        shown = read(path).reshape(7, 128, 2, 128, 2).mean(axis=(2, 4)) * 1e-4
        yield f"SEN12MS-CR{left_out(path, held)}", shown, np.isin(labels, (1, 2)), labels != 255
    for path in sorted((data / "labelled/l8biome/images").glob("*.tif")):
        labels = read(data / "labelled/l8biome/labels" / path.name)[0]
        yield f"L8 Biome{left_out(path, held)}", read(path)[:7], labels >= 192, labels > 0


def left_out(path: Path, held: frozenset[str]) -> str:
    """A word for the source's name."""
    return ", left out" if path.stem in held else ", trained on"


def read(path: Path) -> FloatArray:
    """(band, h, w)."""
    with rasterio.open(path) as source:
        data: FloatArray = source.read().astype(np.float32)
    return data


def own_normal(shown: FloatArray, found: FloatArray, threshold: float) -> FloatArray:
    """(h, w) log distance to the scene's own clear ground, -2 to 3; 0 where it has too little of that."""
    pixels = np.log(shown.clip(0.003, 2)).reshape(len(shown), -1).T
    clear = pixels[found.ravel() < threshold - SURELY_CLEAR]
    if len(clear) < SAMPLE:
        return np.zeros_like(found)
    rng = np.random.default_rng(0)
    sample = clear[rng.choice(len(clear), SAMPLE)]
    centres = sample[rng.choice(SAMPLE, CLUSTERS, replace=False)]
    for _ in range(10):
        nearest = ((sample[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        for number in np.unique(nearest):
            centres[number] = sample[nearest == number].mean(axis=0)
    precision = np.linalg.inv(np.cov((sample - centres[nearest]).T) + 1e-3 * np.eye(len(shown)))

    def distance(points: FloatArray) -> FloatArray:
        steps = [points - centre for centre in centres]
        every: FloatArray = np.min([np.einsum("ij,jk,ik->i", step, precision, step) for step in steps], axis=0)
        return every

    usual = np.quantile(distance(sample), 0.99)
    strange: FloatArray = np.log((distance(pixels) + 1) / (usual + 1)).clip(-2, 3).reshape(found.shape)
    return strange


def alone(shown: FloatArray, network: UnmixNet) -> FloatArray:
    """(h, w) the network's score without the ground around."""
    height, width = shown.shape[-2:]
    whole = np.zeros((1, len(BANDS), height, width), np.float32)
    whole[0, : len(shown)] = shown
    present = (torch.arange(len(BANDS)) < len(shown)).float()[None]
    with torch.inference_mode():
        found: FloatArray = network.score(to_grid(torch.from_numpy(whole)), present)[0, 0, :height, :width].numpy()
    return found


def one_look(shown: FloatArray, network: UnmixNet) -> FloatArray:
    """(h, w) the shipped score of all seven bands, if the network looked only once, with the cirrus band."""
    second, nothing = network._without_cirrus, lambda x, *_: torch.full_like(x[:, :1], -torch.inf)
    network._without_cirrus = nothing
    given = np.ascontiguousarray(shown)
    with torch.inference_mode():
        found: FloatArray = network.raw_score(torch.from_numpy(given)[None], ALL)[0].numpy()
    network._without_cirrus = second
    return found


def ways(shown: FloatArray, model: str, network: UnmixNet, threshold: float) -> dict[str, FloatArray]:
    """Name of each way to its score (h, w)."""

    def found(data: FloatArray) -> FloatArray:
        given: FloatArray = np.ascontiguousarray(data)
        return np.asarray(score(given, bands=BANDS[: len(data)], scale=1, offset=0, model=model, raw=True))

    plain, turned, bare = found(shown), found(shown[..., ::-1])[:, ::-1], alone(shown, network)
    strange = own_normal(shown, bare, threshold)
    views = {"as shipped": plain, "two views": (plain + turned) / 2, "alone": bare}
    if len(shown) == len(BANDS):
        views["one look"] = one_look(shown, network)
    return views | {f"clusters x {share}": bare + share * strange for share in (0.3, 0.6)}


def auroc(found: FloatArray, cloud: BoolArray) -> float:
    """The share of pairs of a cloudy and a clear pixel that the score puts in order."""
    several = cloud.sum()
    return float((rankdata(found)[cloud].sum() - several * (several + 1) / 2) / (several * (len(cloud) - several)))


def main() -> None:
    """The table, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    model = parser.parse_args().model
    folder = model_folder(model)
    card = read_card(folder)
    threshold, network = card.calibration.threshold, cast("UnmixNet", load_network(folder, card).eval())
    recipes = Path(__file__).parents[2] / "geocloud/training/unmix/recipes"
    held = frozenset((recipes / "held-out.txt").read_text(encoding="utf-8").split())
    sys.stdout.write(f"| source | bands | way | balanced accuracy | IoU | AUROC |\n|{' --- |' * 6}\n")
    for count in (3, 7):
        every: dict[tuple[str, str], list[tuple[FloatArray, BoolArray]]] = {}
        for source, data, cloud, known in scenes(Path(os.environ["GEOCLOUD_DATA"]), held):
            for way, found in ways(data[:count], model, network, threshold).items():
                every.setdefault((source, way), []).append((found[known], cloud[known]))
        for (source, way), parts in every.items():
            found, cloud = (np.concatenate(part) for part in zip(*parts, strict=True))
            mask = found >= threshold
            balanced = (mask[cloud].mean() + (~mask)[~cloud].mean()) / 2
            overlap = (mask & cloud).sum() / (mask | cloud).sum()
            figures = f"{balanced:.3f} | {overlap:.3f} | {auroc(found, cloud):.3f}"
            sys.stdout.write(f"| {source} | {count} | {way} | {figures} |\n")


if __name__ == "__main__":
    main()
