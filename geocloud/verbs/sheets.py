"""Sheets of the scenes that a model gets most and least right, as pictures people can look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from geocloud.calibration import Calibration
from geocloud.raster import FloatArray
from geocloud.readers import open_scene
from geocloud.readers.contract import SceneReader
from geocloud.readers.labels import find_labels, pair_labels, read_truth
from geocloud.readers.pictures import DataSet
from geocloud.readers.shown import show
from geocloud.scorers.contract import Scorer
from geocloud.verbs.report import file_name
from geocloud.verbs.resolution import score_scene
from geocloud.verbs.suite import SuiteSource
from geocloud.verbs.tally import Tally
from geocloud.window import Window
from geocloud.writers.sheet import Case, write_sheet


def write_sheets(
    source: SuiteSource, scorer: Scorer, calibration: Calibration, tallies: Sequence[Tally], number: int, out: Path
) -> None:
    """Score the worst and the best scenes once more and draw each sheet; tagged pictures have none.

    Scenes are ranked by the share of pixels that were called rightly; `tallies` are those to choose from.
    """
    if find_labels(source.data, source.options.labels) is None:
        return
    ranked = sorted(tallies, key=lambda tally: tally.counts.accuracy)
    base, title = f"{file_name(source.name)}_{file_name(scorer.name)}", f"{scorer.name} on {source.name}"
    for word, chosen in (("worst", ranked[:number]), ("best", ranked[::-1][:number])):
        cases = draw_cases(source, scorer, calibration, chosen)
        write_sheet(cases, out / f"{base}_{word}.png", f"{title}: the {len(cases)} {word} scenes")


def draw_cases(source: SuiteSource, scorer: Scorer, calibration: Calibration, chosen: Sequence[Tally]) -> list[Case]:
    """What the sheet shows of each scene, in the order given."""
    labels = find_labels(source.data, source.options.labels)
    if labels is None:
        return []
    with DataSet(source.data) as data:
        pairs = {file.stem: (file, label) for file, label in pair_labels(data.files, labels)}
    cases = []
    for tally in chosen:
        file, label = pairs[tally.name]
        truth, known = read_truth(label, source.options.codes)
        with show(open_scene(file.path, source.options.scene), source.options.bands) as scene:
            score, valid = score_scene(scene, scorer, threads=source.options.threads)
            picture = _visible(scene)
        use = known & valid & ~np.isnan(score)
        right, said, true = 100 * tally.counts.accuracy, _cover(tally, said=True), _cover(tally)
        words = f"{right:.0f} % right; cover {said:.0f} %, truly {true:.0f} %"
        cases.append(Case(tally.name, words, picture, score >= calibration.cut, truth, use))
    return cases


def _cover(tally: Tally, *, said: bool = False) -> float:
    """Cloud cover in percent, true or as it was said."""
    counts = tally.counts
    return 100 * (counts.tp + (counts.fp if said else counts.fn)) / max(counts.total, 1)


def _visible(scene: SceneReader) -> FloatArray:
    """(h, w, 3) reflectance of red, green and blue, NaN where nodata."""
    raster = scene.read(Window(0, 0, *scene.georef.shape), ("red", "green", "blue"))
    picture: FloatArray = np.where(raster.valid, raster.data, np.float32(np.nan)).transpose(1, 2, 0)
    return picture
