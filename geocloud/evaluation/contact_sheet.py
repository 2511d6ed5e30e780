"""Contact sheets: one PNG of several scenes, each with its picture and, below it, its hits, misses and false alarms."""

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
from geocloud.metrics.confusion import ConfusionCounts
from geocloud.pipeline.scoring import score_scene
from geocloud.raster import BoolArray, FloatArray, Window
from geocloud.readers import open_scene
from geocloud.readers.reader import SceneReader
from geocloud.readers.scenes.band_subset import subset_bands
from geocloud.scorers.contract import Scorer
from geocloud.writers.plots import save

HIT, ALARM, MISS = (255, 255, 255), (230, 60, 50), (60, 110, 240)
"""Colours of cloud that was found, of clear called cloud, and of cloud called clear."""
COLUMNS = 4
MAX_SIDE = 400
"""Pixels per side of a picture on the sheet; of larger ones only every nth pixel is drawn."""


@dataclass(frozen=True, slots=True)
class Case:
    """One scene of a sheet."""

    name: str
    caption: str
    picture: FloatArray
    """(h, w, 3) reflectance of red, green and blue, NaN where nodata."""
    predicted: BoolArray
    """(h, w) True = predicted cloud."""
    truth: BoolArray
    """(h, w) True = cloud in the labels."""
    known: BoolArray
    """(h, w) True where the scene was scored and labelled."""


def write_sheet(cases: Sequence[Case], path: Path, title: str) -> None:
    """Draw the scenes to a PNG, COLUMNS per row."""
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
        step = max(1, -(-max(case.truth.shape) // MAX_SIDE))
        above.imshow(stretched(case.picture[::step, ::step]))
        above.set_title(_short(case.name), fontsize=7)
        below.imshow(verdict(case)[::step, ::step], interpolation="nearest")
        below.set_title(case.caption, fontsize=8)
    save(figure, path)


def stretched(picture: FloatArray) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 from reflectance 0..1, stretched alike for all scenes so that bright ones look bright."""
    return (np.clip(np.nan_to_num(picture), 0, 1) ** (1 / 1.8) * 255).astype(np.uint8)


def verdict(case: Case) -> NDArray[np.uint8]:
    """(h, w, 3) the picture in dim grey, with hits, false alarms and misses in colour."""
    grey = stretched(case.picture).mean(axis=2, keepdims=True) * 0.45
    drawn = np.broadcast_to(grey, case.picture.shape).astype(np.uint8).copy()
    for where, colour in (
        (case.predicted & case.truth, HIT),
        (case.predicted & ~case.truth, ALARM),
        (~case.predicted & case.truth, MISS),
    ):
        drawn[where & case.known] = colour
    drawn[~case.known] = 110
    return drawn


def _short(name: str) -> str:
    """The name; a long product name in two lines."""
    return name if len(name) < 36 else f"{name[: len(name) // 2]}\n{name[len(name) // 2 :]}"


def write_sheets(
    source: SuiteSource,
    scorer: Scorer,
    calibration: Calibration,
    scenes: Sequence[SceneMetrics],
    number: int,
    out: Path,
) -> None:
    """Draw one sheet of the worst and one of the best scenes, by accuracy; they are scored again.

    Args:
        source: the data set; one of tagged pictures, without labels, gets no sheets.
        scorer: scores the scenes.
        calibration: has the threshold.
        scenes: the metrics of the scenes to choose from.
        number: of scenes per sheet.
        out: folder of the PNGs.
    """
    ranked = sorted(scenes, key=lambda scene: scene.counts.accuracy)
    base, title = f"{file_name(source.name)}_{file_name(scorer.card.name)}", f"{scorer.card.name} on {source.name}"
    for word, chosen in (("worst", ranked[:number]), ("best", ranked[::-1][:number])):
        cases = draw_cases(source, scorer, calibration, chosen)
        if cases:
            write_sheet(cases, out / f"{base}_{word}.png", f"{title}: the {len(cases)} {word} scenes")


def draw_cases(
    source: SuiteSource, scorer: Scorer, calibration: Calibration, chosen: Sequence[SceneMetrics]
) -> list[Case]:
    """Score the chosen scenes and prepare them for the sheet, in the order given; empty if there are no labels."""
    with open_data(source.data, source.options) as opened:
        labels, files = opened.labels, {file.stem: file for file in opened.files}
    if labels is None:
        return []
    cases = []
    for metrics in chosen:
        file = files[metrics.name]
        truth, known = read_truth(labels[file.name], source.options.codes)
        with subset_bands(open_scene(file.path, source.options.scene), source.options.bands) as scene:
            score, valid = score_scene(scene, scorer, threads=source.options.threads)
            picture = _visible(scene)
        use = known & valid & ~np.isnan(score)
        caption = _caption(metrics.counts)
        cases.append(Case(metrics.name, caption, picture, score >= calibration.score_threshold, truth, use))
    return cases


def _caption(counts: ConfusionCounts) -> str:
    """Accuracy, predicted cloud cover and true cloud cover, in percent."""
    pixels = max(counts.total, 1)
    predicted, true = 100 * (counts.tp + counts.fp) / pixels, 100 * (counts.tp + counts.fn) / pixels
    return f"{100 * counts.accuracy:.0f} % right; cover {predicted:.0f} %, truly {true:.0f} %"


def _visible(scene: SceneReader) -> FloatArray:
    """(h, w, 3) reflectance of red, green and blue, NaN where nodata."""
    raster = scene.read(Window(0, 0, *scene.georef.shape), ("red", "green", "blue"))
    picture: FloatArray = np.where(raster.valid, raster.data, np.float32(np.nan)).transpose(1, 2, 0)
    return picture
