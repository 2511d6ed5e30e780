"""The networks, one per file, and the contract they share.

A network is an `nn.Module` whose constructor takes `channels` (the number of band channels: required, then optional
ones) and plain JSON values, and which has besides `forward`:

    raw_score(x, present) -> Tensor
        x        (n, bands, h, w) float32 reflectance of the bands that the scene has, in channel order, nodata filled;
                 it is not to be changed
        present  (channels,) bool; False = the scene lacks that band
        returns  (n, h, w) for pixel-level networks, (n, h/64, w/64) for patch-level ones, in the model's own unit
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Network(Protocol):
    """What a scorer asks of a network, besides being an nn.Module."""

    def raw_score(self, x: Tensor, present: Tensor) -> Tensor:
        """See the module's docstring."""
