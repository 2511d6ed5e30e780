"""`geocloud search`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from geocloud.cli.common import arrow, examples
from geocloud.cli.main import Command, shell
from geocloud.cli.options import names
from geocloud.cli.reporter import Reporter
from geocloud.verbs.search import SearchOptions, table_of
from geocloud.verbs.search import search as search_api


@click.command(
    cls=Command,
    epilog=examples(
        "geocloud search https://stac.example.com/v1 --collection sentinel-2-l2a --datetime 2023-08 --out scenes.txt",
        "geocloud batch --list scenes.txt --aoi fields.gpkg --out masks",
    ),
)
@click.argument("api", metavar="URL")
@click.option("--collection", "collections", multiple=True, required=True, callback=names, metavar="ID,...",
              help="Collections to search.")  # fmt: skip
@click.option("--datetime", metavar="TIME[/TIME]", help="A day, month or year, or a range; .. leaves an end open.")
@click.option("--aoi", metavar="FILE|W,S,E,N", help="Polygons in any vector format and CRS, or a box in degrees.")
@click.option("--max-cloud", type=float, metavar="PERCENT", help="Leave out items that state more cloud.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Scenes at most.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="List to write, for batch --list.")
@click.option("--overwrite", is_flag=True, help="Replace a list that exists.")
@shell(watch=True, shares={})
def search(reporter: Reporter, api: str, out: Path | None, **given: Any) -> None:  # noqa: ANN401 - click's own values
    """Search the STAC API at URL for scenes, and list them; no pixel is read.

    The table shows date, cloud as stated, and name. --out takes the addresses of the items, one per line: `geocloud
    batch --list` reads them.
    """
    options = SearchOptions(**given)
    reporter.start(api)
    found = search_api(api, out, options, progress=reporter.progress)
    reporter.table([asdict(scene) for scene in found], table_of(found) if found else "no scene fits")
    more = f"; there may be more, --limit is {options.limit}" if len(found) == options.limit else ""
    wrote = f" {arrow()} {out}" if out is not None and found else ""
    reporter.total(f"{len(found)} scene{'' if len(found) == 1 else 's'}{more}{wrote}")
