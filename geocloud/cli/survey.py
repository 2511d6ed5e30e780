"""`geocloud survey`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from geocloud.cli.common import arrow, examples
from geocloud.cli.main import Command, shell
from geocloud.cli.options import device_option, without_option
from geocloud.cli.reporter import Reporter
from geocloud.verbs.survey import SurveyOptions
from geocloud.verbs.survey import survey as survey_model


@click.command(cls=Command, epilog=examples("geocloud survey my-model data --out my-model"))
@click.argument("model")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Model folder whose card is changed.")
@click.option(
    "--config",
    "recipe",
    type=click.Path(path_type=Path),
    default=Path("unmix"),
    show_default=True,
    help="Recipe that the model was trained with: a name, or a TOML file.",
)
@click.option("--batches", type=click.IntRange(1), default=150, show_default=True, help="Training batches to draw.")
@without_option
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the draw.")
@device_option
@shell()
def survey(reporter: Reporter, model: str, data: Path, out: Path, without: tuple[str, ...], **options: object) -> None:
    """Measure the training domain and class thresholds of MODEL on its training DATA, and write them into a card."""
    card = survey_model(data, model, out, SurveyOptions(without=frozenset(without), **options))  # type: ignore[arg-type]
    limits = ("median", "brightest", "share", "gaps")
    record = {
        "model": card.name,
        "class_thresholds": asdict(card.class_thresholds) if card.class_thresholds else None,
        "limits": {name: getattr(card.domain, name) for name in limits},
    }
    reporter.result(record, f"{card.name}: training domain and class thresholds {arrow()} {out}")
