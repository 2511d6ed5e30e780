"""`geocloud threshold`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from geocloud.calibration import Probability
from geocloud.cli.common import arrow, examples
from geocloud.cli.main import Command, shell
from geocloud.cli.options import Threshold, device_option, model_option, scene_options, take_scene_options
from geocloud.cli.reporter import Reporter
from geocloud.errors import UsageError
from geocloud.verbs.threshold_page import ThresholdOptions, keep_threshold, threshold_page


@click.command(
    cls=Command,
    epilog=examples(
        "geocloud threshold scene.tif --out page.html",
        "geocloud threshold --model default --probability 0.6 --keep my-model",
    ),
)
@click.argument("scenes", metavar="[SCENE...]", nargs=-1)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("threshold.html"),
              show_default=True, help="The page.")  # fmt: skip
@model_option
@click.option("--keep", type=click.Path(path_type=Path), metavar="MODEL",
              help="Write the threshold into this model, or into a copy of --model, and no page.")  # fmt: skip
@click.option("--probability", type=float, metavar="P", help="With --keep: threshold in P(cloud), 0 to 1.")
@click.option(
    "--threshold", type=Threshold(), help="With --keep: threshold in the model's own unit, or a rule of its card."
)
@scene_options
@device_option
@click.option("--threads", type=click.IntRange(1), help="Scoring threads; default: one per core.")
@click.option("--overwrite", is_flag=True, help="Replace the page if it exists.")
@shell(watch=True, shares={})
def threshold(reporter: Reporter, scenes: tuple[str, ...], out: Path, keep: Path | None, **given: Any) -> None:  # noqa: ANN401
    """Choose a threshold by eye: write a page with each SCENE and a slider that shows its mask and cloud cover.

    The page is one file that needs no server and no network. It shows the option to use, and the command that keeps the
    threshold in a model of your own.
    """
    probability, raw = given.pop("probability"), given.pop("threshold")
    if keep is not None:
        _keep(reporter, scenes, given["model"], keep, probability, raw)
        return
    if not scenes:
        raise UsageError("no scene is named: give SCENE..., or --keep MODEL with a threshold")
    if probability is not None or raw is not None:
        raise UsageError("--probability and --threshold need --keep MODEL; leave them out, and use the page's slider")
    options = ThresholdOptions(scene=take_scene_options(given), **given)
    page = threshold_page(scenes, out, options, progress=reporter.progress)
    record = {"out": page.path, "model": options.model, "option": page.option, "cloud_percent": page.cover}
    many = f"{len(scenes)} scenes" if len(scenes) > 1 else scenes[0]
    reporter.result(record, f"page of {many}, to open in a browser {arrow()} {page.path}")


def _keep(
    reporter: Reporter,
    scenes: tuple[str, ...],
    model: str,
    keep: Path,
    probability: float | None,
    raw: Any,  # noqa: ANN401
) -> None:
    """Write the threshold into the card of a model."""
    if scenes:
        raise UsageError("--keep writes a threshold and no page; leave out the scenes")
    if (probability is None) == (raw is None):
        raise UsageError("--keep needs a threshold: give either --probability or --threshold")
    chosen = keep_threshold(model, keep, raw if probability is None else Probability(probability))
    record = {"model": str(keep), "threshold": chosen.threshold, "rule": chosen.rule.name}
    reporter.result(record, f"{model}: threshold {chosen.threshold:.4g} {arrow()} {keep}")
