"""Checkpoints: weights, optimiser and random state in one safetensors file, so nothing is pickled."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from geocloud.errors import ModelError, OutputError
from geocloud.training.options import CHECKPOINT_FILE, LOG_FILE, RECIPE_FILE
from geocloud.writers.staging import make_folder, write_errors, write_reason

_STATE = re.compile(r"optimizer\.(\d+)\.(.+)")


@dataclass(slots=True)
class TrainingState:
    """All that a training changes; a checkpoint holds all of it."""

    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    """Only its moments are stored; a resumed run sets its settings again."""
    average: torch.nn.Module | None = None
    """Running average of the network's weights; None if the training has none."""
    rng: torch.Generator | None = None
    """Random generator that all steps share; None if each epoch has a seed of its own."""
    step: int = 0
    """Number of steps taken."""
    losses: list[float] = field(default_factory=list)
    """Mean loss of each epoch; empty if there are no epochs."""

    def networks(self) -> dict[str, torch.nn.Module]:
        """Prefix of the names of stored tensors -> the network."""
        return {"network": self.network} | ({} if self.average is None else {"average": self.average})


def begin(folder: Path) -> None:
    """Make the folder of a training in progress, and remove what an interrupted training left there."""
    make_folder(folder)
    with write_errors(folder):
        for name in (CHECKPOINT_FILE, RECIPE_FILE, LOG_FILE):
            (folder / name).unlink(missing_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to; afterwards the file there replaces `path` at once, so that a killed run leaves the old file.

    The temporary file always has the same name, so the next run replaces what a killed run left.

    Raises:
        OutputError: the file cannot be written.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        yield new
        new.replace(path)
    except (OSError, SafetensorError) as error:
        new.unlink(missing_ok=True)
        reason = write_reason(path, error)
        raise OutputError(f"{path} cannot be written ({reason}); make room, or choose another folder") from error
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def save_checkpoint(folder: Path, state: TrainingState, identity: str = "") -> None:
    """Write the checkpoint; if the run is killed meanwhile, the checkpoint before stays.

    Args:
        folder: of the training in progress.
        state: what is stored.
        identity: must be equal for another run to continue from it.

    Raises:
        OutputError: the file cannot be written.
    """
    tensors = {
        f"{part}.{name}": value.cpu().contiguous()
        for part, network in state.networks().items()
        for name, value in network.state_dict().items()
    }
    for number, moments in state.optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            tensors[f"optimizer.{number}.{name}"] = value.cpu().contiguous()
    if state.rng is not None:
        tensors["rng"] = state.rng.get_state()
    metadata = {"step": str(state.step), "losses": json.dumps(state.losses), "identity": identity}
    with replacing(folder / CHECKPOINT_FILE) as new:
        save_file(tensors, new, metadata)


def load_checkpoint(folder: Path, state: TrainingState, identity: str = "") -> None:
    """Fill the state from the folder's checkpoint.

    Raises:
        ModelError: there is no checkpoint, it is damaged, or it is of a run with other options or data.
    """
    path = folder / CHECKPOINT_FILE
    if not path.is_file():
        raise ModelError(f"{folder} has no {CHECKPOINT_FILE} to resume from; train without --resume")
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata() or {}
            if metadata.get("identity") != identity:
                raise ModelError(
                    f"{path} is of a run with other options or data ({metadata.get('identity')}, now {identity}); "
                    "repeat its options or train without --resume"
                )
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - no mapping
        for part, network in state.networks().items():
            network.load_state_dict(
                {name.removeprefix(f"{part}."): v for name, v in tensors.items() if name.startswith(f"{part}.")}
            )
        state.optimizer.load_state_dict({**state.optimizer.state_dict(), "state": _moments(tensors)})
        if state.rng is not None:
            state.rng.set_state(tensors["rng"])
        state.step, state.losses = int(metadata["step"]), json.loads(metadata["losses"])
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path} is damaged or does not fit ({reason}); train without --resume") from error


def _moments(tensors: dict[str, torch.Tensor]) -> dict[int, dict[str, Any]]:
    """Number of each parameter -> its moments."""
    state: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        match = _STATE.fullmatch(name)
        if match:
            state.setdefault(int(match.group(1)), {})[match.group(2)] = value
    return state
