"""`train`: make a model folder from pictures or scenes."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from geocloud.errors import OutputError, UsageError
from geocloud.models.kinds import KINDS
from geocloud.pipeline.places import model_files
from geocloud.progress import Progress, no_progress
from geocloud.readers.dispatch import local_files
from geocloud.scorers.card import CARD_FILE, ModelCard, name_of_folder, write_card
from geocloud.training.options import (
    CHECKPOINT_FILE,
    LOG_FILE,
    OLDER,
    PICTURES,
    RECIPE_FILE,
    TRAINING,
    UNDER_WAY,
    EpochReport,
    Listener,
    TrainOptions,
    no_report,
)
from geocloud.writers.staging import check_outputs, staged, write_errors

if TYPE_CHECKING:
    from geocloud.training.options import Trained


WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, slots=True)
class TrainResult:
    """The model that `train` made."""

    folder: Path
    """The model folder."""
    card: ModelCard
    losses: tuple[float, ...]
    """Mean loss of each epoch."""


def train(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: TrainOptions | None = None,
    *,
    progress: Progress = no_progress,
    on_epoch: EpochReport = no_report,
) -> TrainResult:
    """Train a model and write weights, card, `log.csv`, `loss.png` and `errors.png` into its folder.

    They appear together, the card last, so a folder with a card is complete. With `overwrite`, the earlier model stays
    until then.

    Args:
        data: folder or zip of pictures, a scene, or a folder of scenes.
        out: the model folder; it is made if it does not exist.
        options: what to train and how; None: the defaults.
        progress: called after each step; may raise Cancelled.
        on_epoch: called after each epoch with its number, from 1, and its mean loss.

    Raises:
        OutputError: the folder holds a model already, or cannot be written.
        UsageError: a file that would be written exists without `overwrite`, or is one of the data or of another model;
            or options do not fit the data.
        InputError: the data cannot be read.
        ModelError: there is no training to resume, or the model to start from does not fit.
    """
    from geocloud.models.network_scorer import save_weights

    options, folder = options or TrainOptions(), Path(out)
    options = replace(options, name=options.name or name_of_folder(folder))
    _check_folder(folder, Path(data), options)
    with staged(TRAINING, alone=True) as staging:
        stage = staging.path(folder / CARD_FILE).parent
        train_kind = resolve_name(KINDS[options.kind].trainer)
        under_way = UnderWay(folder, resume=options.resume)
        trained: Trained = train_kind(Path(data), under_way.folder, options, Listener(progress, on_epoch))
        with write_errors(folder):
            under_way.hand_over(stage)
            card = replace(trained.card, sha256=save_weights(trained.network, stage, trained.dtype))
            _write_record(stage, card, trained)
            write_card(card, stage)
        files = {name: staging.path(folder / name) for name in (WEIGHTS, *OLDER)}
        older = [folder / name for name, path in files.items() if not path.exists()]
        may_replace = options.overwrite or options.resume
        staging.commit(
            last=folder / CARD_FILE, retired=(lambda: older) if may_replace else tuple, overwrite=may_replace
        )
        shutil.rmtree(under_way.folder, ignore_errors=True)
    return TrainResult(folder, card, trained.losses)


class UnderWay:
    """The files of a training in progress, in a folder of their own, so that the model folder stays as it is.

    They are checkpoint, recipe and log. A finished training hands them over to the model folder.
    """

    def __init__(self, model: Path, *, resume: bool) -> None:
        """Prepare; with `resume`, and unless a training was interrupted, continue from the files of the model.

        Args:
            model: the model folder.
            resume: whether to continue an earlier training.
        """
        self.folder, self._resumed = model / UNDER_WAY, resume
        if resume and not self.folder.exists() and (model / CHECKPOINT_FILE).is_file():
            with write_errors(self.folder):
                self._copy_from(model)
        self._before = self._times()

    def _copy_from(self, model: Path) -> None:
        """Copy the files of a finished training; all of them appear at once, since only together they are one."""
        new = self.folder.with_name(f".{UNDER_WAY}.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        for name in (CHECKPOINT_FILE, RECIPE_FILE, LOG_FILE):
            if (model / name).is_file():
                shutil.copyfile(model / name, new / name)
        new.rename(self.folder)

    def _times(self) -> dict[str, int]:
        """Name of each file -> time of its last change, in nanoseconds."""
        paths = [self.folder / name for name in (CHECKPOINT_FILE, RECIPE_FILE, LOG_FILE)]
        return {path.name: path.stat().st_mtime_ns for path in paths if path.is_file()}

    def hand_over(self, target: Path) -> None:
        """Copy the files that this run wrote or continued from to `target`; not what an unrelated earlier run left."""
        for name, time in self._times().items():
            if self._resumed or self._before.get(name) != time:
                shutil.copyfile(self.folder / name, target / name)


def _check_folder(folder: Path, data: Path, options: TrainOptions) -> None:
    """Refuse to replace a model unasked, or a file of the data or of another model.

    Raises:
        OutputError: the folder holds a model. UsageError: see `train`.
    """
    may_replace = options.overwrite or options.resume
    if (folder / CARD_FILE).exists() and not may_replace:
        raise OutputError(f"{folder} already holds a model; give another --out, or --resume or --overwrite")
    files = [folder / name for name in (CARD_FILE, WEIGHTS, LOG_FILE, CHECKPOINT_FILE, *PICTURES)]
    if not may_replace:
        files += [folder / RECIPE_FILE, *(folder / UNDER_WAY / name for name in (CHECKPOINT_FILE, RECIPE_FILE))]
    check_outputs(files, _inputs(data, options), overwrite=may_replace)
    if (folder / UNDER_WAY).is_symlink():
        raise UsageError(f"{folder / UNDER_WAY} is a link, but must be a folder; move it, or choose another --out")


def _inputs(data: Path, options: TrainOptions) -> Iterator[str]:
    """The files that a training reads."""
    for path in (data, options.labels):
        yield from () if path is None else local_files(os.fspath(path))
    if options.start is not None:
        yield from model_files(options.start)
    if options.recipe is not None:
        yield os.fspath(options.recipe)


def _write_record(folder: Path, card: ModelCard, trained: Trained) -> None:
    """Write the log and the two plots into a folder."""
    from geocloud.writers.plots import plot_errors, plot_loss, plot_scores

    if not KINDS[card.kind].by_recipe:  # a training by recipe writes its log as it goes
        with (folder / LOG_FILE).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["epoch", "loss"])
            writer.writerows((epoch, f"{loss:.8g}") for epoch, loss in enumerate(trained.losses, start=1))
    if trained.losses:
        plot_loss(trained.losses, folder / "loss.png")
    errors, threshold = trained.errors, card.calibration.threshold
    if errors is not None and errors.sizes[1]:
        plot_scores(errors, threshold, 1.0, folder / "errors.png", f"{card.name}: held-out patches")
    elif errors is not None:
        plot_errors(errors, threshold, folder / "errors.png", f"{card.name}: held-out normal data")
