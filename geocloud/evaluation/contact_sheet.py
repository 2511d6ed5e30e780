"""A sheet of scenes as one PNG: above the picture, below it where a mask is right, misses cloud or sees too much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geocloud.calibration import Calibration
from geocloud.datasets.labels import read_truth
from geocloud.evaluation.report import file_name
from geocloud.evaluation.samples import open_data
from geocloud.evaluation.scene_metrics import SceneMetrics
from geocloud.evaluation.suite import SuiteSource
from geocloud.pipeline.scoring import score_scene
from geocloud.raster import BoolArray, FloatArray, Window
from geocloud.readers import open_scene
from geocloud.readers.reader import SceneReader
from geocloud.readers.scenes.band_subset import subset_bands
from geocloud.scorers.contract import Scorer
from geocloud.writers.plots import save

HIT, ALARM, MISS = (255, 255, 255), (230, 60, 50), (60, 110, 240)
"""Cloud found, clear called cloud, cloud called clear."""
COLUMNS = 4
MOST_PIXELS = 400
"""A side of a picture on the sheet; larger ones are thinned."""


@dataclass(frozen=True, slots=True)
class Case:
    """One scene."""

    name: str
    said: str
    """A line under it."""
    picture: FloatArray
    """(h, w, 3) reflectance red, green, blue, NaN where nodata."""
    called: BoolArray
    """(h, w) True = called cloud."""
    truth: BoolArray
    """(h, w) True = cloud."""
    known: BoolArray
    """(h, w) True where it was measured."""


def write_sheet(cases: Sequence[Case], path: Path, title: str) -> None:
    """Draw them, best read at full size."""
    from matplotlib.figure import Figure

    rows = -(-len(cases) // COLUMNS)
    figure = Figure(figsize=(3 * COLUMNS, 6.6 * rows + 0.6), dpi=110, layout="constrained")
    figure.suptitle(f"{title}\nwhite: cloud found · red: clear called cloud · blue: cloud missed · grey: not measured")
    axes = figure.subplots(2 * rows, COLUMNS, squeeze=False)
    for one in axes.ravel():
        one.set_axis_off()
    for number, case in enumerate(cases):
        row, column = 2 * (number // COLUMNS), number % COLUMNS
        above, below = axes[row, column], axes[row + 1, column]
        step = max(1, -(-max(case.truth.shape) // MOST_PIXELS))
        above.imshow(stretched(case.picture[::step, ::step]))
        above.set_title(_short(case.name), fontsize=7)
        below.imshow(verdict(case)[::step, ::step], interpolation="nearest")
        below.set_title(case.said, fontsize=8)
    save(figure, path)


def stretched(picture: FloatArray) -> NDArray[np.uint8]:
    """Reflectance 0..1 as a picture, the same for all scenes so that bright ones look bright; nodata black."""
    return (np.clip(np.nan_to_num(picture), 0, 1) ** (1 / 1.8) * 255).astype(np.uint8)


def verdict(case: Case) -> NDArray[np.uint8]:
    """(h, w, 3) the picture in dim grey, with what the mask did laid over."""
    grey = stretched(case.picture).mean(axis=2, keepdims=True) * 0.45
    drawn = np.broadcast_to(grey, case.picture.shape).astype(np.uint8).copy()
    for where, colour in (
        (case.called & case.truth, HIT),
        (case.called & ~case.truth, ALARM),
        (~case.called & case.truth, MISS),
    ):
        drawn[where & case.known] = colour
    drawn[~case.known] = 110
    return drawn


def _short(name: str) -> str:
    """A long product name in two lines."""
    return name if len(name) < 36 else f"{name[: len(name) // 2]}\n{name[len(name) // 2 :]}"


def write_sheets(
    source: SuiteSource,
    scorer: Scorer,
    calibration: Calibration,
    tallies: Sequence[SceneMetrics],
    number: int,
    out: Path,
) -> None:
    """Score the worst and the best scenes once more and draw each sheet; tagged pictures have none.

    Scenes are ranked by the share of pixels that were called rightly; `tallies` are those to choose from.
    """
    ranked = sorted(tallies, key=lambda tally: tally.counts.accuracy)
    base, title = f"{file_name(source.name)}_{file_name(scorer.card.name)}", f"{scorer.card.name} on {source.name}"
    for word, chosen in (("worst", ranked[:number]), ("best", ranked[::-1][:number])):
        cases = draw_cases(source, scorer, calibration, chosen)
        if cases:
            write_sheet(cases, out / f"{base}_{word}.png", f"{title}: the {len(cases)} {word} scenes")


def draw_cases(
    source: SuiteSource, scorer: Scorer, calibration: Calibration, chosen: Sequence[SceneMetrics]
) -> list[Case]:
    """What the sheet shows of each scene, in the order given."""
    with open_data(source.data, source.options) as opened:
        labels, files = opened.labels, {file.stem: file for file in opened.files}
    if labels is None:
        return []
    cases = []
    for tally in chosen:
        file = files[tally.name]
        truth, known = read_truth(labels[file.name], source.options.codes)
        with subset_bands(open_scene(file.path, source.options.scene), source.options.bands) as scene:
            score, valid = score_scene(scene, scorer, threads=source.options.threads)
            picture = _visible(scene)
        use = known & valid & ~np.isnan(score)
        right, said, true = 100 * tally.counts.accuracy, _cover(tally, said=True), _cover(tally)
        words = f"{right:.0f} % right; cover {said:.0f} %, truly {true:.0f} %"
        cases.append(Case(tally.name, words, picture, score >= calibration.score_threshold, truth, use))
    return cases


def _cover(tally: SceneMetrics, *, said: bool = False) -> float:
    """Cloud cover in percent, true or as it was said."""
    counts = tally.counts
    return 100 * (counts.tp + (counts.fp if said else counts.fn)) / max(counts.total, 1)


def _visible(scene: SceneReader) -> FloatArray:
    """(h, w, 3) reflectance of red, green and blue, NaN where nodata."""
    raster = scene.read(Window(0, 0, *scene.georef.shape), ("red", "green", "blue"))
    picture: FloatArray = np.where(raster.valid, raster.data, np.float32(np.nan)).transpose(1, 2, 0)
    return picture
