"""Two ideas of anomaly detection on the default's score, without training: mirrored views, and the scene's own normal.

GEOCLOUD_DATA=../shared/data python tests/benchmarks/ideas.py [--model MODEL]

Views: the mean score of a scene and of its mirror images. Own normal (after INP-Former, Luo et al. 2025): pixels that
score far below the threshold are the scene's clear ground; eight clusters of their log reflectance are its normal, and
the log of a pixel's Mahalanobis distance to the nearest, against that which the clear ground itself has, is added to
the score. Printed: balanced accuracy at the card's threshold and AUROC, pixels of all scenes together.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
from scipy.stats import rankdata

from geocloud import load_scorer, score
from geocloud.raster import BoolArray, FloatArray

BANDS = ("blue", "green", "red", "nir", "swir16", "swir22", "cirrus")
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


def ways(shown: FloatArray, model: str, threshold: float) -> dict[str, FloatArray]:
    """Name of each way to its score (h, w)."""

    def found(data: FloatArray) -> FloatArray:
        given: FloatArray = np.ascontiguousarray(data)
        return np.asarray(score(given, bands=BANDS[: len(data)], scale=1, offset=0, model=model, raw=True))

    plain, turned = found(shown), found(shown[..., ::-1])[:, ::-1]
    strange = own_normal(shown, plain, threshold)
    views = {"one view": plain, "two views": (plain + turned) / 2}
    return views | {f"own normal x {share}": plain + share * strange for share in (0.3, 0.6, 1.0)}


def auroc(found: FloatArray, cloud: BoolArray) -> float:
    """The share of pairs of a cloudy and a clear pixel that the score puts in order."""
    several = cloud.sum()
    return float((rankdata(found)[cloud].sum() - several * (several + 1) / 2) / (several * (len(cloud) - several)))


def main() -> None:
    """The table, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    model = parser.parse_args().model
    threshold = load_scorer(model).card.calibration.threshold
    recipes = Path(__file__).parents[2] / "geocloud/training/unmix/recipes"
    held = frozenset((recipes / "held-out.txt").read_text(encoding="utf-8").split())
    sys.stdout.write("| source | bands | way | balanced accuracy | AUROC |\n| --- | --- | --- | --- | --- |\n")
    for count in (3, 7):
        every: dict[tuple[str, str], list[tuple[FloatArray, BoolArray]]] = {}
        for source, data, cloud, known in scenes(Path(os.environ["GEOCLOUD_DATA"]), held):
            for way, found in ways(data[:count], model, threshold).items():
                every.setdefault((source, way), []).append((found[known], cloud[known]))
        for (source, way), parts in every.items():
            found, cloud = (np.concatenate(part) for part in zip(*parts, strict=True))
            balanced = ((found >= threshold)[cloud].mean() + (found < threshold)[~cloud].mean()) / 2
            sys.stdout.write(f"| {source} | {count} | {way} | {balanced:.3f} | {auroc(found, cloud):.3f} |\n")


if __name__ == "__main__":
    main()
