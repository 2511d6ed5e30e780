"""Bands that a scene lacks, as networks of fixed channels are shown them."""

from torch import Tensor


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
