"""`geocloud composite`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, get_args

import click

from geocloud.cli.common import arrow, check_projections, examples
from geocloud.cli.main import Command, shell
from geocloud.cli.options import area_options, device_option, model_option, scene_options, take_scene_options
from geocloud.cli.reporter import Reporter
from geocloud.series.compose import Method
from geocloud.verbs.composite import CompositeOptions
from geocloud.verbs.composite import composite as compose_scenes


@click.command(cls=Command, epilog=examples("geocloud composite S2*_33TWL_* --method median --out clear.tif"))
@click.argument("scenes", nargs=-1, required=True)
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The GeoTIFF to write.")
@click.option("--method", type=click.Choice(get_args(Method)), default="median", show_default=True,
              help="Median or weighted mean of the clear dates, or one of them per pixel.")  # fmt: skip
@click.option("--mask-dir", "masks", type=click.Path(file_okay=False, path_type=Path),
              help="Folder of masks NAME_cloudmask.tif; those that are missing are made.")  # fmt: skip
@click.option("--stac", is_flag=True, help="Also write a STAC item beside the image.")
@model_option
@scene_options
@area_options
@device_option
@click.option("--workers", type=int, help="Dask workers to start here; default: none, this process does the work.")
@click.option("--scheduler", metavar="ADDRESS", help="Use the Dask scheduler at this address, as tcp://host:8786.")
@click.option("--scheduler-file", type=click.Path(path_type=Path), help="Use the scheduler that wrote this file.")
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
@shell(watch=True, shares={})
def composite(reporter: Reporter, scenes: tuple[str, ...], out: Path, **given: Any) -> None:  # noqa: ANN401
    """Write one cloud-free image from SCENES, several dates of one place; they may lie in several UTM zones.

    Its bands are reflectance in the bands that all dates have, on the pixels of the first scene, then the number of
    clear dates and the date shown; nodata where no date is clear.
    """
    check_projections()
    cluster_options = {name: given.pop(name) for name in ("workers", "scheduler", "scheduler_file")}
    options = CompositeOptions(scene=take_scene_options(given), **given)
    with ExitStack() as cluster:
        tasks = None
        if any(value is not None for value in cluster_options.values()):
            from geocloud.batch.cluster import connect, silence_dask, tasks_on
            from geocloud.batch.options import BatchOptions

            silence_dask()
            tasks = tasks_on(cluster.enter_context(connect(BatchOptions(**cluster_options))))
        result = compose_scenes(scenes, out, options, tasks=tasks, progress=reporter.progress)
    record = {"out": str(out), "dates": list(result.dates), "filled_percent": round(result.filled_percent, 3)}
    record |= {} if result.item_path is None else {"stac": str(result.item_path)}
    text = f"{len(result.dates)} dates, {result.filled_percent:.1f} % of the ground seen clear {arrow()} {out}"
    reporter.result(record, text)
