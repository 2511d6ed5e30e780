"""`geocloud apply-mask`."""

from __future__ import annotations

from pathlib import Path

import click

from geocloud.cli.common import one_sentence, print_json
from geocloud.cli.environment import check_projections
from geocloud.verbs.apply_mask import apply_mask as apply


@click.command("apply-mask", epilog="\b\nExample:\n  geocloud apply-mask scene.tif scene_cloudmask.tif --out clear.tif")
@click.argument("scene")
@click.argument("mask")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The masked scene, a COG.")
@click.option("--nodata", type=float, help="Nodata value where the scene has none; default 0, or NaN for floats.")
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
@one_sentence
def apply_mask(scene: str, mask: str, out: Path, nodata: float | None, *, overwrite: bool) -> None:
    """Write SCENE with the clouds of MASK as nodata; bands, type, tags and colours stay."""
    check_projections()
    removed = apply(scene, mask, out, nodata=nodata, overwrite=overwrite)
    print_json({"scene": scene, "mask": mask, "out": str(out), "removed_percent": round(removed, 3)})
