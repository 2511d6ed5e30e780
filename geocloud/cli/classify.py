"""`geocloud classify`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from geocloud.cli.common import examples
from geocloud.cli.main import Command, shell
from geocloud.cli.options import as_scene_options, device_option, model_option, scene_options
from geocloud.cli.reporter import Reporter
from geocloud.datasets.labels import Fit
from geocloud.errors import InputError
from geocloud.models.registry import load_scorer
from geocloud.verbs.classify import ClassifyOptions
from geocloud.verbs.classify import classify as classify_picture


@click.command(cls=Command, epilog=examples("geocloud classify picture.png other.png --model my-model"))
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE...", type=click.Path(path_type=Path))
@model_option
@click.option(
    "--fit",
    type=click.Choice(["resize", "cut"]),
    default=None,
    help="Resize pictures to one patch, or score them at their own size [by the model].",
)
@device_option
@scene_options
@shell()
def classify(
    reporter: Reporter,
    pictures: tuple[Path, ...],
    model: str,
    fit: Fit | None,
    device: str,
    **scene: Any,  # noqa: ANN401 - click's own values
) -> int:
    """Say for each PICTURE whether it is cloudy.

    A picture that cannot be read gives an error; the others are still classified, and the exit code is 1.
    """
    options = ClassifyOptions(fit, as_scene_options(**scene), device)
    scorer = load_scorer(model, device)
    failed = False
    for path in pictures:
        try:
            result = classify_picture(path, scorer, options)
        except InputError as error:
            failed = True
            reporter.failure(error, str(path))
            continue
        details = f"score {result.score:.4g}, threshold {result.threshold:.4g}"
        reporter.result(asdict(result), f"{result.path}: {result.statement}, P(cloud) {result.p_cloud:.2f}", details)
    return int(failed)
