"""A small picture classifier; the kind `features` uses its lower layers (transfer learning)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Tensor, nn


class Backbone(nn.Module):
    """Halves the resolution three times, each by two convolutions; then a linear layer on the mean of the last map."""

    def __init__(self, channels: int = 3, widths: Sequence[int] = (24, 48, 96), classes: int = 10) -> None:
        """Random weights.

        Args:
            channels: bands.
            widths: features at a half, a quarter and an eighth of the resolution.
            classes: number of picture classes.
        """
        super().__init__()
        if min(*widths, classes) < 1:
            raise ValueError(f"widths and classes must be at least 1, not {widths} and {classes}")
        self.levels = nn.ModuleList(
            nn.Sequential(*_layer(inputs, outputs, 2), *_layer(outputs, outputs, 1))
            for inputs, outputs in pairwise((channels, *widths))
        )
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) → (n, classes) logits."""
        for level in self.levels:
            x = level(x)
        logits: Tensor = self.head(x.mean(dim=(2, 3)))
        return logits

    def features(self, x: Tensor) -> Tensor:
        """(n, width 2 + width 3, h/4, w/4): the second level beside the third, which is interpolated."""
        second = self.levels[1](self.levels[0](x))
        third = F.interpolate(self.levels[2](second), scale_factor=2, mode="bilinear", align_corners=False)
        return torch.cat([second, third], dim=1)


def _layer(inputs: int, outputs: int, stride: int) -> tuple[nn.Module, ...]:
    """3x3 convolution, batch norm, ReLU."""
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
