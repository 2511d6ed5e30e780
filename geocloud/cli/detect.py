"""`geocloud detect`."""

from __future__ import annotations

import signal
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, cast, get_args

import click

from geocloud.classes import ClassName, EncodingName
from geocloud.cli.common import check_projections, examples, one_sentence, shortage
from geocloud.cli.options import Threshold, model_option, names, scene_options, take_scene_options
from geocloud.cli.reporter import Reporter, make_reporter, watch_options
from geocloud.errors import Cancelled, GeocloudError, UsageError
from geocloud.models.registry import load_scorer
from geocloud.pipeline.detection import OutputPaths
from geocloud.pipeline.options import DetectOptions
from geocloud.readers.reader import scene_name
from geocloud.scorers.contract import Scorer
from geocloud.verbs.detect import detect as detect_scene
from geocloud.writers.vectors import VectorFormat, vector_format


@click.command(
    epilog=examples(
        "geocloud detect scene.tif --out clouds",
        "geocloud detect *.tif --out clouds --min-area 10000 --polygons gpkg",
        "geocloud detect picture.tif --bands red=1,green=2,blue=3 --scale 0.0001 --out clouds",
    )
)
@click.argument("scenes", metavar="SCENE...", nargs=-1, required=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the outputs.")
@model_option
@scene_options
@click.option("--threshold", type=Threshold(), help="Raw score, or a rule of the model's card; default: the card's.")
@click.option("--min-area", type=click.FloatRange(0), default=0.0, help="Leave out clouds smaller than this many m².")
@click.option("--score", is_flag=True, help="Write P(cloud) as a raster too.")
@click.option(
    "--polygons",
    type=click.Choice(get_args(VectorFormat)),
    default="geojson",
    show_default=True,
    help="Format of the polygons.",
)
@click.option("--pixel-polygons", is_flag=True, help="Polygons in pixel coordinates where there is no georeference.")
@click.option("--quicklook", is_flag=True, help="Write a PNG of scene and mask side by side too.")
@click.option("--stac", is_flag=True, help="Write a STAC item beside the mask too.")
@click.option(
    "--encoding",
    type=click.Choice(get_args(EncodingName)),
    default="geocloud",
    show_default=True,
    help="Codes of the mask.",
)
@click.option(
    "--classes",
    multiple=True,
    default=("cloud",),
    callback=names,
    metavar="NAME,...",
    help=f"Classes of the mask: {', '.join(get_args(ClassName))} [cloud].",
)
@click.option("--clear-sky", is_flag=True, help="Write an estimate of the ground without cloud as a raster too.")
@click.option("--dilate", type=click.IntRange(0), default=0, help="Grow clouds by this many pixels.")
@click.option(
    "--resolution",
    type=float,
    help="Metres a pixel to score at; coarser is faster. By default as coarse as the model loses little by.",
)
@click.option("--mask-file", type=click.Path(dir_okay=False, path_type=Path), help="One scene: the mask's path.")
@click.option("--polygons-file", type=click.Path(dir_okay=False, path_type=Path), help="One scene: the polygons' path.")
@click.option("--score-file", type=click.Path(dir_okay=False, path_type=Path), help="One scene: the score's path.")
@click.option(
    "--device",
    type=click.Choice(("auto", "cpu", "cuda", "mps")),
    default="auto",
    show_default=True,
    help="Where the network runs.",
)
@click.option(
    "--precision",
    type=click.Choice(("auto", "fp32", "bf16")),
    default="auto",
    show_default=True,
    help="bf16 is quicker; auto takes it where the model and the machine allow it.",
)
@click.option("--threads", type=click.IntRange(1), help="Scoring threads; default: one a core.")
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
@watch_options
@one_sentence
def detect(scenes: tuple[str, ...], **given: Any) -> None:  # noqa: ANN401 - click's own values
    """Find the clouds of one or more scenes.

    For each SCENE it writes STEM_cloudmask.tif (0 clear, 1 cloud, 255 nodata) and STEM_clouds.geojson into --out, and
    prints one summary, as a JSON line where stdout is not a terminal.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    reporter = make_reporter(given["progress"], stop_on_stdin_eof=given["stop_on_stdin_eof"])
    try:
        code = _run(scenes, _outputs(scenes, given), take_detect_options(given), reporter)
    except GeocloudError as error:  # before the first scene: a program that listens hears of it too
        reporter.failure("", error)
        code = error.exit_code
    finally:
        reporter.close()
    sys.exit(code)


def take_detect_options(given: dict[str, Any]) -> DetectOptions:
    """The command's options as the verb takes them."""
    return DetectOptions(
        model=given["model"],
        scene=take_scene_options(given),
        threshold=given["threshold"],
        min_area=given["min_area"],
        polygons=_polygon_format(given),
        pixel_polygons=given["pixel_polygons"],
        score=given["score"],
        quicklook=given["quicklook"],
        stac=given["stac"],
        encoding=given["encoding"],
        classes=given["classes"],
        clear_sky=given["clear_sky"],
        dilate=given["dilate"],
        resolution=given["resolution"],
        overwrite=given["overwrite"],
        device=given["device"],
        precision=given["precision"],
        threads=given["threads"],
    )


def _run(scenes: tuple[str, ...], out: Path | OutputPaths, options: DetectOptions, reporter: Reporter) -> int:
    """All scenes in turn; the exit code. One that fails does not stop the others."""
    check_projections()
    scorer: Scorer = load_scorer(options.model, options.device, options.precision)
    failed: list[tuple[str, int]] = []
    for scene in scenes:
        try:
            reporter.start(scene)
            result = detect_scene(scene, out, options, scorer=scorer, progress=reporter.progress)
            summary = result.summary()
            reporter.result(summary, _sentence(summary))
        except (Cancelled, KeyboardInterrupt):
            reporter.failure(scene, Cancelled("cancelled"))
            return Cancelled.exit_code
        except Exception as error:
            problem = shortage(error, scene) or error
            if not isinstance(problem, GeocloudError):
                raise
            reporter.failure(scene, problem)
            failed.append((scene, problem.exit_code))
    if failed and len(scenes) > 1:
        names = ", ".join(scene for scene, _ in failed)
        click.echo(f"{len(failed)} of {len(scenes)} scenes failed: {names}", err=True)
        return 1
    return failed[0][1] if failed else 0


def _outputs(scenes: tuple[str, ...], given: dict[str, Any]) -> Path | OutputPaths:
    """The folder, or the named files of one scene; UsageError where neither or both are given, or stems collide."""
    if given["mask_file"] is not None:
        if len(scenes) > 1 or given["out"] is not None:
            raise UsageError("--mask-file names the output of one scene, without --out; for several give --out DIR")
        if given["quicklook"]:
            raise UsageError("--quicklook is written into --out DIR; leave out --mask-file")
        if given["clear_sky"]:
            raise UsageError("--clear-sky is written into --out DIR; leave out --mask-file")
        polygons = given["polygons_file"] or given["mask_file"].with_suffix(".geojson")
        item = given["mask_file"].with_suffix(".json") if given["stac"] else None
        return OutputPaths(given["mask_file"], polygons, given["score_file"], item=item)
    if given["polygons_file"] is not None or given["score_file"] is not None:
        raise UsageError("--polygons-file and --score-file go with --mask-file; or give --out DIR")
    if given["out"] is None:
        raise UsageError("where to? give --out DIR, or --mask-file for one scene")
    by_name = defaultdict(list)
    for scene in scenes:
        by_name[scene_name(scene)].append(scene)
    for name, same in by_name.items():
        if len(same) > 1:
            raise UsageError(
                f"{same[0]} and {same[1]} would both write {name}_cloudmask.tif; run them into two folders"
            )
    return Path(given["out"])


def _polygon_format(given: dict[str, Any]) -> VectorFormat:
    """As chosen; with --mask-file the suffix of --polygons-file decides, and without that there are none."""
    if given["mask_file"] is None:
        return cast("VectorFormat", given["polygons"])
    if given["polygons_file"] is None:
        return "none"
    return vector_format(given["polygons_file"])


def _sentence(summary: dict[str, Any]) -> str:
    """A scene's summary for a person."""
    if summary["kept"]:
        return f"{summary['mask']} exists and is kept (--overwrite replaces it)"
    percent = summary["cloud_percent"]
    cover = "no valid pixels" if percent is None else f"{percent:.1f} % cloud"
    count = summary["polygon_count"]
    polygons = "" if count is None else f", {count} polygon{'s' * (count != 1)}"
    return (
        f"{summary['mask']}: {cover}{polygons}; model {summary['model']}, threshold {summary['threshold']:.4g} "
        f"({summary['threshold_rule']}), {summary['seconds']:.1f} s"
    )
