"""bfloat16: what of a network runs in it, and what never does."""

import torch
from torch import Tensor, nn


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
