"""Networks trained on other tasks, for their features: weights and card in a folder each."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from geocloud.errors import ModelError
from geocloud.models.network_scorer import load_weights
from geocloud.models.networks.alternatives.backbone import Backbone
from geocloud.scorers.card import ModelCard, read_card

LAND_COVER = Path(__file__).parent / "eurosat"
"""Ten classes of EuroSAT."""


def backbone_card(folder: Path = LAND_COVER) -> ModelCard:
    """What it was trained on."""
    return read_card(folder)


def load_backbone(target: Backbone, folder: Path = LAND_COVER) -> None:
    """Copy the levels of a trained classifier into another one, whose head may differ.

    Raises:
        ModelError: weights or card are missing or damaged, or the widths differ.
    """
    card = read_card(folder)
    source = Backbone(len(card.bands), **card.architecture)
    load_weights(source, folder, card.sha256)
    try:
        target.levels.load_state_dict(source.levels.state_dict())
    except RuntimeError as error:
        raise ModelError(f"{folder} does not fit the network ({str(error).splitlines()[0]})") from error
    _freeze(target)


def _freeze(network: nn.Module) -> None:
    """It is used, not trained."""
    network.eval().requires_grad_(requires_grad=False)
