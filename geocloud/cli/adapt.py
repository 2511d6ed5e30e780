"""`geocloud adapt`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from geocloud.cli.common import arrow, check_projections, examples
from geocloud.cli.main import Command, InputOption, shell
from geocloud.cli.options import model_option, scene_options, take_scene_options
from geocloud.cli.reporter import Reporter
from geocloud.errors import ModelError
from geocloud.verbs.adapt import Adaptation, AdaptOptions
from geocloud.verbs.adapt import adapt as adapt_model

if TYPE_CHECKING:
    from geocloud.training.before_after import AdaptRow

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(
    cls=Command,
    epilog=examples(
        "geocloud adapt scenes/*.tif --clear clear.txt --out my-model",
        "geocloud adapt scenes/*.tif --masks corrected --polygons clouds.gpkg --out my-model",
    ),
)
@click.argument("scenes", metavar="SCENE...", nargs=-1, required=True)
@click.option("--clear", type=_FILE, metavar="FILE", help="Text file with the names of scenes that are wholly clear.")
@click.option(
    "--cloudy",
    "overcast",
    type=_FILE,
    metavar="FILE",
    help="Text file with the names of scenes that are wholly cloudy.",
)
@click.option("--masks", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Folder of corrected masks, NAME.tif or NAME_cloudmask.tif.")  # fmt: skip
@click.option(
    "--polygons",
    cls=InputOption,
    type=_FILE,
    metavar="FILE",
    help="Vector file of corrected clouds; its column `scene` names their scenes.",
)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="The model folder.")
@model_option
@click.option(
    "--steps", type=click.IntRange(1), default=AdaptOptions().steps, show_default=True, help="Steps of the training."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of all random numbers.")
@click.option("--threads", type=click.IntRange(1), help="Scoring threads; default: one per core.")
@click.option("--allow-worse", is_flag=True, help="Write the model even if it is worse on the held-out scenes.")
@click.option("--overwrite", is_flag=True, help="Replace a model in --out.")
@scene_options
@shell(watch=True, shares={})
def adapt(reporter: Reporter, scenes: tuple[str, ...], out: Path, overcast: Path | None, **given: Any) -> int:  # noqa: ANN401
    """Fit a model to your own SCENES, and measure it on scenes that were left out.

    Say which scenes are wholly clear or wholly cloudy, or give corrected masks or polygons, in any mixture. Three clear
    scenes are enough to start. Without any of these, only the threshold is fitted. To continue an interrupted run,
    repeat the command.
    """
    check_projections()
    options = AdaptOptions(scene=take_scene_options(given), cloudy=overcast, **given)
    result = adapt_model(scenes, out, options, progress=reporter.progress)
    record = {
        "model": result.folder,
        "learned": list(result.learned),
        "held_out": list(result.held_out),
        "figures": {row.figure: {"before": row.before, "after": row.after} for row in result.rows},
        "worse": result.worse or None,
    }
    reporter.result(record, _table(result))
    if result.folder is None:
        reporter.failure(ModelError(f"not written: {result.worse}; give more or other scenes, or --allow-worse"))
        return 1
    return 0


def _table(result: Adaptation) -> list[str]:
    """The result as lines for a person."""
    head = f"held out: {len(result.held_out)} of {len({*result.learned, *result.held_out})} scenes"
    lines = [f"{head:<42}{'before':>24}{'after':>24}", *map(_line, result.rows)]
    return [*lines, *([f"{arrow()} {result.folder}"] if result.folder else [])]


def _line(row: AdaptRow) -> str:
    """A figure before and after, in percent with its 95 % interval."""
    spans = zip((row.before, row.after), (row.before_95, row.after_95), strict=True)
    cells = [f"{100 * value:.1f} % ({100 * low:.1f}-{100 * high:.1f})" for value, (low, high) in spans]
    return f"{row.figure:<42}" + "".join(f"{cell:>24}" for cell in cells)
