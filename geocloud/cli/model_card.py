"""A model card as text for a person: inputs, threshold, training data, figures, and known errors."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from geocloud.scorers.card import SUPERVISIONS, ModelCard

WIDTH = 100
_NAMES = {
    "auroc": "AUROC", "iou": "IoU", "f1": "F1", "ece": "calibration error", "balanced_accuracy": "balanced accuracy",
    "cover_mae_points": "cover error in points", "oracle_balanced_accuracy": "balanced accuracy of the best threshold",
}  # fmt: skip


def card_text(card: ModelCard) -> str:
    """The whole card, in lines of at most WIDTH characters."""
    sections = (
        ("What it reads", _reads(card)),
        ("Threshold", _threshold(card)),
        ("What it learned from", _training(card)),
        ("How well it does", _figures(card.metrics)),
        ("What it gets wrong", [card.limits] if card.limits else []),
        ("Weights", [f"sha256 {card.sha256}"]),
    )
    lines = [*_wrap(f"{card.name} ({card.kind})", 0), *_wrap(card.description, 0)]
    for title, entries in sections:
        if entries:
            lines += ["", title, *(line for entry in entries for line in _wrap(entry, 2))]
    return "\n".join(lines)


def _reads(card: ModelCard) -> list[str]:
    optional = f"; also {', '.join(card.optional_bands)} where present" if card.optional_bands else ""
    blocks = f"blocks of {card.block} x {card.block} patches with {card.halo} pixels of context"
    lines = [f"{', '.join(card.bands)}{optional}", f"{blocks}; one score per {card.level}"]
    same = card.bf16_agreement
    return lines if same is None else [*lines, f"{100 * same:.2f} % of masks are the same in bfloat16 as in fp32"]


def _threshold(card: ModelCard) -> list[str]:
    calibration, rule = card.calibration, card.calibration.rule
    side = "at or above" if calibration.cloud_is == "high" else "at or below"
    lines = [f"cloud {side} {calibration.threshold:.4g} ({calibration.unit or 'raw score'})"]
    data, figure = (f", on {rule.data}" if rule.data else ""), (f": {rule.figure}" if rule.figure else "")
    return [
        *lines,
        f"rule {rule}{data}{figure}",
        *(f"rule {name}: {value:.4g}" for name, value in calibration.alternatives),
    ]


def _training(card: ModelCard) -> list[str]:
    record = card.training
    supervision = f"supervision {record.supervision}: {SUPERVISIONS[record.supervision]}"
    recipe = f"recipe: {record.recipe}" if record.recipe else f"seed {record.seed}, {record.steps} steps"
    return [supervision, *record.data, recipe]


def _figures(metrics: Mapping[str, Any]) -> list[str]:
    """One line per data set."""
    return [
        f"{name}: {', '.join(_values(value))}" if isinstance(value, Mapping) else f"{name}: {value}"
        for name, value in metrics.items()
    ]


def _values(figures: Mapping[str, Any]) -> Iterator[str]:
    """Each figure as text, such as `F1 0.876`; its interval, under the key NAME_90, follows in brackets."""
    for name, value in figures.items():
        stem, _, level = name.rpartition("_")
        if level.isdigit() and stem in figures:
            continue
        text = f"{value:.3f}" if isinstance(value, float) else str(value)
        yield f"{_NAMES.get(name, name.replace('_', ' '))} {text}{_interval(figures, name)}"


def _interval(figures: Mapping[str, Any], name: str) -> str:
    """The interval of a figure in brackets; empty if it has none."""
    for other, span in figures.items():
        stem, _, level = other.rpartition("_")
        if stem == name and level.isdigit():
            return f" ({level} %: {' to '.join(f'{end:.3f}' for end in span)})"
    return ""


def _wrap(text: str, indent: int) -> list[str]:
    """Lines of at most WIDTH characters; indented ones have a hanging indent of 2."""
    pad = " " * indent
    return textwrap.wrap(text, WIDTH, initial_indent=pad, subsequent_indent=pad + ("  " if indent else ""))
