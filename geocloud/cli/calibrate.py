"""`geocloud calibrate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args

import click

from geocloud.cli.common import examples, one_sentence, print_json
from geocloud.cli.options import ModelName, data_options, device_option, take_data_options
from geocloud.cli.reporter import progress_bar
from geocloud.metrics.threshold_rules import Tagged
from geocloud.verbs.calibrate import CalibrateOptions, Rule
from geocloud.verbs.calibrate import calibrate as calibrate_model


@click.command(epilog=examples("geocloud calibrate my-model clear-scenes --rule quantile --parameter 0.99"))
@click.argument("model", type=ModelName())
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--rule",
    type=click.Choice(get_args(Rule)),
    required=True,
    help="paper: 0.02. quantile: of clear scores, by scene. conformal: a bound on false alarms. synthetic: simulated "
    "cloud over clear patches. f1: on labels.",
)
@click.option("--parameter", type=float, default=None, help="quantile: 0.99. conformal: the bound, 0.05.")
@click.option(
    "--normal",
    type=click.Choice(get_args(Tagged)),
    default=None,
    help="Data the rule looks at [clear; cloudy for a model of cloud].",
)
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Write a copy here, not the model itself.")
@click.option("--overwrite", is_flag=True, help="Replace the model that is under --out.")
@device_option
@data_options
@one_sentence
def calibrate(model: str, data: Path, out: Path | None, device: str, **options: Any) -> None:  # noqa: ANN401
    """Choose the threshold and the P(cloud) curve of MODEL on DATA."""
    chosen = take_data_options(options)
    with progress_bar() as bar:
        card = calibrate_model(data, model, out, CalibrateOptions(data=chosen, device=device, **options), progress=bar)
    calibration = card.calibration
    if not sys.stdout.isatty():
        print_json(
            {
                "model": card.name,
                "threshold": calibration.threshold,
                "rule": calibration.rule.name,
                "parameter": calibration.rule.parameter,
                "data": calibration.rule.data,
                "figure": calibration.rule.figure,
                "cloud_is": calibration.cloud_is,
            }
        )
        return
    click.echo(
        f"{card.name}: threshold {calibration.threshold:.4g} ({calibration.rule} on {calibration.rule.data}; "
        f"{calibration.rule.figure})"
    )
