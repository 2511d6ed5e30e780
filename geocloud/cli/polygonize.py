"""`geocloud polygonize`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from geocloud.cli.common import one_sentence, print_json
from geocloud.cli.environment import check_projections
from geocloud.verbs.polygonize import PolygonizeOptions
from geocloud.verbs.polygonize import polygonize as polygonize_mask
from geocloud.writers.encodings import EncodingName


@click.command(epilog="\b\nExample:\n  geocloud polygonize scene_cloudmask.tif --out clouds.gpkg --min-area 10000")
@click.argument("mask")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="Vector file: .geojson, .gpkg, .fgb or .parquet.")  # fmt: skip
@click.option("--min-area", type=click.FloatRange(0), default=0.0, help="Leave out polygons smaller than this, in m².")
@click.option("--score", type=click.Path(path_type=Path), help="P(cloud) raster beside the mask, for mean_score.")
@click.option("--encoding", type=click.Choice(get_args(EncodingName)), help="The mask's codes; default: as it says.")
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
@one_sentence
def polygonize(mask: str, out: Path, **given: Any) -> None:  # noqa: ANN401 - click's own values
    """Turn a mask into polygons: every code but 0 (clear) and 255 (nodata)."""
    check_projections()
    count = polygonize_mask(mask, out, PolygonizeOptions(**given))
    print_json({"mask": mask, "polygons": str(out), "polygon_count": count})
