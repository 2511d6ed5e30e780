"""Weights on disk: safetensors only, hashed, never pickled."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from geocloud.errors import ModelError

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
