"""Trains the plain autoencoders, `dense` and `conv`, on patches of one class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from geocloud.calibration import PAPER_THRESHOLD, Calibration, CloudSide, ThresholdRule, logistic_curve
from geocloud.histogram import EXACT_BITS, PIXEL_BITS, ScoreHistogram, add_up, histogram
from geocloud.models.card import ModelCard, TrainingRecord
from geocloud.models.networks import build_network
from geocloud.models.networks.conv import HALO
from geocloud.models.scorer import NetworkScorer, choose_device
from geocloud.readers.pictures import DataSet
from geocloud.rules import false_alarms, fit_spread, quantile_cut
from geocloud.scorers.contract import Level
from geocloud.scorers.patches import score_patches
from geocloud.training.data import Fit, Patches, PatchRequest, cut_patches
from geocloud.training.loop import LoopOptions, fit, mean_squared_error
from geocloud.training.options import Listener, TrainOptions, TrainRule
from geocloud.training.split import is_held_out


@dataclass(frozen=True, slots=True)
class KindSettings:
    """What differs between the kinds."""

    level: Level
    block: int
    halo: int
    fit: Fit
    rule: TrainRule


SETTINGS = {
    "dense": KindSettings("patch", 1, 0, "resize", "paper"),
    "conv": KindSettings("pixel", 8, HALO, "cut", "quantile"),
}
_NOTHING_YET = Calibration(0.0)


@dataclass(frozen=True, slots=True)
class Trained:
    """A network after training, and what the verb needs to write its folder."""

    network: torch.nn.Module
    card: ModelCard
    """Without the weights' hash."""
    losses: tuple[float, ...]
    """Mean loss of each epoch."""
    errors: ScoreHistogram
    """Raw scores of held-out normal data, all counted under `clear`."""


