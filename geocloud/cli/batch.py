"""`geocloud batch`."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import Any

import click

from geocloud.batch.batch import detect_many
from geocloud.batch.options import SPLIT_SIDE, BatchOptions
from geocloud.batch.scene_lists import read_collection, read_list
from geocloud.cli.batch_view import BatchView, make_view
from geocloud.cli.common import check_projections, examples, one_sentence
from geocloud.cli.detect import detect as detect_command
from geocloud.cli.detect import take_detect_options
from geocloud.errors import Cancelled, GeocloudError

_OWN = {"scenes", "out", "stac", "threads", "overwrite", "mask_file", "polygons_file", "score_file"}
"""Parameters of `detect` that a batch has no use for, or that mean something else here."""

_BATCH = ("workers", "scheduler", "scheduler_file", "retries", "resume", "retry_failed", "split")
"""Options that BatchOptions has under the same name."""


@click.command(
    params=[parameter for parameter in detect_command.params if parameter.name not in _OWN],
    epilog=examples(
        "geocloud batch *.SAFE --out masks",
        "geocloud batch --list scenes.txt --out masks --scheduler tcp://10.0.0.4:8786",
        "geocloud batch --list scenes.txt --out masks --resume",
        "geocloud batch --out masks --retry-failed",
    ),
)
@click.argument("scenes", metavar="[SCENE]...", nargs=-1)
@click.option("--list", "list_file", metavar="FILE", help="A text file, a scene a line; - is standard input.")
@click.option("--stac-collection", metavar="URL_OR_FILE", help="A STAC Collection or saved search: all its items.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the outputs.")
@click.option("--workers", type=int, help="Workers to start here; default: by cores and free memory.")
@click.option("--scheduler", metavar="ADDRESS", help="Use the Dask scheduler there, as tcp://host:8786.")
@click.option("--scheduler-file", type=click.Path(path_type=Path), help="Use the scheduler that wrote this file.")
@click.option("--retries", type=int, default=1, show_default=True, help="Tries more for a scene that fails.")
@click.option("--resume", is_flag=True, help="Go on: leave out what is done, unchanged and whole.")
@click.option("--retry-failed", is_flag=True, help="Run only what failed; without scenes, all that did.")
@click.option("--overwrite", is_flag=True, help="Begin the folder's batch anew, replacing outputs.")
@click.option(
    "--split",
    type=int,
    default=SPLIT_SIDE,
    show_default=True,
    help="Rasters of more pixels a side are scored in bands of rows, a task each; not with --classes or --clear-sky.",
)
@one_sentence
def batch(scenes: tuple[str, ...], **given: Any) -> None:  # noqa: ANN401 - click's own values
    """Find the clouds of many scenes, on workers of this machine or of a Dask cluster.

    Each SCENE gives what `geocloud detect` writes, and a STAC item. --out also gets manifest.jsonl, a line a scene
    as it ends, and at the end summary.csv, footprints.gpkg and collection.json. DASK_SCHEDULER_ADDRESS is honoured.

    Exit code 0: all done, 1: some failed, 2: wrong usage.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    view = make_view(given["progress"], stop_on_stdin_eof=given["stop_on_stdin_eof"])
    try:
        code = _run(scenes, given, view)
    except KeyboardInterrupt:
        view.stopped(Cancelled(f"cancelled; go on with geocloud batch … --out {given['out']} --resume"))
        code = Cancelled.exit_code
    except GeocloudError as error:
        view.stopped(error)
        code = error.exit_code
    finally:
        view.close()
    sys.exit(code)


def _run(scenes: tuple[str, ...], given: dict[str, Any], view: BatchView) -> int:
    """The whole batch; the exit code."""
    check_projections()
    options = BatchOptions(
        take_detect_options({**given, "stac": False, "threads": 1, "mask_file": None}),
        **{name: given[name] for name in _BATCH},
    )
    sources = [*scenes, *_listed(given, allow_external=options.detect.scene.allow_external)]
    for name in ("distributed", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters of it comes back as records and errors
    result = detect_many(sources, given["out"], options, progress=view.progress)
    view.result(result)
    return 1 if result.failed else 0


def _listed(given: dict[str, Any], *, allow_external: bool) -> list[str]:
    """The scenes of --list and --stac-collection."""
    listed = read_list(given["list_file"]) if given["list_file"] else []
    collection = given["stac_collection"]
    return listed + (read_collection(collection, allow_external=allow_external) if collection else [])
