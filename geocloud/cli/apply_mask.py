"""`geocloud apply-mask`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from geocloud.classes import EncodingName
from geocloud.cli.common import check_projections, examples
from geocloud.cli.options import numbers, scene_options, take_scene_options
from geocloud.cli.reporter import ProgressMode, run_job, watch_options
from geocloud.progress import Progress
from geocloud.verbs.apply_mask import ApplyOptions
from geocloud.verbs.apply_mask import apply_mask as apply


@click.command("apply-mask", epilog=examples("geocloud apply-mask scene.tif scene_cloudmask.tif --out clear.tif"))
@click.argument("scene")
@click.argument("mask")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The masked scene, a COG.")
@scene_options
@click.option("--nodata", type=float, help="Value of clouds; default: the scene's nodata, else one that no pixel has.")
@click.option(
    "--codes", "classes", callback=numbers, metavar="N,...", help="Mask codes to take out; default: all but clear."
)
@click.option("--encoding", type=click.Choice(get_args(EncodingName)), help="The mask's codes; default: as it says.")
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
@watch_options
def apply_mask(
    scene: str,
    mask: str,
    out: Path,
    progress: ProgressMode,
    *,
    stop_on_stdin_eof: bool,
    **given: Any,  # noqa: ANN401 - click's own values
) -> None:
    """Write SCENE with the clouds of MASK as nodata; bands, type, tags and colours stay."""

    def job(tell: Progress) -> tuple[dict[str, Any], str]:
        check_projections()
        options = ApplyOptions(take_scene_options(given), **given)
        removed = round(apply(scene, mask, out, options, progress=tell), 3)
        record = {"scene": scene, "mask": mask, "out": str(out), "removed_percent": removed}
        return record, f"{out}: {removed:.1f} % of the pixels taken out"

    run_job(scene, job, progress, stop_on_stdin_eof=stop_on_stdin_eof)
