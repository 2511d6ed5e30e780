"""From a model folder, or a network just trained, to a scorer on a device."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from geocloud.errors import ModelError, UsageError
from geocloud.models.kinds import build_network
from geocloud.models.network_scorer import NetworkScorer, UnmixScorer, folded, keep_in_bf16
from geocloud.models.networks.unmix import UnmixNet
from geocloud.scorers.card import ModelCard, Precision, read_card
from geocloud.scorers.contract import Scorer

CPU = torch.device("cpu")
LEAST_AGREEMENT = 0.999
"""Share of a mask that must be the same in bfloat16 as in fp32 for `auto` to choose it."""


def has_bf16(place: torch.device = CPU) -> bool:
    """Whether the device has instructions for bfloat16; without them it works too, but many times slower than fp32."""
    if place.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported())  # noqa: SLF001 - torch tells it nowhere else
    return place.type == "cuda"


def runs_bf16(precision: Precision, card: ModelCard, place: torch.device) -> bool:
    """Whether to run in bfloat16: `auto` does where the card allows it and the device has instructions for it."""
    if precision != "auto":
        return precision == "bf16"
    return (card.bf16_agreement or 0) >= LEAST_AGREEMENT and has_bf16(place)


WEIGHTS_FILE = "weights.safetensors"
MAX_WEIGHTS_BYTES = 4 << 30


def save_weights(network: torch.nn.Module, folder: Path, dtype: torch.dtype = torch.float32) -> str:
    """Write the network's tensors, floats as `dtype`; returns the file's sha256."""
    tensors = {
        name: (tensor.to(dtype) if tensor.is_floating_point() else tensor).contiguous().cpu()
        for name, tensor in network.state_dict().items()
    }
    content = save(tensors)
    (folder / WEIGHTS_FILE).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def load_weights(network: torch.nn.Module, folder: Path, sha256: str) -> None:
    """Fill the network from the folder's weights; ModelError where hash, names or shapes do not fit."""
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise ModelError(f"{folder} has a card but no {WEIGHTS_FILE}; copy the whole model folder")
    size = path.stat().st_size
    if size > MAX_WEIGHTS_BYTES:
        raise ModelError(f"{path} has {size} bytes, weights have at most {MAX_WEIGHTS_BYTES}")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ModelError(
            f"{path} has sha256 {found[:12]}…, its card says {sha256[:12]}…: the weights are damaged or of another "
            "model; fetch or train the model again"
        )
    try:
        tensors = load(content)
        network.load_state_dict(
            {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
        )
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path} does not fit the network its card names ({reason})") from error


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
        network = build_network(card.kind, len(card.channels), card.architecture)
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
    network = build_network(card.kind, len(card.channels), card.architecture)
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
    if not isinstance(network, UnmixNet):
        return NetworkScorer(network, card, device, bf16)
    if card.class_thresholds is not None and network.shadow is None:  # no network tells shadow: no threshold does
        card = replace(card, class_thresholds=replace(card.class_thresholds, shadow=None))
    return UnmixScorer(network, card, device, bf16)
