"""`geocloud evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from geocloud.cli.common import examples
from geocloud.cli.main import Command, shell
from geocloud.cli.options import ModelName, Threshold, data_options, device_option, names, take_data_options
from geocloud.cli.reporter import Reporter
from geocloud.datasets.folder import read_names
from geocloud.evaluation.report import markdown
from geocloud.models.registry import DEFAULT_MODEL
from geocloud.verbs.evaluate import EvaluateOptions
from geocloud.verbs.evaluate import evaluate as evaluate_models


def _read_folds(
    _context: click.Context, _option: click.Parameter, given: tuple[tuple[str, Path], ...]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Each model with the names of scenes in its file."""
    return tuple((model, read_names(path)) for model, path in given)


@click.command(
    cls=Command,
    epilog=examples(
        "geocloud evaluate pictures.zip --model my-model",
        "geocloud evaluate data/images --labels data/labels --cloud-codes 192,255 --ignore-codes 0",
        "geocloud evaluate $GEOCLOUD_DATA --suite accuracy --model a --model b --sheets 8 --out report",
    ),
)
@click.argument("sources", nargs=-1, required=True, metavar="DATA...", type=click.Path(path_type=Path))
@click.option(
    "--model",
    "models",
    type=ModelName(),
    multiple=True,
    help=f"Name of a model, or a model folder; may be repeated [{DEFAULT_MODEL}, if there is no --fold].",
)
@click.option(
    "--fold",
    "folds",
    type=(ModelName(), click.Path(exists=True, dir_okay=False, path_type=Path)),
    multiple=True,
    callback=_read_folds,
    metavar="MODEL FILE",
    help="Cross-validation: a model, and a text file of scenes that it has not seen, one per line; may be repeated.",
)
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    default=("brightness", "hot"),
    show_default=True,
    callback=names,
    metavar="NAME,...",
    help="Baselines to compare with.",
)
@click.option(
    "--peer",
    "peers",
    multiple=True,
    callback=names,
    metavar="NAME,...",
    help="Other detectors to compare with: ukis-csmask (pip install 'geocloud[bench]').",
)
@click.option(
    "--suite",
    default=None,
    metavar="NAME|FILE",
    help="Data sets with their codes and conditions: accuracy, kinds, places, or a TOML file. DATA is the folder that "
    "holds them.",
)
@click.option(
    "--difference", is_flag=True, help="Also measure the difference of two models, of clear sky and of cloud."
)
@click.option(
    "--threshold",
    type=Threshold(),
    metavar="T|RULE",
    help="Threshold of the models, a raw score or a rule [that of each card].",
)
@click.option("--masks", is_flag=True, help="DATA holds existing masks: 0 clear, 1 cloud, 255 nodata.")
@click.option("--draws", type=int, default=1000, show_default=True, help="Bootstrap samples for the intervals.")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Folder for JSON, Markdown and plots.")
@click.option("--overwrite", is_flag=True, help="Replace the files of an earlier evaluation.")
@click.option("--sheets", type=int, default=0, help="Draw this many of the worst and of the best scenes; with --out.")
@device_option
@data_options
@shell(shares={})
def evaluate(
    reporter: Reporter,
    sources: tuple[Path, ...],
    out: Path | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Measure models on DATA: tagged pictures, or scenes with labels."""
    data = take_data_options(options, masks=options.pop("masks"))
    evaluation = evaluate_models(sources, out, EvaluateOptions(data=data, **options), progress=reporter.progress)
    for note in evaluation.notes:
        reporter.note(note)
    records = [row.record() for row in (*evaluation.rows, *evaluation.conditions)]
    reporter.table(records, markdown(evaluation.rows).rstrip())
