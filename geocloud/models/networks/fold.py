"""Batch norm folded into the convolution before it: the same function, fewer passes over memory."""

from copy import deepcopy
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def folded(network: Network) -> Network:
    """A copy in evaluation mode whose Conv2d, BatchNorm2d pairs inside ``nn.Sequential`` are one convolution each."""
    copy = deepcopy(network).eval()
    for part in copy.modules():
        if isinstance(part, nn.Sequential):
            _fold_pairs(part)
    return copy


def _fold_pairs(part: nn.Sequential) -> None:
    """Put the fused convolution in the first place of each pair and nothing in the second."""
    for i in range(len(part) - 1):
        first, second = part[i], part[i + 1]
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            part[i], part[i + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
