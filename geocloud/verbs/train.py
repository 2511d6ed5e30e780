"""`train`: a model folder from pictures or scenes of one class."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from geocloud.errors import OutputError
from geocloud.models.kinds import KINDS, load_code
from geocloud.progress import Progress, no_progress
from geocloud.scorers.card import CARD_FILE, ModelCard, write_card
from geocloud.training.options import EpochReport, Listener, TrainOptions, no_report

if TYPE_CHECKING:
    from geocloud.training.options import Trained


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

    The card comes last: a folder with a card is complete.

    Args:
        data: folder or zip of pictures, a scene, or a folder of scenes.
        out: the model folder; made where it is not there.
        options: what to train and how; defaults where None.
        progress: called after each step; may raise Cancelled.
        on_epoch: called after each epoch with its number, from 1, and its mean loss.

    Raises:
        OutputError: the folder holds a model already, or cannot be written.
        InputError: the data cannot be read. UsageError: options that do not fit them. ModelError: nothing to resume.
    """
    from geocloud.models.loading import save_weights

    options, folder = options or TrainOptions(), Path(out)
    _prepare(folder, options)
    train_kind = load_code(KINDS[options.kind].trainer)
    trained: Trained = train_kind(Path(data), folder, options, Listener(progress, on_epoch))
    (folder / CARD_FILE).unlink(missing_ok=True)
    card = replace(trained.card, sha256=save_weights(trained.network, folder, trained.dtype))
    _write_record(folder, card, trained)
    write_card(card, folder)
    return TrainResult(folder, card, trained.losses)


def _prepare(folder: Path, options: TrainOptions) -> None:
    """Make the folder; a model in it is never replaced unasked."""
    if (folder / CARD_FILE).exists() and not (options.overwrite or options.resume):
        raise OutputError(f"{folder} already holds a model; give another --out, or --resume or --overwrite")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror}); give another --out") from error


def _write_record(folder: Path, card: ModelCard, trained: Trained) -> None:
    """The log and the two pictures."""
    from geocloud.writers.plots import plot_errors, plot_loss, plot_scores

    if not KINDS[card.kind].by_recipe:  # which writes its log as it goes
        with (folder / "log.csv").open("w", newline="", encoding="utf-8") as file:
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
