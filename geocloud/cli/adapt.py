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
@click.option("--clear", type=_FILE, metavar="FILE", help="Text file of the names of scenes that are wholly clear.")
@click.option("--cloudy", "overcast", type=_FILE, metavar="FILE", help="The same of scenes that are wholly cloud.")
@click.option("--masks", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Folder of corrected masks, NAME.tif or NAME_cloudmask.tif.")  # fmt: skip
@click.option(
    "--polygons",
    cls=InputOption,
    type=_FILE,
    metavar="FILE",
    help="Corrected clouds; its column `scene` names their scenes.",
)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="The model folder.")
@model_option
@click.option(
    "--steps", type=click.IntRange(1), default=AdaptOptions().steps, show_default=True, help="Steps of the training."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of all random numbers.")
@click.option("--threads", type=click.IntRange(1), help="Scoring threads; default: one per core.")
@click.option("--allow-worse", is_flag=True, help="Write the model also if it is worse on the scenes held out.")
@click.option("--overwrite", is_flag=True, help="Replace the model that is under --out.")
@scene_options
@shell(watch=True, shares={})
def adapt(reporter: Reporter, scenes: tuple[str, ...], out: Path, overcast: Path | None, **given: Any) -> int:  # noqa: ANN401
    """Fit the default model to your own SCENES, and measure it on scenes that it did not see.

    Say which are wholly clear or cloudy, or give corrected masks or polygons, in any mixture; three clear scenes are a
    start. Without any of these only the threshold is fitted. To continue an interrupted run, repeat it.
    """
    check_projections()
    options = AdaptOptions(scene=take_scene_options(given), cloudy=overcast, **given)
    made = adapt_model(scenes, out, options, progress=reporter.progress)
    record = {
        "model": made.folder,
        "learned": list(made.learned),
        "held_out": list(made.held_out),
        "figures": {row.figure: {"before": row.before, "after": row.after} for row in made.rows},
        "worse": made.worse or None,
    }
    reporter.result(record, _table(made))
    if made.folder is None:
        reporter.failure(ModelError(f"not written: {made.worse}; give more or other scenes, or --allow-worse"))
        return 1
    return 0


def _table(made: Adaptation) -> list[str]:
    """What a person reads."""
    head = f"held out: {len(made.held_out)} of {len({*made.learned, *made.held_out})} scenes"
    lines = [f"{head:<42}{'before':>24}{'after':>24}", *map(_line, made.rows)]
    return [*lines, *([f"{arrow()} {made.folder}"] if made.folder else [])]


def _line(row: AdaptRow) -> str:
    """A row, in percent with its interval."""
    spans = zip((row.before, row.after), (row.before_95, row.after_95), strict=True)
    cells = [f"{100 * value:.1f} % ({100 * low:.1f}-{100 * high:.1f})" for value, (low, high) in spans]
    return f"{row.figure:<42}" + "".join(f"{cell:>24}" for cell in cells)
