"""`geocloud polygonize`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from geocloud.classes import MaskEncoding
from geocloud.cli.common import arrow, check_projections, examples
from geocloud.cli.main import Command, InputOption, shell
from geocloud.cli.reporter import Reporter
from geocloud.geometry.shapes import Outline
from geocloud.verbs.polygonize import PolygonizeOptions
from geocloud.verbs.polygonize import polygonize as polygonize_mask


@click.command(
    cls=Command, epilog=examples("geocloud polygonize scene_cloudmask.tif --out clouds.gpkg --min-area 10000")
)
@click.argument("mask")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="Vector file: .geojson, .gpkg, .fgb or .parquet.")  # fmt: skip
@click.option("--min-area", type=click.FloatRange(0), default=0.0, help="Leave out polygons smaller than this many m².")
@click.option(
    "--score-file",
    "score",
    cls=InputOption,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Raster of P(cloud) on the mask's grid, for mean_score.",
)
@click.option(
    "--outline",
    type=click.Choice(get_args(Outline)),
    default="pixel",
    show_default=True,
    help="Along pixel edges, or smooth, interpolated between pixel centres; the latter needs --score-file.",
)
@click.option("--encoding", cls=InputOption, type=click.Choice(get_args(MaskEncoding)),
              help="Encoding of the mask; default: as its tags say.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
@shell(watch=True, shares={})
def polygonize(reporter: Reporter, mask: str, out: Path, **given: Any) -> None:  # noqa: ANN401 - click's own values
    """Write the polygons of MASK: every code except 0 (clear) and 255 (nodata)."""
    check_projections()
    reporter.start(mask)
    count = polygonize_mask(mask, out, PolygonizeOptions(**given), progress=reporter.progress)
    record = {"mask": mask, "polygons": str(out), "polygon_count": count}
    reporter.result(record, f"{Path(mask).name}: {count} polygon{'' if count == 1 else 's'} {arrow()} {out}")
