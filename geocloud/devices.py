"""Where networks run."""

from __future__ import annotations

from geocloud.errors import UsageError

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(name: str) -> str:
    """The device of a name, `auto` for the fastest there is; UsageError where it is unknown or not in this machine."""
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next((device for device in ("cuda", "mps") if there[device]), "cpu")
    if not there.get(name, False):
        raise UsageError(
            f"device {name!r} is not here; there are auto, {', '.join(d for d, yes in there.items() if yes)}"
        )
    return name
