"""`geocloud polygonize`."""

from __future__ import annotations

from pathlib import Path

import click

from geocloud.cli.common import one_sentence, print_json
from geocloud.cli.environment import check_projections
from geocloud.verbs.polygonize import polygonize as polygonize_mask


@click.command(epilog="\b\nExample:\n  geocloud polygonize scene_cloudmask.tif --out clouds.gpkg --min-area 10000")
@click.argument("mask")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="Vector file: .geojson, .gpkg, .fgb or .parquet.")  # fmt: skip
@click.option("--min-area", type=click.FloatRange(0), default=0.0, help="Leave out polygons smaller than this, in m².")
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
@one_sentence
def polygonize(mask: str, out: Path, min_area: float, *, overwrite: bool) -> None:
    """Turn a mask into polygons: every code but 0 (clear) and 255 (nodata)."""
    check_projections()
    count = polygonize_mask(mask, out, min_area=min_area, overwrite=overwrite)
    print_json({"mask": mask, "polygons": str(out), "polygon_count": count})