def train_autoencoder(data: Path, folder: Path, options: TrainOptions, listener: Listener) -> Trained:
    """Train on the normal patches that are not held out; choose the threshold on those that are.

    Raises:
        InputError: the data cannot be read. UsageError: the classes are not there. ModelError: nothing to resume.
    """
    settings = SETTINGS[options.kind]
    patches = read_patches(data, options, listener)
    seen, unseen = split_patches(patches, options)
    architecture = _architecture(options)
    torch.manual_seed(options.seed)
    network = build_network(options.kind, patches.data.shape[1], architecture)
    loop = LoopOptions(
        options.epochs,
        options.batch_size,
        options.lr,
        options.seed,
        choose_device(options.device),
        folder,
        _run(data, options),
        options.resume,
    )
    losses = fit(network, seen, mean_squared_error, loop, listener)
    card = ModelCard(
        name=options.name or folder.resolve().name,
        kind=options.kind,
        bands=options.bands,
        optional_bands=options.optional_bands,
        architecture=architecture,
        level=settings.level,
        block=settings.block,
        halo=settings.halo,
        calibration=_NOTHING_YET,
        training=_record(data, options, len(losses) * -(-len(seen) // options.batch_size)),
        description=f"Autoencoder of {options.normal} patches; a reconstruction error above the threshold is "
        + ("cloud." if options.normal == "clear" else "clear sky."),
    )
    scenes = _held_out_errors(network, card, unseen, loop.device)
    calibration = _calibrate(scenes, options, f"{len(scenes)} held-out files of {data.name}")
    return Trained(network, replace(card, calibration=calibration), tuple(losses), add_up(scenes))


def read_patches(data: Path, options: TrainOptions, listener: Listener) -> Patches:
    """The patches of the chosen classes, as the kind wants them."""
    request = PatchRequest(
        options.bands,
        options.optional_bands,
        options.fit or SETTINGS[options.kind].fit,
        options.max_patches,
        options.seed,
        options.scene,
    )
    with DataSet(data, options.classes) as source:
        return cut_patches(source, source.files, request, listener.progress)


def split_patches(patches: Patches, options: TrainOptions) -> tuple[Patches, Patches]:
    """Patches to train on and held-out ones, by file; of too few files the last patches are held out."""
    held = np.array([is_held_out(name, options.held_out, options.seed) for name in patches.files])
    if held.all() or not held.any():
        held = np.arange(len(patches)) >= len(patches) * (1 - options.held_out)
        held[-1], held[0] = True, len(patches) == 1
    unseen = patches if held.all() else _take(patches, held)
    return (patches if held.all() else _take(patches, ~held)), unseen


def _take(patches: Patches, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> Patches:
    """The chosen ones."""
    files = tuple(name for name, yes in zip(patches.files, chosen, strict=True) if yes)
    return Patches(patches.data[chosen], patches.present[chosen], files)


def _architecture(options: TrainOptions) -> dict[str, Any]:
    """The network's arguments that were given."""
    given: Mapping[str, Any] = {
        "widths": list(options.widths),
        "latent": options.latent,
        "output": options.output,
    }
    return {name: value for name, value in given.items() if value}


def _run(data: Path, options: TrainOptions) -> str:
    """Options and data that a resumed run must share; how long it runs and how it is read may differ."""
    free = ("epochs", "resume", "overwrite", "device", "name", "licence", "rule", "quantile")
    kept = {name: value for name, value in asdict(options).items() if name not in free}
    return f"data={data.name} " + " ".join(f"{name}={value}" for name, value in kept.items())


def _record(data: Path, options: TrainOptions, steps: int) -> TrainingRecord:
    """What the network saw."""
    classes = ", ".join(options.classes) or "all"
    line = f"{data.name} (classes {classes}, as {options.normal}; licence: {options.licence or 'not given'})"
    recipe = (
        f"geocloud train {data.name} --kind {options.kind} --normal {options.normal}"
        + "".join(f" --classes {name}" for name in options.classes)
        + f" --epochs {options.epochs} --batch-size {options.batch_size} --lr {options.lr:g}"
        + f" --held-out {options.held_out:g} --seed {options.seed}"
    )
    return TrainingRecord("T1" if options.normal == "clear" else "W", (line,), recipe, options.seed, steps)


def _held_out_errors(
    network: torch.nn.Module, card: ModelCard, unseen: Patches, device: torch.device
) -> list[ScoreHistogram]:
    """Histogram of raw scores of each held-out file."""
    scorer = NetworkScorer(network, card, device)
    bits = EXACT_BITS if card.level == "patch" else PIXEL_BITS
    scenes = []
    for name in dict.fromkeys(unseen.files):
        mine = np.array([file == name for file in unseen.files])
        there = tuple(b for b, yes in zip(scorer.channels, unseen.present[mine][0], strict=True) if yes)
        index = [scorer.channels.index(band) for band in there]
        raw = score_patches(scorer, unseen.data[mine][:, index], there)
        scenes.append(histogram(raw, np.zeros(raw.shape, dtype=bool), bits))
    return scenes


def _calibrate(scenes: list[ScoreHistogram], options: TrainOptions, data: str) -> Calibration:
    """Threshold and curve from the errors of normal data: they should stay below it, whatever normal is."""
    cloud_is: CloudSide = "high" if options.normal == "clear" else "low"
    quantile = quantile_cut(scenes, options.quantile, "clear")
    if (options.rule or SETTINGS[options.kind].rule) == "paper":
        rule, threshold = ThresholdRule("paper", None, data), PAPER_THRESHOLD
    else:
        rule, threshold = ThresholdRule("quantile", options.quantile, data), quantile
    above = false_alarms(scenes, threshold, "clear")
    rule = replace(rule, figure=f"{100 * above:.2f} % of held-out {options.normal} data at or above")
    curve = logistic_curve(threshold, fit_spread(scenes, threshold), cloud_is)
    others = (("quantile", quantile),) if rule.name == "paper" else ()
    return Calibration(threshold, cloud_is, rule, curve, "mean squared error", others)
