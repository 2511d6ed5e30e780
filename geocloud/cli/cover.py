"""`geocloud cover`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from geocloud.classes import MaskEncoding
from geocloud.cli.common import arrow, check_projections, examples
from geocloud.cli.main import Command, InputOption, shell
from geocloud.cli.reporter import Reporter
from geocloud.verbs.cover import CoverOptions
from geocloud.verbs.cover import cover as measure_cover

if TYPE_CHECKING:
    import geopandas


@click.command(
    cls=Command, epilog=examples("geocloud cover clouds/*_cloudmask.tif --zones fields.gpkg --out cover.csv")
)
@click.argument("masks", nargs=-1, required=True)
@click.option("--zones", required=True, metavar="FILE", help="Polygons, in any vector format and CRS.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="Table to write: .gpkg, .parquet, or .csv without the polygons.")  # fmt: skip
@click.option(
    "--encoding",
    cls=InputOption,
    type=click.Choice(get_args(MaskEncoding)),
    help="Encoding of the masks; default: as their tags say.",
)
@click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
@shell(watch=True, shares={})
def cover(reporter: Reporter, masks: tuple[str, ...], zones: str, out: Path, **given: Any) -> None:  # noqa: ANN401
    """Measure the cloud cover of zones in MASKS, and write a table with one row per zone and mask.

    It has the percent of cloud, of cloud shadow and of valid pixels, and the date. Pixels on the border of a zone count
    by their share inside it. The mean over the zones is printed for each mask.
    """
    check_projections()
    reporter.start(zones)
    table = measure_cover(masks, zones, out, CoverOptions(**given), progress=reporter.progress)
    count = len(table) // len(masks)
    means = [_mean(table[place :: len(masks)]) for place in range(len(masks))]
    record = {"zones": zones, "out": str(out), "zone_count": count, "mask_count": len(masks), "masks": means}
    lines = [f"{count} zones in {len(masks)} masks: {len(table)} rows {arrow()} {out}", *map(_line, means)]
    reporter.result(record, lines)


def _mean(rows: geopandas.GeoDataFrame) -> dict[str, Any]:
    """The figures of one mask: how many zones have valid pixels in it, and the mean over those."""
    seen = rows["cloud_percent"].dropna()
    mean = round(float(seen.mean()), 3) if len(seen) else None
    first = rows.iloc[0]
    return {"mask": first["mask"], "date": first["date"], "zones_seen": len(seen), "mean_cloud_percent": mean}


def _line(mean: dict[str, Any]) -> str:
    """The figures of one mask as a line for a person."""
    seen, name = mean["zones_seen"], " ".join(text for text in (mean["date"], mean["mask"]) if text)
    cover = "sees none of the zones" if not seen else f"{mean['mean_cloud_percent']:.1f} % cloud, mean of {seen} zones"
    return f"  {name}: {cover}"
