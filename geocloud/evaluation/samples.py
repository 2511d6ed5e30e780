"""Scores with their labels, as `calibrate` and `evaluate` need them, one picture or scene at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from geocloud.datasets.folder import PICTURE_BANDS, DataFile, DataSet
from geocloud.datasets.labelled import Choice, LabelledData, open_labelled
from geocloud.datasets.labels import Fit, LabelCodes, read_mask, read_truth
from geocloud.datasets.split import Part
from geocloud.errors import InputError, UsageError
from geocloud.metrics.histogram import EXACT_BITS, PIXEL_BITS
from geocloud.pipeline.outputs import MASK_SUFFIX
from geocloud.pipeline.scoring import score_scene
from geocloud.progress import Progress, no_progress
from geocloud.raster import PATCH, BoolArray, FloatArray, Georef, Raster
from geocloud.readers import MemoryScene, SceneOptions, open_scene
from geocloud.readers.scenes.band_subset import subset_bands
from geocloud.scorers.contract import Scorer, score_patches
from geocloud.scorers.peers import Reference, reference_mask


def picture_score(source: DataSet, file: DataFile, scorer: Scorer, fit: Fit, options: SceneOptions) -> float:
    """Mean score of a picture or scene, higher = cloudier; arguments and errors as of `picture_scores`."""
    return float(picture_scores(source, file, scorer, fit, options).mean(dtype=np.float64))


def picture_scores(source: DataSet, file: DataFile, scorer: Scorer, fit: Fit, options: SceneOptions) -> FloatArray:
    """(k,) scores of all valid pixels (or patches) of a picture or scene.

    Args:
        source: the data set that holds the file.
        file: the picture or scene.
        scorer: scores it.
        fit: `resize` a picture to one patch, or score it at its own size.
        options: how a scene is read.

    Raises:
        InputError: the file cannot be read, or is wholly nodata. ModelError: the scene lacks a band.
    """
    if source.is_scene(file):
        with open_scene(file.path, options) as scene:
            scores, _ = score_scene(scene, scorer)
    elif fit == "resize":
        scores = score_patches(scorer, source.read(file, PATCH)[None], PICTURE_BANDS)
    else:
        data = source.read(file)
        raster = Raster(data, np.ones(data.shape[1:], dtype=bool))
        scores, _ = score_scene(MemoryScene(raster, PICTURE_BANDS, Georef(data.shape[1:]), file.stem), scorer)
    valid = scores[~np.isnan(scores)]
    if not valid.size:
        raise InputError(f"{file.name} has no valid pixel to score")
    return valid


BATCH = 64
"""Pictures that are scored at once."""


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Where the labels of a data set are, and which of its files to use."""

    folders: tuple[str, ...] = ()
    """Subfolders to use; empty: all."""
    cloudy: tuple[str, ...] = ()
    """Subfolders of cloudy pictures; empty: those whose name begins with `cloud`."""
    labels: str | os.PathLike[str] | None = None
    """Folder of label rasters; None: `labels` beside a folder `images`; without one, subfolders are the labels."""
    codes: LabelCodes = field(default_factory=LabelCodes)
    """Which values of label rasters are cloud, and which are ignored."""
    masks: bool = False
    """The data are existing masks, not scenes to score."""
    fit: Fit | None = None
    """How pictures become patches; None: `resize` for a patch-level model, `cut` for a pixel-level one."""
    only: tuple[str, ...] = ()
    """Names of the scenes to use, without suffix; empty: all."""
    without: tuple[str, ...] = ()
    """Names of scenes to leave out."""
    part: Part = "all"
    """`all`, or only files that a training run with the same `held_out` and `seed` trains on, or holds out."""
    held_out: float = 0.3
    """Share of the files that a training run holds out; see `part`."""
    seed: int = 0
    """Of the split; see `part`."""
    scene: SceneOptions = field(default_factory=SceneOptions)
    """How scenes are read."""
    bands: tuple[str, ...] = ()
    """Bands of scenes that scorers may use; empty: all."""
    reference: Reference | None = None
    """A peer whose masks are used as labels: the figures are then agreement, not accuracy."""
    threads: int | None = None
    """Scoring threads; None: one per core."""
    per_pixel: bool = False
    """Use every pixel's score of tagged pictures and scenes, not their mean."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The scores of one scorer for one picture or scene, with the labels."""

    name: str
    score: FloatArray
    """(k,) scores, higher = cloudier: the mean of a picture, or the labelled valid pixels of a scene."""
    truth: BoolArray
    """(k,) True = cloud."""

    @property
    def bits(self) -> int:
        """Bits of its histogram; a picture's single score is kept exactly."""
        return EXACT_BITS if self.score.size == 1 else PIXEL_BITS


