"""Scoring single patches that have no surroundings, such as pictures of a tagged folder."""

from __future__ import annotations

import numpy as np

from geocloud.raster import FloatArray, PatchBatch
from geocloud.scorers.contract import Scorer
from geocloud.window import Window


def score_patches(scorer: Scorer, data: FloatArray, bands: tuple[str, ...], *, batch: int = 64) -> FloatArray:
    """Scores of patches, each with a halo of its own reflection.

    Args:
        scorer: any scorer.
        data: (n, band, side, side) reflectance, side a multiple of 64.
        bands: names of the bands; those the scorer does not take are left out.
        batch: patches scored at once; it changes the memory needed, never the scores.

    Returns:
        (n, side, side) of a pixel-level scorer, (n, side/64, side/64) of a patch-level one; float32, NaN = not scored.

    Raises:
        ModelError: a band the scorer needs is missing.
    """
    taken = scorer.choose_bands(bands)
    chosen = data[:, [bands.index(band) for band in taken]]
    pad = [(0, 0), (0, 0), (scorer.halo, scorer.halo), (scorer.halo, scorer.halo)]
    scores = []
    for start in range(0, len(chosen), batch):
        part = np.pad(chosen[start : start + batch], pad, mode="reflect")
        window = Window(0, 0, *data.shape[2:])
        valid = np.ones((len(part), *part.shape[2:]), dtype=bool)
        scores.append(scorer.score(PatchBatch((window,) * len(part), part, valid, taken)))
    return np.concatenate(scores)
