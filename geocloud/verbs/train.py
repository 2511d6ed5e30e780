"""`train`: a model folder from pictures or scenes of one class."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from geocloud.errors import OutputError
from geocloud.models.kinds import KINDS
from geocloud.pipeline.places import model_files
from geocloud.progress import Progress, no_progress
from geocloud.readers.dispatch import local_files
from geocloud.scorers.card import CARD_FILE, ModelCard, write_card
from geocloud.training.options import EpochReport, Listener, TrainOptions, no_report
from geocloud.writers.staging import check_outputs, staged, write_errors

if TYPE_CHECKING:
    from geocloud.training.options import Trained


WEIGHTS, LOG, PICTURES = "weights.safetensors", "log.csv", ("loss.png", "errors.png")
UNDER_WAY = ("checkpoint.safetensors", "recipe.toml")
"""Written while a model is trained, so that a run that is stopped can go on."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What `train` made."""

    folder: Path
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

    They appear together, the card last: a folder with a card is complete, and with `overwrite` holds the earlier model
    until then.

    Args:
        data: folder or zip of pictures, a scene, or a folder of scenes.
        out: the model folder; made where it is not there.
        options: what to train and how; defaults where None.
        progress: called after each step; may raise Cancelled.
        on_epoch: called after each epoch with its number, from 1, and its mean loss.

    Raises:
        OutputError: the folder holds a model already, or cannot be written.
        UsageError: a file that would be written exists without `overwrite`, or is one of the data or of another model.
        InputError: the data cannot be read. UsageError: options that do not fit them. ModelError: nothing to resume.
    """
    from geocloud.models.network_scorer import save_weights

    options, folder = options or TrainOptions(), Path(out)
    _check_folder(folder, Path(data), options)
    with staged(folder.resolve().name) as staging:
        place = staging.path(folder / CARD_FILE).parent
        train_kind = resolve_name(KINDS[options.kind].trainer)
        trained: Trained = train_kind(Path(data), folder, options, Listener(progress, on_epoch))
        with write_errors(folder):
            card = replace(trained.card, sha256=save_weights(trained.network, place, trained.dtype))
            _write_record(place, card, trained)
            write_card(card, place)
        written = [name for name in (WEIGHTS, LOG, *PICTURES) if staging.path(folder / name).exists()]
        older = [folder / name for name in PICTURES if name not in written]
        staging.commit(last=folder / CARD_FILE, retired=older)
    return TrainResult(folder, card, trained.losses)


def _check_folder(folder: Path, data: Path, options: TrainOptions) -> None:
    """No file of the folder is one of the data or of another model; what is there is never replaced unasked."""
    anew = options.overwrite or options.resume
    if (folder / CARD_FILE).exists() and not anew:
        raise OutputError(f"{folder} already holds a model; give another --out, or --resume or --overwrite")
    files = [folder / name for name in (CARD_FILE, WEIGHTS, LOG, *PICTURES, *(() if anew else UNDER_WAY))]
    check_outputs(files, _inputs(data, options), overwrite=anew)


def _inputs(data: Path, options: TrainOptions) -> Iterator[str]:
    """The files that a training reads."""
    for path in (data, options.labels):
        yield from () if path is None else local_files(os.fspath(path))
    if options.start is not None:
        yield from model_files(options.start)
    if options.recipe is not None:
        yield os.fspath(options.recipe)


def _write_record(folder: Path, card: ModelCard, trained: Trained) -> None:
    """The log and the two pictures, into a folder."""
    from geocloud.writers.plots import plot_errors, plot_loss, plot_scores

    if not KINDS[card.kind].by_recipe:  # which writes its log as it goes
        with (folder / LOG).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["epoch", "loss"])
            writer.writerows((epoch, f"{loss:.8g}") for epoch, loss in enumerate(trained.losses, start=1))
    if trained.losses:
        plot_loss(trained.losses, folder / "loss.png")
    errors, cut = trained.errors, card.calibration.threshold
    if errors is not None and errors.sizes[1]:
        plot_scores(errors, cut, 1.0, folder / "errors.png", f"{card.name}: held-out patches")
    elif errors is not None:
        plot_errors(errors, cut, folder / "errors.png", f"{card.name}: held-out normal data")
