"""`evaluate-classes`: how good a mask's further classes are, on labels, on tags and on simulated plumes."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from geocloud.classes import CLASSES, CODES, ClassThresholds, class_codes
from geocloud.datasets.folder import SUFFIXES
from geocloud.datasets.labels import read_codes
from geocloud.errors import InputError, UsageError
from geocloud.metrics.class_thresholds import MIN_CLASS_PIXELS, PLUMES, plume
from geocloud.metrics.confusion import auroc, best_threshold
from geocloud.metrics.histogram import ScoreHistogram, add_up, histogram
from geocloud.models.registry import DEFAULT_MODEL, load_scorer
from geocloud.pipeline.scoring import SCORE, Layers, scored_rows
from geocloud.progress import Progress, no_progress
from geocloud.raster import ByteArray, FloatArray, PatchBatch, Raster, Window
from geocloud.readers import MemoryScene, open_scene
from geocloud.readers.reader import SceneReader
from geocloud.scorers.contract import Unmixer, require_unmixer
from geocloud.scorers.peers import PEERS

CODE_MAP, SHADOW_MAP = "code", "shadow"
TrueCodes = Mapping[str, tuple[int, ...]]
"""True class -> its codes in label rasters."""


@dataclass(frozen=True, slots=True)
class ClassTable:
    """Which class the pixels of each true class got."""

    name: str
    counts: dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]]
    """True class -> (256,) number of pixels by mask code."""
    figures: dict[str, float] = field(default_factory=dict)
    """Name -> figure, such as an AUROC; shown below the table."""

    def markdown(self) -> str:
        """A Markdown table of percents, one row per true class."""
        names = [entry for entry in CLASSES if entry.code in (0, *CODES.values())]
        lines = ["| " + " | ".join([self.name, "pixels", *(entry.name for entry in names)]) + " |"]
        lines.append("|" + " --- |" * (len(names) + 2))
        for truth, counts in self.counts.items():
            total = int(counts.sum())
            shares = [f"{100 * counts[entry.code] / total:.1f}" if total else "-" for entry in names]
            lines.append("| " + " | ".join([truth, f"{total}", *shares]) + " |")
        lines += ["", *(f"{name}: {value:.3f}" for name, value in self.figures.items())]
        return "\n".join(lines) + "\n"


def evaluate_classes(
    data: Path,
    truth: TrueCodes,
    model: str = DEFAULT_MODEL,
    *,
    tag: str = "",
    peer: str = "",
    progress: Progress = no_progress,
) -> list[ClassTable]:
    """Measure the classes on a labelled folder with subfolders `images` and `labels`.

    Args:
        data: the folder.
        truth: true class -> its label codes. `thin`, `thick`, `shadow` and `clear` get figures of their own, and plumes
            are simulated over scenes that are wholly `clear`.
        model: name or folder of a model that unmixes.
        tag: column of `tags.csv` in the folder; all pixels of scenes with a 1 there are counted apart from the others.
        peer: key of geocloud.scorers.peers.PEERS to compare with; scenes are given to it as top of atmosphere.
        progress: called after each scene.

    Raises:
        ModelError: the model does not unmix. InputError: no pairs of images and labels. UsageError: an unknown peer.
        MissingExtraError: one that is not installed.
    """
    if peer and peer not in PEERS:
        raise UsageError(f"peer {peer!r} is unknown; there are {', '.join(PEERS)}")
    scorer = require_unmixer(load_scorer(model), "classes to measure")
    other = PEERS[peer]("l1c") if peer else None
    labelled, by_peer, tagged, simulated = _Counts(), _Counts(), _Counts(), _Counts()
    with_tag = _scenes_with_tag(data / "tags.csv", tag) if tag else frozenset()
    pairs = list(_pairs(data))
    for number, (image, label) in enumerate(pairs):
        labels = read_codes(label)
        with open_scene(image) as scene:
            known = {name: np.isin(labels, codes) for name, codes in truth.items()}
            maps = _maps(scorer, scene)
            for name, where in known.items():
                labelled.add(name, maps, where)
            if other is not None:
                bands = other.choose_bands(scene.bands)
                codes = other.codes_whole(scene.read(Window(0, 0, *scene.georef.shape), bands), bands)
                for name, where in known.items():
                    by_peer.add(name, {CODE_MAP: codes}, where)
            if tag:
                everywhere = np.ones(labels.shape, dtype=bool)
                tagged.add(tag if image.stem in with_tag else "all others", maps, everywhere)
            if known.get("clear", np.zeros(1)).all():
                for kind in PLUMES:
                    veiled, thick = _veiled(scorer, scene, kind, number)
                    simulated.add(kind, _maps(scorer, veiled), thick)
        progress(number + 1, len(pairs), "scoring")
    tables = [ClassTable("labelled", labelled.counts, labelled.figures())]
    tables += [ClassTable(f"labelled, by {peer}", by_peer.counts, by_peer.figures())] if peer else []
    tables += [ClassTable("tagged", tagged.counts)] if tag else []
    return tables + ([ClassTable("simulated plumes", simulated.counts)] if simulated.counts else [])


class _Counts:
    """Adds up pixels by code, and score and shadow histograms, of each true class."""

    def __init__(self) -> None:
        self.counts: dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}
        self._maps: dict[tuple[str, str], list[FloatArray]] = {}

    def add(self, name: str, maps: Layers, where: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> None:
        codes: ByteArray = maps[CODE_MAP][where]
        counts = np.bincount(codes, minlength=256)
        self.counts[name] = self.counts.get(name, 0) + counts
        for layer in {SCORE, SHADOW_MAP} & set(maps):
            self._maps.setdefault((name, layer), []).append(maps[layer][where])

    def figures(self) -> dict[str, float]:
        """AUROC of the score for thick against thin, and of the shadow map for shadow against clear; F1 of shadow."""
        compared = {
            "AUROC of the score, thick against thin": ("thick", "thin", SCORE),
            "AUROC of the shadow map, shadow against clear": ("shadow", "clear", SHADOW_MAP),
        }
        figures = {text: auroc(self._histogram(*names)) for text, names in compared.items() if self._enough(*names)}
        if "shadow" in self.counts:
            predicted = {name: int(counts[CODES["shadow"]]) for name, counts in self.counts.items()}
            both = sum(predicted.values()) + int(self.counts["shadow"].sum())
            figures["F1 of cloud shadow among all that is labelled"] = 2 * predicted["shadow"] / both if both else 0.0
        if self._enough("shadow", "clear", SHADOW_MAP):
            _, f1 = best_threshold(self._histogram("shadow", "clear", SHADOW_MAP), "f1")
            figures["best F1 at any threshold of the shadow map, shadow against clear"] = f1
        return figures

    def _enough(self, high: str, low: str, layer: str) -> bool:
        """Whether both classes have enough pixels with this map."""
        sides = [(name, layer) for name in (high, low)]
        return all(side in self._maps and self.counts[side[0]].sum() >= MIN_CLASS_PIXELS for side in sides)

    def _histogram(self, high: str, low: str, layer: str) -> ScoreHistogram:
        """Histogram of a map where the class `high` is positive and `low` negative."""
        sides = ((name, np.concatenate(self._maps[name, layer])) for name in (low, high))
        return add_up([histogram(values, np.full(values.shape, name == high)) for name, values in sides])


def _maps(scorer: Unmixer, scene: SceneReader) -> Layers:
    """Score, mask codes of all classes that the model detects, and the shadow map if there is one, of a whole scene."""
    thresholds = scorer.card.class_thresholds or ClassThresholds()

    def maps(batch: PatchBatch) -> Layers:
        parts = scorer.unmix(batch)
        score_threshold = scorer.card.calibration.score_threshold
        code = class_codes(parts, score_threshold, thresholds, tuple(CODES))
        further = {} if parts.shadow is None else {SHADOW_MAP: parts.shadow}
        return {SCORE: parts.score, CODE_MAP: code, **further}

    rows = list(scored_rows(scene, scorer, threads=1, maps=maps))
    layers = [{SCORE: part.score, **part.further} for part in rows]
    return {name: np.concatenate([layer[name] for layer in layers]) for name in layers[0]}


def _veiled(
    scorer: Unmixer, scene: SceneReader, kind: str, seed: int
) -> tuple[MemoryScene, np.ndarray[tuple[int, int], np.dtype[np.bool_]]]:
    """A clear scene under a simulated plume, and (h, w) True where its opacity is at least 0.3."""
    bands = scorer.choose_bands(scene.bands)
    raster = scene.read(Window(0, 0, *scene.georef.shape), bands)
    opacity, cloud = plume(kind, raster.valid.shape, bands, np.random.default_rng(seed))
    data = (1 - opacity) * raster.data + opacity * cloud
    return MemoryScene(Raster(data.astype(np.float32), raster.valid), bands, scene.georef), opacity >= 0.3


def _pairs(data: Path) -> Iterator[tuple[Path, Path]]:
    """(image, label) paths with the same stem; InputError if there are none."""
    if not (data / "images").is_dir() or not (data / "labels").is_dir():
        raise InputError(f"{data} must have the subfolders images and labels")
    labels = {path.stem: path for path in sorted((data / "labels").iterdir()) if path.suffix.lower() in SUFFIXES}
    images = [path for path in sorted((data / "images").iterdir()) if path.stem in labels]
    if not images:
        raise InputError(f"no label in {data / 'labels'} has the name of an image; name them alike")
    yield from ((path, labels[path.stem]) for path in images)


def _scenes_with_tag(path: Path, tag: str) -> frozenset[str]:
    """Names of the scenes with a 1 in the column `tag`; InputError if there is no such column."""
    if not path.is_file():
        raise InputError(f"{path} does not exist; leave out --tag")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or tag not in rows[0]:
        raise InputError(f"{path} has no column {tag!r}; it has {', '.join(rows[0] if rows else ())}")
    return frozenset(row["scene"] for row in rows if row[tag] == "1")
