"""`geocloud batch`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from geocloud.batch.batch import detect_many
from geocloud.batch.cluster import silence_dask
from geocloud.batch.options import SPLIT_SIDE, BatchOptions
from geocloud.batch.scene_lists import read_collection, read_list
from geocloud.cli.batch_view import BatchView
from geocloud.cli.common import check_projections, examples
from geocloud.cli.detect import DEFAULT_OUT, take_detect_options
from geocloud.cli.detect import detect as detect_command
from geocloud.cli.main import Command, shell
from geocloud.cli.reporter import Reporter
from geocloud.readers.dispatch import scenes_in

_OWN = {
    "scenes", "out", "stac", "threads", "overwrite", "progress", "stop_on_stdin_eof", "as_json", "quiet", "verbose",
}  # fmt: skip
"""Parameters of `detect` that mean something else here; nor does a batch have `--..._file`, paths for one scene."""

_BATCH = ("workers", "scheduler", "scheduler_file", "retries", "resume", "retry_failed", "split")
"""Options with the same name in BatchOptions."""


@click.command(
    cls=Command,
    params=[
        parameter
        for parameter in detect_command.params
        if not (parameter.name in _OWN or str(parameter.name).endswith("_file"))
    ],
    epilog=examples(
        "geocloud batch *.SAFE --out masks",
        "geocloud batch --list scenes.txt --out masks --scheduler tcp://10.0.0.4:8786",
        "geocloud batch --list scenes.txt --out masks --resume",
        "geocloud batch --out masks --retry-failed",
    ),
)
@click.argument("scenes", metavar="[SCENE]...", nargs=-1)
@click.option("--list", "list_file", metavar="FILE", help="A text file, one scene per line; - is standard input.")
@click.option(
    "--stac-collection", metavar="URL_OR_FILE", help="A STAC Collection or a saved search, with all its items."
)
@click.option(
    "--out",
    default=DEFAULT_OUT,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the outputs.",
)
@click.option("--workers", type=int, help="Workers to start here; default: by cores and free memory.")
@click.option("--scheduler", metavar="ADDRESS", help="Use the Dask scheduler at this address, such as tcp://host:8786.")
@click.option("--scheduler-file", type=click.Path(path_type=Path), help="Use the scheduler that wrote this file.")
@click.option("--retries", type=int, default=1, show_default=True, help="Further tries for a scene that fails.")
@click.option("--resume", is_flag=True, help="Continue a batch: skip scenes that are done and unchanged.")
@click.option("--retry-failed", is_flag=True, help="Run only scenes that failed before; without SCENE, all of them.")
@click.option("--overwrite", is_flag=True, help="Start the batch in --out again, and replace its outputs.")
@click.option(
    "--split",
    type=int,
    default=SPLIT_SIDE,
    show_default=True,
    help="Rasters with a longer side are scored in strips, one task each; not with --classes, --clear-sky, "
    "--score classes or --uncertainty.",
)
@shell(watch=True)
def batch(reporter: Reporter, scenes: tuple[str, ...], **given: Any) -> int:  # noqa: ANN401 - click's own values
    """Find the clouds of many scenes, on workers of this machine or of a Dask cluster.

    Each SCENE gives what `geocloud detect` writes, and a STAC item. --out also gets manifest.jsonl, with one line per
    finished scene, and at the end summary.csv, footprints.gpkg and collection.json. If DASK_SCHEDULER_ADDRESS is set,
    that scheduler is used.

    Exit code 0: all done, 1: some failed, 2: wrong usage, 130: cancelled; continue with --resume.
    """
    check_projections()
    view = BatchView(reporter)
    options = BatchOptions(
        take_detect_options({**given, "stac": False, "threads": 1, "mask_file": None}),
        **{name: given[name] for name in _BATCH},
        lists=tuple(filter(None, (given["list_file"], given["stac_collection"]))),
    )
    named = [*scenes, *_listed(given, allow_external=options.detect.scene.allow_external)]
    sources = [inner for scene in named for inner in scenes_in(scene)]
    silence_dask()
    result = detect_many(sources, given["out"], options, progress=view.progress)
    view.result(result)
    return 1 if result.failed else 0


def _listed(given: dict[str, Any], *, allow_external: bool) -> list[str]:
    """The scenes of --list and --stac-collection."""
    listed = read_list(given["list_file"]) if given["list_file"] else []
    collection = given["stac_collection"]
    return listed + (read_collection(collection, allow_external=allow_external) if collection else [])
