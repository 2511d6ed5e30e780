"""`geocloud survey`."""

from __future__ import annotations

from pathlib import Path

import click

from geocloud.cli.common import examples, one_sentence, print_json
from geocloud.cli.options import device_option
from geocloud.verbs.survey import RECIPE, SurveyOptions
from geocloud.verbs.survey import survey as survey_model


@click.command(epilog=examples("geocloud survey my-model data --out my-model"))
@click.argument("model")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Model folder whose card is written.")
@click.option("--recipe", type=click.Path(path_type=Path), default=RECIPE, help="TOML file of its training [unmix].")
@click.option("--batches", type=click.IntRange(1), default=150, show_default=True, help="Training batches to draw.")
@click.option("--left-out", type=click.Path(path_type=Path), help="File with the names of scenes it was not shown.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draw.")
@device_option
@one_sentence
def survey(model: str, data: Path, out: Path, left_out: Path | None, **options: object) -> None:
    """Measure on its training DATA what MODEL has seen and where its classes are cut; write it into the card."""
    names = frozenset(left_out.read_text(encoding="utf-8").split()) if left_out is not None else frozenset()
    card = survey_model(data, model, out, SurveyOptions(left_out=names, **options))  # type: ignore[arg-type]
    limits = ("median", "brightest", "contrast", "share", "gaps")
    thresholds = ("thin", "haze", "dust", "shadow", "rule")
    print_json(
        {
            "model": card.name,
            "class_thresholds": {name: getattr(card.class_thresholds, name) for name in thresholds},
            "limits": {name: getattr(card.domain, name) for name in limits},
        }
    )
