"""`adapt`: fit a model to a user's own scenes, and measure it on scenes that were left out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from geocloud.errors import ModelError, UsageError
from geocloud.models.registry import DEFAULT_MODEL, model_folder
from geocloud.pipeline.places import model_files
from geocloud.progress import Progress, no_progress
from geocloud.readers import SceneOptions
from geocloud.readers.dispatch import local_files
from geocloud.readers.files.paths import scene_name
from geocloud.scorers.card import CARD_FILE, ModelCard, TrainingRecord, name_of_folder, read_card
from geocloud.scorers.contract import Scorer
from geocloud.writers.staging import check_outputs, staged

if TYPE_CHECKING:
    from geocloud.models.networks.unmix import UnmixNet
    from geocloud.training.before_after import AdaptRow
    from geocloud.training.own_scenes import Tile


@dataclass(frozen=True, slots=True)
class AdaptOptions:
    """What is known about the scenes, and how long to train. Without any labels, only the threshold is adapted."""

    model: str | os.PathLike[str] = DEFAULT_MODEL
    """The model to start from, of kind unmix."""
    clear: str | os.PathLike[str] | None = None
    """Text file with the names of scenes that are wholly clear, one per line."""
    cloudy: str | os.PathLike[str] | None = None
    """Text file with the names of scenes that are wholly cloudy, one per line."""
    masks: str | os.PathLike[str] | None = None
    """Folder of corrected masks: NAME.tif or NAME_cloudmask.tif for a scene NAME."""
    polygons: str | os.PathLike[str] | None = None
    """Vector file of corrected clouds; its column `scene` names the scenes that it labels completely."""
    scene: SceneOptions = field(default_factory=SceneOptions)
    """How scenes are read."""
    steps: int = 400
    """Optimiser steps, 1 to 10000."""
    seed: int = 0
    """Of the choice of scenes to hold out, and of training."""
    threads: int | None = None
    """Scoring threads; None: one per core."""
    allow_worse: bool = False
    """Write the model even if it is worse on the held-out scenes."""
    overwrite: bool = False
    """Replace a model in `out`."""

    def __post_init__(self) -> None:
        """UsageError for a number of steps out of range."""
        if not 1 <= self.steps <= 10_000:
            raise UsageError(f"steps {self.steps} must be 1 to 10000")


@dataclass(frozen=True, slots=True)
class Adaptation:
    """The result of `adapt`."""

    folder: Path | None
    """The model folder; None if the model was worse and was not written."""
    card: ModelCard
    rows: tuple[AdaptRow, ...]
    """Figures before and after, on the held-out scenes."""
    learned: tuple[str, ...]
    """Names of the scenes that it was trained on."""
    held_out: tuple[str, ...]
    """Names of the scenes that it was measured on."""
    worse: str
    """What got worse, in words; empty if nothing did."""


def adapt(
    scenes: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    options: AdaptOptions | None = None,
    *,
    progress: Progress = no_progress,
) -> Adaptation:
    """Train a model further on a user's scenes, measure it on held-out scenes, and write it unless it is worse.

    Args:
        scenes: paths or URLs, of any bands, sensor and resolution that geocloud reads.
        out: the model folder. An interrupted run continues from its checkpoint there.
        options: what is known about the scenes; None: the defaults.
        progress: called as work goes on; may raise Cancelled.

    Raises:
        UsageError: there are too few scenes, or the options do not fit them.
        InputError: a scene, list, mask or vector file cannot be read.
        ModelError: the model is not of kind unmix.
        OutputError: the folder holds a model already, or cannot be written.
    """
    from geocloud.models.network_scorer import WEIGHTS_FILE
    from geocloud.training import before_after
    from geocloud.training.adapt import write_adapted
    from geocloud.training.options import OLDER, TRAINING, UNDER_WAY
    from geocloud.training.own_scenes import Truth, read_tiles, scene_names, split, taken_for_clear

    options, folder = options or AdaptOptions(), Path(out)
    network, card = _start(options.model)
    files = [folder / name for name in (CARD_FILE, WEIGHTS_FILE, *(OLDER if options.overwrite else ()))]
    check_outputs(files, _inputs(scenes, options), overwrite=options.overwrite)
    truth = Truth.of(options.clear, options.cloudy, options.masks, options.polygons)
    truth.check([scene_name(os.fspath(scene)) for scene in scenes])
    scorer = _scorer(network, card)
    tiles: list[Tile] = []
    for number, scene in enumerate(scenes, start=1):
        tiles += read_tiles(scene, options.scene, scorer, truth)
        progress(number, len(scenes), "reading")
    labelled = any(tile.known.any() for tile in tiles)
    if not labelled:
        tiles = [taken_for_clear(tile, scorer, options.threads) for tile in tiles]
    learn, held = split(tiles, options.seed)
    before = before_after.measure_tiles(held, scorer, options.threads, _stage(progress, "measuring before"))
    with staged(TRAINING, alone=True) as staging:
        staging.path(folder / CARD_FILE)
        if labelled:
            learn_before = before_after.measure_tiles(
                learn, scorer, options.threads, _stage(progress, "measuring before")
            )
            network = _trained(network, card, learn, options, folder, progress)
            calibration = before_after.with_recall(learn_before, learn, _scorer(network, card), options.threads)
        else:
            calibration = before_after.by_simulation(learn, scorer, options.threads)
        card = replace(card, calibration=calibration)
        after = before_after.measure_tiles(
            held, _scorer(network, card), options.threads, _stage(progress, "measuring after")
        )
        thresholds = float(scorer.card.calibration.score_threshold), float(calibration.score_threshold)
        rows, worse = before_after.compare(before, after, thresholds)
        card = _described(card, learn, rows, options, labelled=labelled)
        if worse and not options.allow_worse:
            return Adaptation(None, card, rows, scene_names(learn), scene_names(held), worse)
        named = replace(card, name=name_of_folder(folder))
        card = write_adapted(network, named, folder, staging, overwrite=options.overwrite)
        if labelled or options.overwrite:
            shutil.rmtree(folder / UNDER_WAY, ignore_errors=True)
    return Adaptation(folder, card, rows, scene_names(learn), scene_names(held), worse)


def _inputs(scenes: Sequence[str | os.PathLike[str]], options: AdaptOptions) -> Iterator[str]:
    """The files that `adapt` reads."""
    yield from model_files(options.model)
    for path in (*scenes, options.clear, options.cloudy, options.masks, options.polygons):
        yield from () if path is None else local_files(os.fspath(path))


def _start(model: str | os.PathLike[str]) -> tuple[UnmixNet, ModelCard]:
    """Network and card of the model to start from; ModelError unless it is of kind unmix."""
    from geocloud.models.network_scorer import load_network
    from geocloud.models.networks.unmix import UnmixNet

    folder = model_folder(model)
    card = read_card(folder)
    network = load_network(folder, card) if card.kind == "unmix" else None
    if not isinstance(network, UnmixNet):
        raise ModelError(
            f"model {card.name} is of kind {card.kind}; only models of kind unmix can be adapted, such as default"
        )
    return network.eval(), card


def _scorer(network: UnmixNet, card: ModelCard) -> Scorer:
    """The scorer, in fp32 on the CPU, so that figures are the same on every machine except for rounding."""
    import torch

    from geocloud.models.network_scorer import make_scorer

    return make_scorer(network, card, torch.device("cpu"), bf16=False)


def _trained(
    network: UnmixNet, card: ModelCard, learn: Sequence[Tile], options: AdaptOptions, folder: Path, progress: Progress
) -> UnmixNet:
    """The network after training; its checkpoints are kept in `folder` until the model is written."""
    from geocloud.training.adapt import FitOptions, adapted, training_tile
    from geocloud.training.options import UNDER_WAY

    fit = FitOptions(steps=options.steps, seed=options.seed)
    threshold = float(card.calibration.score_threshold)
    tiles, report = [training_tile(tile) for tile in learn], _stage(progress, "training")
    return adapted(network, tiles, threshold, fit, folder / UNDER_WAY, report, anew=options.overwrite)


def _described(
    card: ModelCard, learn: Sequence[Tile], rows: Sequence[AdaptRow], options: AdaptOptions, *, labelled: bool
) -> ModelCard:
    """The card, with the training record and the figures on the held-out scenes."""
    from geocloud.training.own_scenes import describe_tiles, scene_names

    labels = any((tile.truth[tile.known] == 1).any() for tile in learn)
    record = TrainingRecord(
        "S" if labelled and labels else card.training.supervision,
        (*card.training.data, describe_tiles(learn, labelled=labelled)),
        f"{card.training.recipe}; then geocloud adapt of {len(scene_names(learn))} scenes from {card.name}",
        options.seed,
        card.training.steps + (options.steps if labelled else 0),
    )
    figures = {
        f"held-out scenes, {when}": {row.figure: round(float(getattr(row, when)), 4) for row in rows}
        for when in ("before", "after")
    }
    return replace(
        card, training=record, metrics=figures, bf16_agreement=None if labelled else card.bf16_agreement,
        description=f"{card.description} Adapted to the user's scenes: elsewhere use the model that it comes from.",
    )  # fmt: skip


def _stage(progress: Progress, stage: str) -> Callable[[int, int], None]:
    """A callback (done, total) that reports the progress of one stage."""
    return lambda done, total: progress(done, total, stage)
