"""`geocloud series`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from geocloud.cli.common import arrow, check_projections, examples
from geocloud.cli.main import Command, shell
from geocloud.cli.options import area_options, device_option, model_option, scene_options, take_scene_options
from geocloud.cli.reporter import Reporter
from geocloud.verbs.series import SeriesDate, SeriesOptions, detect_series


@click.command(cls=Command, epilog=examples("geocloud series S2*_33TWL_* --out masks"))
@click.argument("scenes", nargs=-1, required=True)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the masks.")
@model_option
@scene_options
@area_options
@device_option
@click.option("--threads", type=click.IntRange(min=1), help="Scoring threads [one per core].")
@click.option("--overwrite", is_flag=True, help="Replace masks that exist.")
@shell(watch=True, shares={})
def series(reporter: Reporter, scenes: tuple[str, ...], out: Path, **given: Any) -> None:  # noqa: ANN401
    """Mask cloud and shadow in SCENES: three or more dates of one place, on one grid.

    What stays the same is ground, even if it is as bright as cloud. Each date gets a mask: 0 clear, 1 cloud,
    5 cloud shadow, 255 nodata.
    """
    check_projections()
    options = SeriesOptions(scene=take_scene_options(given), **given)
    dates = detect_series(scenes, out, options, progress=reporter.progress)
    lines = [
        f"{date.scene}: {date.cloud_percent:.1f} % cloud (alone {date.single_cloud_percent:.1f}), "
        f"{date.shadow_percent:.1f} % shadow {arrow()} {date.mask_path}"
        for date in dates
    ]
    reporter.result({"out": str(out), "dates": [_record(date) for date in dates]}, lines)


def _record(date: SeriesDate) -> dict[str, Any]:
    """JSON values of one date."""
    percents = {name: getattr(date, name) for name in ("cloud_percent", "shadow_percent", "single_cloud_percent")}
    return {"scene": date.scene, "date": date.date, "mask": str(date.mask_path)} | {
        name: round(value, 3) for name, value in percents.items()
    }
