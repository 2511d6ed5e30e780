"""The networks, one a file, and the contract they share.

A network is an `nn.Module` whose constructor takes `channels` (the number of band channels: required, then optional
ones) and plain JSON values, and which has besides `forward`:

    raw_score(x, present) -> Tensor
        x        (n, bands, h, w) float32 reflectance of the bands that the scene has, in channel order, nodata filled;
                 it is not to be changed
        present  (channels,) bool; False = the scene lacks that band
        returns  (n, h, w) for pixel-level networks, (n, h/64, w/64) for patch-level ones, in the model's own unit
"""

from __future__ import annotations

from typing import Any, Protocol, cast

import torch
from torch import Tensor

from geocloud.errors import ModelError
from geocloud.models.kinds import KINDS, load_code


class Network(Protocol):
    """What a scorer asks of a network, besides being an nn.Module."""

    def raw_score(self, x: Tensor, present: Tensor) -> Tensor:
        """See the module's docstring."""


def build_network(kind: str, channels: int, architecture: dict[str, Any]) -> torch.nn.Module:
    """A network with fresh weights; ModelError for a kind that does not score, or arguments the kind does not take."""
    if kind not in KINDS or not KINDS[kind].network:
        scoring = ", ".join(name for name, entry in KINDS.items() if entry.network)
        raise ModelError(f"kind {kind!r} is unknown; the kinds that score clouds are {scoring}")
    constructor = load_code(KINDS[kind].network)
    try:
        return cast("torch.nn.Module", constructor(channels=channels, **architecture))
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"the {kind} network cannot be built from {architecture} ({error})") from error
