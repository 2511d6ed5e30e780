"""Names to scorers: the models in the box, the baselines, and model folders of the user's own."""

from __future__ import annotations

import os
import threading
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from geocloud.errors import ModelError
from geocloud.scorers.baselines import BASELINES
from geocloud.scorers.card import CARD_FILE, ModelCard, Precision, read_card
from geocloud.scorers.contract import Scorer

SHIPPED = Path(__file__).parent / "shipped"
DEFAULT_MODEL = "default"
"""Read as the name in `shipped/DEFAULT`."""


def default_name() -> str:
    """Name of the model that is used when none is asked for."""
    return (SHIPPED / "DEFAULT").read_text(encoding="utf-8").strip()


def shipped_cards() -> list[ModelCard]:
    """Cards of the models in the box, by name."""
    return [read_card(path.parent) for path in sorted(SHIPPED.glob(f"*/{CARD_FILE}"))]


def model_names() -> list[str]:
    """Names of the models in the box and of the baselines."""
    return sorted([*(path.parent.name for path in SHIPPED.glob(f"*/{CARD_FILE}")), *BASELINES])


def model_folder(model: str | os.PathLike[str]) -> Path:
    """The folder of a shipped model's name or of a path; ModelError with the names there are."""
    name = os.fspath(model)
    shipped = SHIPPED / (default_name() if name == DEFAULT_MODEL else name)
    if "/" not in name and "\\" not in name and (shipped / CARD_FILE).is_file():
        return shipped
    if Path(name).is_dir():
        return Path(name)
    near = get_close_matches(name, model_names(), n=1)
    raise ModelError(
        f"no model {name!r}: did you mean {near[0]}?"
        if near
        else f"no model {name!r}: give a model folder or one of {', '.join(model_names())}"
    )


def load_scorer(
    model: str | os.PathLike[str] = DEFAULT_MODEL, device: str = "auto", precision: Precision = "auto"
) -> Scorer:
    """The scorer of a name or model folder; torch is imported only where there are weights to run.

    Args:
        model: name of a shipped model or baseline, or a model folder.
        device: `auto`, `cpu`, `cuda` or `mps`.
        precision: `fp32`, `bf16`, or `auto`: bf16 where card and machine allow it.

    Raises:
        ModelError: there is no such model, or its weights or card are damaged.
    """
    if model in BASELINES:
        return BASELINES[os.fspath(model)]()
    from geocloud.models.network_scorer import load_model

    return load_model(model_folder(model), device, precision)


_LOCK = threading.Lock()
KEPT = 4
"""Models that a process keeps."""


def shared_scorer(
    model: str | os.PathLike[str] = DEFAULT_MODEL,
    device: str = "auto",
    precision: Precision = "auto",
    identity: str = "",
) -> Scorer:
    """As `load_scorer`; `identity` tells a model apart from another that stood in the same folder before."""
    with _LOCK:
        return load_once(os.fspath(model), device, precision, identity)


@lru_cache(maxsize=KEPT)
def load_once(model: str, device: str, precision: Precision, identity: str) -> Scorer:  # noqa: ARG001 - part of the key
    """Not for several threads at once: each would load."""
    return load_scorer(model, device, precision)
