"""What a scorer was told in training, for every table."""

from __future__ import annotations

from geocloud.models.card import ModelCard
from geocloud.scorers.contract import Scorer
from geocloud.scorers.difference import Difference
from geocloud.scorers.peers import UkisMask


def supervision(scorer: Scorer) -> str:
    """A key of SUPERVISIONS: a card's own, W for two models together, S for the peer, T0 for null models."""
    if isinstance(scorer, UkisMask):
        return scorer.supervision
    if isinstance(scorer, Difference):
        return "W"
    card = getattr(scorer, "card", None)
    return card.training.supervision if isinstance(card, ModelCard) else "T0"
