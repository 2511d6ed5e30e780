"""A network as it scores: the same function on a block within its halo, in fewer multiplications and passes."""

from copy import deepcopy
from typing import TypeVar

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def with_absent(x: Tensor, present: Tensor) -> Tensor:
    """(n, channels, h, w) with 0 in the bands that are missing.

    Args:
        x: (n, bands, h, w) the bands that are there, in channel order.
        present: (channels,) bool, True as often as x has bands.
    """
    if present.all():
        return x
    whole = x.new_zeros(len(x), len(present), *x.shape[2:])
    whole[:, present] = x
    return whole


class ExactConv2d(nn.Conv2d):
    """A convolution that runs in fp32 whatever autocast says."""

    def forward(self, x: Tensor) -> Tensor:
        """As nn.Conv2d."""
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


def keep_in_bf16(network: nn.Module) -> None:
    """Store the weights of the layers that autocast runs in bfloat16 as such: it would cast them at each call."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) and not isinstance(layer, ExactConv2d):
            layer.to(torch.bfloat16)


Network = TypeVar("Network", bound=nn.Module)


def folded(network: Network) -> Network:
    """A copy in evaluation mode whose pairs of layers inside ``nn.Sequential`` are one convolution each.

    Pairs are Conv2d and BatchNorm2d, and a doubling Upsample and the 3x3 Conv2d that reads it. Reflecting convolutions
    pad with zeros in the copy, which costs nothing: what they draw beyond a block's edge reaches no further in than
    the halo, and that is cut off.
    """
    copy = deepcopy(network).eval()
    for part in copy.modules():
        if isinstance(part, nn.Conv2d) and part.padding_mode == "reflect":
            part.padding_mode = "zeros"
    for part in copy.modules():
        if isinstance(part, nn.Sequential):
            _fold_pairs(part)
    return copy


def _fold_pairs(part: nn.Sequential) -> None:
    """Put one convolution in the first place of each pair and nothing in the second."""
    for i in range(len(part) - 1):
        first, second = part[i], part[i + 1]
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            part[i], part[i + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
        elif _doubles(first) and isinstance(second, nn.Conv2d) and _keeps_size(second):
            part[i], part[i + 1] = doubling(second), nn.Identity()


def _doubles(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Upsample) and layer.mode == "nearest" and layer.scale_factor == 2


def _keeps_size(conv: nn.Conv2d) -> bool:
    """Whether it is the plain kind: 3x3, a stride of 1, one pixel of padding."""
    sides = conv.kernel_size, conv.stride, conv.padding, conv.dilation
    return sides == ((3, 3), (1, 1), (1, 1), (1, 1)) and conv.groups == 1 and conv.padding_mode == "zeros"


def doubling(conv: nn.Conv2d) -> nn.ConvTranspose2d:
    """Each pixel repeated 2x2 and then a 3x3 convolution, as one: 16 multiplications a pixel in place of 36.

    Repeating is a transposed convolution of stride 2 with a 2x2 kernel of ones, and two convolutions in a row are one
    by their kernels' convolution, 4x4 here.
    """
    sizes, place = (conv.in_channels, conv.out_channels), conv.weight.device
    one = nn.ConvTranspose2d(*sizes, 4, stride=2, padding=1, bias=conv.bias is not None, device=place)
    with torch.no_grad():
        turned = conv.weight.flip(2, 3).transpose(0, 1).reshape(-1, 1, 3, 3)
        one.weight.copy_(F.conv2d(turned, turned.new_ones(1, 1, 2, 2), padding=1).view(*sizes, 4, 4))
        if conv.bias is not None and one.bias is not None:
            one.bias.copy_(conv.bias)
    return one
