"""`geocloud apply-mask`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from geocloud.cli.common import one_sentence, print_json
from geocloud.cli.environment import check_projections
from geocloud.cli.options import as_scene_options, scene_options
from geocloud.verbs.apply_mask import ApplyOptions
from geocloud.verbs.apply_mask import apply_mask as apply
from geocloud.writers.encodings import EncodingName


@click.command("apply-mask", epilog="\b\nExample:\n  geocloud apply-mask scene.tif scene_cloudmask.tif --out clear.tif")
@click.argument("scene")
@click.argument("mask")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The masked scene, a COG.")
@scene_options
@click.option("--nodata", type=float, help="Value of clouds; default: the scene's nodata, else one that no pixel has.")
@click.option("--class", "classes", type=int, multiple=True, help="Mask code to take out; default: all but clear.")
@click.option("--encoding", type=click.Choice(get_args(EncodingName)), help="The mask's codes; default: as it says.")
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
@one_sentence
def apply_mask(scene: str, mask: str, out: Path, **given: Any) -> None:  # noqa: ANN401 - click's own values
    """Write SCENE with the clouds of MASK as nodata; bands, type, tags and colours stay."""
    check_projections()
    own = {name: given.pop(name) for name in ("nodata", "classes", "encoding", "overwrite")}
    removed = apply(scene, mask, out, ApplyOptions(as_scene_options(**given), **own))
    print_json({"scene": scene, "mask": mask, "out": str(out), "removed_percent": round(removed, 3)})
