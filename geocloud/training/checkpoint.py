"""Where a training stands, as one safetensors file: weights, optimiser, random numbers. Nothing is pickled."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from geocloud.errors import ModelError

CHECKPOINT_FILE = "checkpoint.safetensors"
_STATE = re.compile(r"optimizer\.(\d+)\.(.+)")


@dataclass(frozen=True, slots=True)
class TrainingState:
    """What a training changes as it goes; a checkpoint holds all of it."""

    networks: Mapping[str, torch.nn.Module]
    """By the name that its tensors are stored under."""
    optimizer: torch.optim.Optimizer
    """Its moments are stored, not its settings: a resumed run sets those anew."""
    rng: torch.Generator | None = None
    """Random numbers of a training that draws on from step to step; None where each epoch has a seed of its own."""


def save_checkpoint(folder: Path, state: TrainingState, progress: Mapping[str, Any], run: str = "") -> None:
    """Write the checkpoint, staged and renamed, so that a killed run leaves the one before.

    Args:
        folder: the model folder.
        state: what is stored.
        progress: JSON values that say how far the training is.
        run: what must be equal for another run to go on from here.
    """
    tensors = {
        f"{part}.{name}": value.cpu().contiguous()
        for part, network in state.networks.items()
        for name, value in network.state_dict().items()
    }
    for number, moments in state.optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            tensors[f"optimizer.{number}.{name}"] = value.cpu().contiguous()
    if state.rng is not None:
        tensors["rng"] = state.rng.get_state()
    staged = folder / f".{CHECKPOINT_FILE}.{os.getpid()}"
    save_file(tensors, staged, {"progress": json.dumps(dict(progress)), "run": run})
    staged.replace(folder / CHECKPOINT_FILE)


def load_checkpoint(folder: Path, state: TrainingState, run: str = "") -> dict[str, Any]:
    """Fill the state from the folder's checkpoint; returns the progress that was stored.

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
            progress: dict[str, Any] = json.loads(metadata["progress"])
        for part, network in state.networks.items():
            network.load_state_dict(
                {name.removeprefix(f"{part}."): v for name, v in tensors.items() if name.startswith(f"{part}.")}
            )
        state.optimizer.load_state_dict({**state.optimizer.state_dict(), "state": _moments(tensors)})
        if state.rng is not None:
            state.rng.set_state(tensors["rng"])
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path} is damaged or does not fit ({reason}); train without --resume") from error
    return progress


def _moments(tensors: dict[str, torch.Tensor]) -> dict[int, dict[str, Any]]:
    """Parameter number → its moments."""
    state: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        match = _STATE.fullmatch(name)
        if match:
            state.setdefault(int(match.group(1)), {})[match.group(2)] = value
    return state
