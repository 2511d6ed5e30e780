"""Trains the classifier whose features the kind `features` uses: subfolders are classes, and none need be cloud."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Tensor, nn

from geocloud.calibration import Calibration
from geocloud.datasets.folder import DataSet
from geocloud.errors import UsageError
from geocloud.models.networks.alternatives.backbone import Backbone
from geocloud.scorers.card import ModelCard, TrainingRecord
from geocloud.training.options import Listener, Trained, TrainOptions
from geocloud.training.patches.data import Patches, PatchRequest, cut_patches
from geocloud.training.patches.loop import EpochOptions, TaggedPatches, fit
from geocloud.training.patches.trainer import epoch_options, split_patches

LEAST_GAIN, LARGEST_GAIN = 0.2, 1.2
"""Range of random gains of pictures, because pictures are stretched and scenes are not."""
TINT = 0.05
"""Standard deviation of the log gain of a band."""


def train_backbone(data: Path, folder: Path, options: TrainOptions, listener: Listener) -> Trained:
    """Train a classifier of the subfolders; the card has its accuracy on held-out pictures.

    Raises:
        InputError: the data cannot be read.
        UsageError: there are fewer than two subfolders.
    """
    patches, classes = read_classes(data, options, listener)
    seen, unseen = split_patches(patches, options)
    torch.manual_seed(options.seed)
    architecture: dict[str, Any] = {"classes": len(classes)}
    if options.widths:
        architecture["widths"] = list(options.widths)
    network = Backbone(seen.data.shape[1], **architecture)
    loop = epoch_options(data, folder, options)
    losses = fit(network, seen, classification_loss, loop, listener)
    share = accuracy(network, unseen, loop)
    licence = options.licence or "not given"
    record = TrainingRecord(
        "T0",
        (f"{data.name} ({len(patches)} pictures of {', '.join(classes)}; licence: {licence})",),
        f"geocloud train {data.name} --kind backbone --epochs {options.epochs} --batch-size {options.batch_size} "
        f"--lr {options.lr:g} --held-out {options.held_out:g} --seed {options.seed}",
        options.seed,
        len(losses) * -(-len(seen) // options.batch_size),
    )
    card = ModelCard(
        name=options.name,
        kind="backbone",
        bands=options.bands,
        architecture=architecture,
        calibration=Calibration(0.0),
        training=record,
        metrics={"held-out pictures": {"number": len(unseen), "accuracy": round(share, 4)}},
        description="Classifier of land cover, for its features; it does not score cloud.",
    )
    return Trained(network, card, tuple(losses), dtype=torch.float16)


def read_classes(data: Path, options: TrainOptions, listener: Listener) -> tuple[Patches, tuple[str, ...]]:
    """All pictures, tagged with the numbers of their classes, and the names of the classes.

    Raises:
        InputError: the data cannot be read.
        UsageError: there are fewer than two subfolders.
    """
    request = PatchRequest(options.bands, (), "resize", options.max_patches, options.seed, options.scene)
    with DataSet(data, options.folders) as source:
        classes = source.classes
        if len(classes) < 2:
            raise UsageError(f"a classifier needs two subfolders or more, {data} has {', '.join(classes) or 'none'}")
        tags = {file.name: classes.index(file.tag) for file in source.files}
        patches = cut_patches(source, source.files, request, listener.progress)
    return replace(patches, tags=np.array([tags[name] for name in patches.files])), classes


def classification_loss(network: nn.Module, batch: TaggedPatches) -> Tensor:
    """() cross entropy. The whole batch is rotated and flipped at random; each picture has its own gain and tint."""
    n, bands = batch.x.shape[:2]
    gain = torch.empty(n, 1, 1, 1).uniform_(LEAST_GAIN, LARGEST_GAIN) * (TINT * torch.randn(n, bands, 1, 1)).exp()
    rotated = torch.rot90(batch.x * gain.to(batch.x), int(torch.randint(0, 4, ())), (2, 3))
    logits = network(rotated.flip(-1) if torch.rand(()) < 0.5 else rotated)
    return F.cross_entropy(logits, batch.tag, label_smoothing=0.05)


@torch.no_grad()
def accuracy(network: nn.Module, patches: Patches, options: EpochOptions) -> float:
    """Share of pictures, without augmentation, that are classified correctly."""
    correct = 0
    for start in range(0, len(patches), options.batch_size):
        x = torch.from_numpy(patches.data[start : start + options.batch_size]).to(options.device)
        predicted = network(x).argmax(dim=1).cpu().numpy()
        correct += int((predicted == patches.tags[start : start + len(predicted)]).sum())
    return correct / len(patches)
