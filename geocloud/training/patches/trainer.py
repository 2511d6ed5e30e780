"""Trains the kinds that learn from patches in memory: read patches, split them by file, fit, choose a threshold."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from pkgutil import resolve_name

import numpy as np
import torch

from geocloud.calibration import Calibration
from geocloud.datasets.folder import DataFile
from geocloud.datasets.labelled import Choice, LabelledData, open_labelled
from geocloud.datasets.labels import Tag
from geocloud.datasets.split import is_held_out
from geocloud.errors import InputError
from geocloud.metrics.histogram import add_up
from geocloud.models.kinds import KINDS
from geocloud.models.network_scorer import build_network, choose_device
from geocloud.scorers.card import ModelCard, Supervision, TrainingRecord
from geocloud.training.bf16 import MIN_SCORES, bf16_agreement
from geocloud.training.options import Listener, Trained, TrainOptions
from geocloud.training.patches.data import (
    TAG_NUMBERS,
    LabelTags,
    Patches,
    PatchRequest,
    by_bands,
    cut_patches,
    join_patches,
    take,
)
from geocloud.training.patches.loop import EpochOptions
from geocloud.training.threshold import held_out_scores, threshold_by_rule


def train_on_patches(data: Path, folder: Path, options: TrainOptions, listener: Listener) -> Trained:
    """Train on the patches that are not held out, and choose the threshold on those that are.

    Raises:
        InputError: the data cannot be read, or have no patch of a tag.
        UsageError: the named subfolders do not exist.
        ModelError: there is nothing to resume, or the network cannot be built or fitted.
    """
    kind = KINDS[options.kind]
    tags: tuple[Tag, ...] = ("clear", "cloudy") if kind.both else (options.normal,)
    splits = [split_patches(read_patches(data, tag, options, listener), options) for tag in tags]
    seen, unseen = (join_patches([split[i] for split in splits]) for i in range(2))
    torch.manual_seed(options.seed)
    network = build_network(options.kind, seen.data.shape[1], architecture_of(options))
    loop = epoch_options(data, folder, options)
    losses: list[float] = resolve_name(kind.fitter)(network, seen, loop, listener)
    network.eval()
    card = ModelCard(
        name=options.name,
        kind=options.kind,
        bands=options.bands,
        optional_bands=options.optional_bands,
        architecture=architecture_of(options),
        level=kind.level,
        block=kind.block,
        halo=kind.halo,
        calibration=Calibration(0.0),
        training=_record(data, options, len(losses) * -(-len(seen) // options.batch_size)),
        description=_describe(options),
    )
    scenes = held_out_scores(network, card, unseen, loop.device)
    card = replace(card, calibration=threshold_by_rule(scenes, options, f"{len(scenes)} held-out files of {data.name}"))
    card = replace(card, bf16_agreement=_compare(network, card, data, options, listener))
    return Trained(network, card, tuple(losses), add_up(scenes))


def architecture_of(options: TrainOptions) -> dict[str, object]:
    """The arguments of the network that the options set, as JSON values."""
    values: dict[str, object] = {
        "widths": list(options.widths),
        "latent": options.latent,
        "output": options.output,
        "components": options.components,
        "on": options.on,
    }
    return {name: values[name] for name in KINDS[options.kind].arguments if values[name]}


def _compare(
    network: torch.nn.Module, card: ModelCard, data: Path, options: TrainOptions, listener: Listener
) -> float | None:
    """Agreement of bfloat16 with fp32 on patches of any tag, 0..1; None if patches of other tags cannot be read."""
    try:
        patches = read_patches(data, None, replace(options, max_patches=MIN_SCORES), listener)
    except InputError:
        return None
    return bf16_agreement(network, card, by_bands(patches, card.bands + card.optional_bands))


def read_patches(data: Path, tag: Tag | None, options: TrainOptions, listener: Listener) -> Patches:
    """The patches of one tag, by labels if there are any, else by the names of subfolders; None: of any tag."""
    kind = KINDS[options.kind]
    limit = options.max_patches // (2 if kind.both and tag else 1)
    request = PatchRequest(
        options.bands, options.optional_bands, options.fit or kind.fit, max(1, limit), options.seed, options.scene
    )
    choice = Choice(labels=options.labels, folders=options.folders, cloudy=options.cloudy, without=options.without)
    with open_labelled(data, choice) as opened:
        files = opened.files
        if opened.labels is not None:
            request = replace(request, labels=LabelTags(dict(opened.labels), options.codes, tag))
        elif tag and (kind.both or not options.folders):
            files = _of_tag(opened, tag, both=kind.both)
        patches = cut_patches(opened.source, files, request, listener.progress)
    return replace(patches, tags=np.full(len(patches), TAG_NUMBERS[tag] if kind.both and tag else 0))


def _of_tag(opened: LabelledData, tag: Tag, *, both: bool) -> tuple[DataFile, ...]:
    """The files of a tag, by the names of their subfolders; InputError if there is none.

    For a kind that takes one tag, all files, if the names of the subfolders separate none.
    """
    source, cloudy = opened.source, opened.cloudy
    if not both and (not cloudy or set(cloudy) == set(source.classes)):
        return opened.files
    files = tuple(file for file in opened.files if (file.tag in cloudy) == (tag == "cloudy"))
    if not files:
        names = ", ".join(filter(None, source.classes)) or "none"
        raise InputError(
            f"{source.path} holds nothing tagged {tag} among its subfolders ({names}); name those of cloud with "
            "--cloudy, or give --labels"
        )
    return files


def split_patches(patches: Patches, options: TrainOptions) -> tuple[Patches, Patches]:
    """Patches to train on and held-out patches, split by file; with too few files, the last patches are held out."""
    held = np.array([is_held_out(name, options.held_out, options.seed) for name in patches.files])
    if held.all() or not held.any():
        held = np.arange(len(patches)) >= len(patches) * (1 - options.held_out)
        held[-1], held[0] = True, len(patches) == 1
    unseen = patches if held.all() else take(patches, held)
    return (patches if held.all() else take(patches, ~held)), unseen


def epoch_options(data: Path, folder: Path, options: TrainOptions) -> EpochOptions:
    """Options of the training loop. A resumed run must have the same options, except those that may change."""
    may_change = ("epochs", "resume", "overwrite", "device", "name", "licence", "rule", "quantile")
    fixed = {name: value for name, value in asdict(options).items() if name not in may_change}
    identity = f"data={data.name} " + " ".join(f"{name}={value}" for name, value in fixed.items())
    device = choose_device(options.device)
    return EpochOptions(
        options.epochs, options.batch_size, options.lr, options.seed, device, folder, identity, options.resume
    )


def _describe(options: TrainOptions) -> str:
    """What the model is, in one sentence."""
    kind = KINDS[options.kind]
    side = "above" if options.normal == "clear" else "below"
    return f"{kind.text.format(normal=options.normal)}; {side} the threshold is cloud."


def _record(data: Path, options: TrainOptions, steps: int) -> TrainingRecord:
    """Record of the training for the card: data, command, seed and steps."""
    kind = KINDS[options.kind]
    tag = "clear and cloudy" if kind.both else options.normal
    classes = ", ".join(options.folders) or "all"
    lines = [f"{data.name} (classes {classes}, as {tag}; licence: {options.licence or 'not given'})"]
    if options.kind == "features":
        from geocloud.models.pretrained import backbone_card

        lines += [f"features: {line}" for line in backbone_card().training.data]
    recipe = (
        f"geocloud train {data.name} --kind {options.kind}"
        + ("" if kind.both else f" --normal {options.normal}")
        + "".join(f" --folders {name}" for name in options.folders)
        + "".join(f" --cloudy {name}" for name in options.cloudy)
        + f" --epochs {options.epochs} --batch-size {options.batch_size} --lr {options.lr:g}"
        + f" --held-out {options.held_out:g} --seed {options.seed}"
    )
    supervision: Supervision = "T1" if options.normal == "clear" and not kind.both else "W"
    return TrainingRecord(supervision, tuple(lines), recipe, options.seed, steps)
