"""`geocloud models`."""

from __future__ import annotations

from dataclasses import asdict

import click

from geocloud.cli.common import examples, one_sentence, print_json
from geocloud.cli.model_card import card_text
from geocloud.cli.options import ModelName
from geocloud.models.registry import default_name, model_folder, shipped_cards
from geocloud.scorers.baselines import BASELINES
from geocloud.scorers.card import read_card


@click.group(epilog=examples("geocloud models list", "geocloud models show unmix"))
def models() -> None:
    """List the models there are, show a model's card."""


@models.command("list", epilog=examples("geocloud models list", "geocloud models list --json"))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@one_sentence
def list_models(*, as_json: bool) -> None:
    """The models in the box; * marks the default."""
    if as_json:
        print_json({"default": default_name(), "models": _records()})
        return
    for card in shipped_cards():
        mark = "*" if card.name == default_name() else " "
        click.echo(f"{mark} {card.name:<14} {card.kind:<10} {card.training.supervision}  {card.description}")
    for name in BASELINES:
        click.echo(f"  {name:<14} null model, no learning")


def _records() -> list[dict[str, str | None]]:
    """Name, kind, supervision and description of each model; a baseline has no kind and no supervision."""
    cards: list[dict[str, str | None]] = [
        {
            "name": card.name,
            "kind": card.kind,
            "supervision": card.training.supervision,
            "description": card.description,
        }
        for card in shipped_cards()
    ]
    baselines: list[dict[str, str | None]] = [
        {"name": name, "kind": None, "supervision": None, "description": "baseline, no learning"} for name in BASELINES
    ]
    return [*cards, *baselines]


@models.command(epilog=examples("geocloud models show unmix", "geocloud models show unmix --json"))
@click.argument("model", type=ModelName())
@click.option("--json", "as_json", is_flag=True, help="The card as one JSON object.")
@one_sentence
def show(model: str, *, as_json: bool) -> None:
    """A model's card: what it is, what it saw, how it is cut, what it gets wrong."""
    if model in BASELINES:
        scorer = BASELINES[model]()
        card = scorer.card
        click.echo(f"{card.name}: {card.calibration.unit}, cloud above {card.calibration.threshold:g}")
        return
    card = read_card(model_folder(model))
    if as_json:
        print_json(asdict(card))
    else:
        click.echo(card_text(card))
