"""`geocloud apply-mask`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from geocloud.classes import MaskEncoding
from geocloud.cli.common import arrow, check_projections, examples, short_name
from geocloud.cli.main import Command, InputOption, OutputOption, shell
from geocloud.cli.options import READING_OPTIONS, numbers, reading_options, take_scene_options
from geocloud.cli.reporter import Reporter
from geocloud.errors import without_secrets
from geocloud.verbs.apply_mask import ApplyOptions
from geocloud.verbs.apply_mask import apply_mask as apply


@click.command(
    "apply-mask", cls=Command, epilog=examples("geocloud apply-mask scene.tif scene_cloudmask.tif --out clear.tif")
)
@click.argument("scene")
@click.argument("mask")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The masked scene, a COG.")
@reading_options
@click.option(
    "--nodata",
    cls=OutputOption,
    type=float,
    help="Value to write in clouds; default: the scene's nodata value, or else one that no pixel has.",
)
@click.option(
    "--codes",
    "classes",
    callback=numbers,
    metavar="N,...",
    help="Mask codes to remove [all but clear and snow].",
)
@click.option(
    "--encoding",
    cls=InputOption,
    type=click.Choice(get_args(MaskEncoding)),
    help="Encoding of the mask; default: as its tags say.",
)
@click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
@shell(watch=True, shares={})
def apply_mask(reporter: Reporter, scene: str, mask: str, out: Path, **given: Any) -> None:  # noqa: ANN401
    """Write SCENE with the clouds of MASK as nodata, and keep bands, type, tags and colours."""
    check_projections()
    reporter.start(scene)
    options = ApplyOptions(take_scene_options(given, READING_OPTIONS), **given)
    removed = round(apply(scene, mask, out, options, progress=reporter.progress), 3)
    record = {"scene": without_secrets(scene), "mask": mask, "out": str(out), "removed_percent": removed}
    reporter.result(record, f"{short_name(scene)}: {removed:.1f} % of the pixels removed {arrow()} {out}")
