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

from importlib import import_module
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from geocloud.errors import ModelError

KINDS = {
    "dense": "geocloud.models.networks.dense:DenseAutoencoder",
    "conv": "geocloud.models.networks.conv:ConvAutoencoder",
    "contrast": "geocloud.models.networks.contrast:ContrastNetwork",
    "gan": "geocloud.models.networks.gan:GanAutoencoder",
    "gmm": "geocloud.models.networks.gmm:GaussianMixture",
    "features": "geocloud.models.networks.features:FeatureAutoencoder",
    "unmix": "geocloud.models.networks.unmix:UnmixNet",
}
"""Kind to module and class."""


class Network(Protocol):
    """What a scorer asks of a network, besides being an nn.Module."""

    def raw_score(self, x: Tensor, present: Tensor) -> Tensor:
        """See the module's docstring."""


def build_network(kind: str, channels: int, architecture: dict[str, Any]) -> torch.nn.Module:
    """A network with fresh weights; ModelError for an unknown kind or arguments the kind does not take."""
    if kind not in KINDS:
        raise ModelError(f"kind {kind!r} is unknown; there are {', '.join(KINDS)}")
    module, name = KINDS[kind].split(":")
    constructor = getattr(import_module(module), name)
    try:
        return cast("torch.nn.Module", constructor(channels=channels, **architecture))
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"the {kind} network cannot be built from {architecture} ({error})") from error