def any_left(data: Path, options: DataOptions) -> bool:
    """Whether any file of the data is left by `only` and `without`."""
    only, without = options.only, options.without
    with DataSet(data, options.folders) as source:
        return any((not only or file.stem in only) and file.stem not in without for file in source.files)


def read_samples(
    data: Path, scorers: Sequence[Scorer], options: DataOptions, progress: Progress = no_progress
) -> Iterator[list[Sample]]:
    """For each picture or scene, one sample per scorer; each file is read once.

    Args:
        data: folder or zip of tagged pictures, or folder of scenes or masks.
        scorers: score the files. For masks they are not used, and one sample per mask is given.
        options: labels and selection.
        progress: called after each file.

    Raises:
        InputError: data or labels cannot be read or do not match. UsageError: options do not fit the data.
        ModelError: a scene lacks a band.
    """
    with open_data(data, options) as opened:
        files, labels = opened.files, opened.labels
        if labels is None and options.masks:
            raise UsageError(f"masks in {data} need --labels to be measured against")
        if options.reference is not None:
            cases = _labelled([(file, file.path) for file in files], scorers, options)
        elif labels is not None:
            cases = _labelled([(file, labels[file.name]) for file in files], scorers, options)
        else:
            cases = _pictures(opened, scorers, options)
        for done, samples in enumerate(cases, start=1):
            progress(done, len(files), "scoring")
            yield samples


def open_data(data: Path, options: DataOptions) -> AbstractContextManager[LabelledData]:
    """The chosen files of a data set with their labels; see open_labelled."""
    choice = Choice(
        labels=options.labels,
        use_labels=options.reference is None,
        suffix=MASK_SUFFIX if options.masks else "",
        folders=options.folders,
        cloudy=options.cloudy,
        only=options.only,
        without=options.without,
        part=options.part,
        held_out=options.held_out,
        seed=options.seed,
    )
    return open_labelled(data, choice)


def source_name(data: Path) -> str:
    """The name of a data set in tables and cards: that of its folder or file, or of the folder that holds `images`."""
    path = data.resolve()
    return path.parent.name if path.name in ("images", "masks") else path.stem


def _truth(label: Path, options: DataOptions) -> tuple[BoolArray, BoolArray]:
    """(h, w) True = cloud, and (h, w) True = known; from the label, or from the reference's mask of the scene."""
    if options.reference is None:
        return read_truth(label, options.codes)
    cloud = reference_mask(label)
    return cloud, np.ones_like(cloud)


def _labelled(
    pairs: Sequence[tuple[DataFile, Path]], scorers: Sequence[Scorer], options: DataOptions
) -> Iterator[list[Sample]]:
    """The labelled pixels of scenes or masks, given with their label rasters."""
    for file, label in pairs:
        truth, known = _truth(label, options)
        if options.masks:
            score, valid = read_mask(file.path, truth.shape)
            yield [Sample(file.stem, score[known & valid], truth[known & valid])]
            continue
        samples = []
        with subset_bands(open_scene(file.path, options.scene), options.bands) as scene:
            if scene.georef.shape != truth.shape:
                raise UsageError(
                    f"{label} has the shape {truth.shape}, its scene {scene.georef.shape}; they must lie on one grid"
                )
            for scorer in scorers:
                score, valid = score_scene(scene, scorer, threads=options.threads)
                use = known & valid & ~np.isnan(score)
                samples.append(Sample(file.stem, score[use], truth[use]))
        yield samples


def _pictures(opened: LabelledData, scorers: Sequence[Scorer], options: DataOptions) -> Iterator[list[Sample]]:
    """The scores of tagged pictures; resized ones are scored in batches."""
    source, files = opened.source, opened.files
    fit = options.fit or ("resize" if scorers[0].card.level == "patch" else "cut")
    use_means = not options.per_pixel or all(scorer.card.level == "patch" for scorer in scorers)
    for start in range(0, len(files), BATCH):
        batch = files[start : start + BATCH]
        if use_means and fit == "resize" and not any(source.is_scene(file) for file in batch):
            scores = _resized(source, batch, scorers)
        else:
            each = [[picture_scores(source, file, one, fit, options.scene) for one in scorers] for file in batch]
            scores = [[one.mean(keepdims=True) if use_means else one for one in row] for row in each]
        for file, row in zip(batch, scores, strict=True):
            truth = file.tag in opened.cloudy
            yield [Sample(file.name, score, np.full(score.shape, truth)) for score in row]


def _resized(source: DataSet, files: Sequence[DataFile], scorers: Sequence[Scorer]) -> list[list[FloatArray]]:
    """Mean scores, (1,) each, of pictures resized to one patch: a list per file with one entry per scorer."""
    patches = np.stack([source.read(file, PATCH) for file in files])
    maps = [score_patches(scorer, patches, PICTURE_BANDS) for scorer in scorers]
    return [[scores[i].mean(keepdims=True).ravel() for scores in maps] for i in range(len(files))]
