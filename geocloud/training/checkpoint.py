"""Where a training run stands, as one safetensors file: weights, optimiser state, losses so far. Nothing is pickled."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from geocloud.errors import ModelError

CHECKPOINT_FILE = "checkpoint.safetensors"
_STATE = re.compile(r"optimizer\.(\d+)\.(.+)")


def save_checkpoint(
    folder: Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer, losses: list[float], run: str
) -> None:
    """Write the checkpoint, staged and renamed, so that a killed run leaves the one before.

    Args:
        folder: the model folder.
        network: its state is stored under `network.`.
        optimizer: its state is stored under `optimizer.`.
        losses: mean loss of each epoch so far.
        run: what must be equal for another run to go on from here.
    """
    tensors = {f"network.{name}": value.cpu().contiguous() for name, value in network.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"optimizer.{number}.{name}"] = value.cpu().contiguous()
    staged = folder / f".{CHECKPOINT_FILE}.{os.getpid()}"
    save_file(tensors, staged, {"losses": json.dumps(losses), "run": run})
    staged.replace(folder / CHECKPOINT_FILE)


def load_checkpoint(folder: Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer, run: str) -> list[float]:
    """Fill network and optimiser from the folder's checkpoint; returns the losses of the epochs done.

    Raises:
        ModelError: there is none, it is damaged, or it is of a run with other options.
    """
    path = folder / CHECKPOINT_FILE
    if not path.is_file():
        raise ModelError(f"{folder} has no {CHECKPOINT_FILE} to resume from; train without --resume")
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            if metadata.get("run") != run:
                raise ModelError(
                    f"{path} is of a run with other options or data ({metadata.get('run')}, now {run}); repeat its "
                    "options or train without --resume"
                )
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - no mapping
            losses = [float(loss) for loss in json.loads(metadata["losses"])]
        network.load_state_dict({k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")})
        optimizer.load_state_dict({**optimizer.state_dict(), "state": _optimizer_state(tensors)})
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path} is damaged or does not fit ({reason}); train without --resume") from error
    return losses


def _optimizer_state(tensors: dict[str, torch.Tensor]) -> dict[int, dict[str, Any]]:
    """Parameter number → its moments."""
    state: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        match = _STATE.fullmatch(name)
        if match:
            state.setdefault(int(match.group(1)), {})[match.group(2)] = value
    return state
