"""`geocloud models`."""

from __future__ import annotations

from dataclasses import asdict

import click

from geocloud.cli.common import one_sentence, print_json
from geocloud.models.card import SUPERVISIONS, ModelCard, read_card
from geocloud.models.registry import default_name, model_folder, shipped_cards
from geocloud.scorers.nulls import NULL_MODELS


@click.group()
def models() -> None:
    """List the models there are, show a model's card."""


@models.command("list")
@one_sentence
def list_models() -> None:
    """The models in the box; * marks the default."""
    for card in shipped_cards():
        mark = "*" if card.name == default_name() else " "
        click.echo(f"{mark} {card.name:<14} {card.kind:<10} {card.training.supervision}  {card.description}")
    for name in NULL_MODELS:
        click.echo(f"  {name:<14} null model, no learning")


@models.command()
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="The card as one JSON object.")
@one_sentence
def show(model: str, *, as_json: bool) -> None:
    """A model's card: what it is, what it saw, how it is cut, what it gets wrong."""
    if model in NULL_MODELS:
        scorer = NULL_MODELS[model]()
        click.echo(f"{scorer.name}: {scorer.calibration.unit}, cloud above {scorer.calibration.threshold:g}")
        return
    card = read_card(model_folder(model))
    if as_json:
        print_json(asdict(card))
    else:
        click.echo(_text(card))


def _text(card: ModelCard) -> str:
    """For a person."""
    cal = card.calibration
    side = "at or above" if cal.cloud_is == "high" else "at or below"
    optional = f"; also {', '.join(card.optional_bands)} where present" if card.optional_bands else ""
    lines = [
        f"{card.name} ({card.kind}): {card.description}",
        f"  bands        {', '.join(card.bands)}{optional}",
        f"  score        {cal.unit or 'raw score'}, a {card.level}; cloud {side} {cal.threshold:.4g}",
        f"  threshold    rule {cal.rule}"
        + (f", on {cal.rule.data}" if cal.rule.data else "")
        + (f": {cal.rule.figure}" if cal.rule.figure else ""),
        f"  supervision  {card.training.supervision}: {SUPERVISIONS[card.training.supervision]}",
        *(f"  data         {line}" for line in card.training.data),
        f"  recipe       {card.training.recipe} (seed {card.training.seed}, {card.training.steps} steps)",
        f"  block, halo  {card.block} x {card.block} patches, {card.halo} pixels",
        f"  weights      sha256 {card.sha256}",
    ]
    lines += [f"  measured     {name}: {value}" for name, value in card.metrics.items()]
    return "\n".join([*lines, *([f"  limits       {card.limits}"] if card.limits else [])])
