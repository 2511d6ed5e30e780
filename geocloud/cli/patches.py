"""`geocloud patches`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from geocloud.cli.common import arrow, examples, short_name
from geocloud.cli.main import Command, shell
from geocloud.cli.options import as_scene_options, scene_options
from geocloud.cli.reporter import Reporter
from geocloud.errors import without_secrets
from geocloud.verbs.patches import PatchOptions, write_patches


@click.command(cls=Command, epilog=examples("geocloud patches scene.tif --out patches"))
@click.argument("scene")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the patches.")
@scene_options
@click.option("--overwrite", is_flag=True, help="Replace existing patches.")
@shell()
def patches(reporter: Reporter, scene: str, out: Path, *, overwrite: bool, **given: Any) -> None:  # noqa: ANN401
    """Write the patches of SCENE, 64 x 64 pixels each, as georeferenced GeoTIFFs; wholly nodata ones are left out."""
    count = write_patches(scene, out, PatchOptions(as_scene_options(**given), overwrite))
    record = {"scene": without_secrets(scene), "out": str(out), "patches": count}
    reporter.result(record, f"{short_name(scene)}: {count} patches {arrow()} {out}")
