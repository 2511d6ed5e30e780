"""Which precision a network runs in."""

from __future__ import annotations

import torch

from geocloud.models.card import ModelCard, Precision

CPU = torch.device("cpu")
LEAST_AGREEMENT = 0.999
"""Share of a mask that must be the same in bfloat16 as in fp32 for `auto` to choose it."""


def has_bf16(place: torch.device = CPU) -> bool:
    """Whether the device has instructions for bfloat16; without them it works too, but many times slower than fp32."""
    if place.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported())  # noqa: SLF001 - torch tells it nowhere else
    return place.type == "cuda"


def runs_bf16(precision: Precision, card: ModelCard, place: torch.device) -> bool:
    """Whether to run in bfloat16: `auto` does where the card allows it and the device has instructions for it."""
    if precision != "auto":
        return precision == "bf16"
    return (card.bf16_agreement or 0) >= LEAST_AGREEMENT and has_bf16(place)
