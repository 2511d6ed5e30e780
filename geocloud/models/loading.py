"""From a model folder, or a network just trained, to a scorer on a device."""

from __future__ import annotations

from pathlib import Path

import torch

from geocloud.errors import ModelError, UsageError
from geocloud.models.card import ModelCard, Precision, read_card
from geocloud.models.networks import build_network
from geocloud.models.networks.bf16 import keep_in_bf16
from geocloud.models.networks.fold import folded
from geocloud.models.precision import runs_bf16
from geocloud.models.scorer import NetworkScorer
from geocloud.models.unmix_scorer import UnmixScorer
from geocloud.models.weights import WEIGHTS_FILE, load_weights
from geocloud.scorers.contract import Scorer


def choose_device(name: str) -> torch.device:
    """`auto` takes a GPU where there is one; UsageError for one that is not there."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if available[kind]))
    if not available.get(name, False):
        usable = ", ".join(kind for kind, there in available.items() if there)
        raise UsageError(f"device {name!r} is not available here; use auto or one of {usable}")
    return torch.device(name)


def check_size(card: ModelCard, folder: Path) -> None:
    """ModelError where a card asks for a network larger than its weights; told without taking memory for it."""
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        return
    with torch.device("meta"):
        network = build_network(card.kind, len(card.bands + card.optional_bands), card.architecture)
    values = sum(parameter.numel() for parameter in network.parameters())
    if values > weights.stat().st_size:
        raise ModelError(
            f"{folder} names a network of {values} values in its card, but {WEIGHTS_FILE} cannot hold them; "
            "fetch or train the model again"
        )


def load_model(folder: Path, device: str = "auto", precision: Precision = "auto") -> Scorer:
    """The scorer of a model folder.

    Raises:
        ModelError: card or weights are missing, damaged or do not fit each other.
        UsageError: the device is not available.
    """
    place = choose_device(device)
    card = read_card(folder)
    return make_scorer(load_network(folder, card), card, place, bf16=runs_bf16(precision, card, place))


def load_network(folder: Path, card: ModelCard) -> torch.nn.Module:
    """The network of a model folder as it was trained, on the CPU; ModelError where weights and card disagree."""
    check_size(card, folder)
    network = build_network(card.kind, len(card.bands + card.optional_bands), card.architecture)
    load_weights(network, folder, card.sha256)
    return network


def make_scorer(network: torch.nn.Module, card: ModelCard, device: torch.device, *, bf16: bool) -> NetworkScorer:
    """A scorer of a network with its weights, which is left as it is."""
    network = folded(network).requires_grad_(requires_grad=False).to(device)
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    if bf16:
        keep_in_bf16(network)
    scorer = UnmixScorer if card.kind == "unmix" else NetworkScorer
    return scorer(network, card, device, bf16)
