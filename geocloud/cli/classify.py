"""`geocloud classify`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from geocloud.cli.common import examples, one_sentence, print_error, print_json
from geocloud.cli.options import as_scene_options, device_option, model_option, scene_options
from geocloud.datasets.labels import Fit
from geocloud.errors import InputError
from geocloud.models.registry import load_scorer
from geocloud.verbs.classify import Classification, ClassifyOptions
from geocloud.verbs.classify import classify as classify_picture


@click.command(epilog=examples("geocloud classify picture.png other.png --model my-model"))
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE...", type=click.Path(path_type=Path))
@model_option
@click.option(
    "--fit",
    type=click.Choice(["resize", "cut"]),
    default=None,
    help="Resized to one patch, or at its own pixels [by the model].",
)
@device_option
@scene_options
@one_sentence
def classify(pictures: tuple[Path, ...], model: str, fit: Fit | None, device: str, **scene: Any) -> None:  # noqa: ANN401
    """Say of each PICTURE whether it is cloudy or not cloudy.

    A picture that cannot be read is named and the others go on; the exit code is then 1.
    """
    options = ClassifyOptions(fit, as_scene_options(**scene), device)
    scorer = load_scorer(model, device)
    failed = False
    for path in pictures:
        try:
            _print(classify_picture(path, scorer, options))
        except InputError as error:
            failed = True
            print_error(error)
    sys.exit(int(failed))


def _print(found: Classification) -> None:
    """A line of text, or of JSON for a program."""
    if not sys.stdout.isatty():
        print_json(asdict(found))
        return
    click.echo(f"{found.path}: {found.statement} (score {found.score:.4g}, threshold {found.threshold:.4g})")
