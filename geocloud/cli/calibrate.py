"""`geocloud calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from geocloud.cli.common import examples
from geocloud.cli.main import Command, shell
from geocloud.cli.options import ModelName, data_options, device_option, take_data_options
from geocloud.cli.reporter import Reporter
from geocloud.metrics.threshold_rules import Tagged
from geocloud.verbs.calibrate import CalibrateOptions, Rule
from geocloud.verbs.calibrate import calibrate as calibrate_model


@click.command(
    cls=Command, epilog=examples("geocloud calibrate my-model clear-scenes --rule quantile --parameter 0.99")
)
@click.argument("model", type=ModelName())
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--rule",
    type=click.Choice(get_args(Rule)),
    required=True,
    help="paper: 0.02. quantile: a quantile of clear scores, per scene. conformal: a bound on false alarms. synthetic: "
    "best on simulated cloud over clear patches. f1: best F1 on labels.",
)
@click.option("--parameter", type=float, default=None, help="Of the rule [quantile: 0.99, conformal: 0.05].")
@click.option(
    "--normal",
    type=click.Choice(get_args(Tagged)),
    default=None,
    help="Data that the rule uses [clear; cloudy for a model of cloud].",
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Folder for a copy; default: change MODEL itself."
)
@click.option("--overwrite", is_flag=True, help="Replace a model in --out.")
@device_option
@data_options
@shell(shares={})
def calibrate(reporter: Reporter, model: str, data: Path, out: Path | None, device: str, **options: Any) -> None:  # noqa: ANN401
    """Choose the threshold and the P(cloud) curve of MODEL on DATA."""
    chosen = CalibrateOptions(data=take_data_options(options), device=device, **options)
    card = calibrate_model(data, model, out, chosen, progress=reporter.progress)
    threshold, rule = card.calibration.threshold, card.calibration.rule
    record = {
        "model": card.name,
        "threshold": threshold,
        "rule": rule.name,
        "parameter": rule.parameter,
        "data": rule.data,
        "figure": rule.figure,
        "cloud_is": card.calibration.cloud_is,
    }
    reporter.result(record, f"{card.name}: threshold {threshold:.4g} ({rule} on {rule.data}; {rule.figure})")
