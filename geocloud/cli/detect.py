"""`geocloud detect`."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import click
from click.core import ParameterSource

from geocloud.calibration import Probability
from geocloud.classes import CODES, EncodingName
from geocloud.cli.common import arrow, check_projections, examples, short_name, shortage
from geocloud.cli.main import Command, OutputOption, WordOption, shell
from geocloud.cli.options import Threshold, area_options, model_option, names, scene_options, take_scene_options
from geocloud.cli.reporter import Reporter
from geocloud.errors import Cancelled, GeocloudError, UsageError
from geocloud.geometry.shapes import Outline
from geocloud.models.registry import load_scorer
from geocloud.pipeline.detection import Detection, DetectOptions
from geocloud.pipeline.outputs import OUTPUTS, output_paths
from geocloud.pipeline.places import check_scenes, check_stems, mask_files, outputs_name
from geocloud.progress import Warn
from geocloud.readers.dispatch import scenes_in
from geocloud.scorers.contract import Scorer
from geocloud.verbs.detect import detect as detect_scene
from geocloud.writers.vectors import VectorFormat

F = TypeVar("F", bound=Callable[..., Any])


def output_flags(function: F) -> F:
    """Add an option for each output that is written on request."""
    for kind in reversed(OUTPUTS):
        if kind.help and not kind.word:
            flag = f"--{kind.key.replace('_', '-')}"
            function = click.option(flag, cls=OutputOption, is_flag=True, help=kind.help)(function)
    words = {kind.word: kind for kind in OUTPUTS if kind.word}
    meanings = "; ".join(f"{word}: {kind.help}" for word, kind in words.items())
    return click.option(
        "--score", cls=WordOption, type=click.Choice(list(words)), multiple=True, metavar=f"[{'|'.join(words)}]",
        help=f"Also write a raster of scores. {meanings} [{next(iter(words))}].",
    )(function)  # fmt: skip


def asked_outputs(given: dict[str, Any]) -> dict[str, bool]:
    """Key of each output that is written on request -> whether the user asks for it."""
    kinds = [kind for kind in OUTPUTS if kind.help]
    return {kind.key: kind.word in given["score"] if kind.word else given.get(kind.key, False) for kind in kinds}


DEFAULT_OUT = Path("clouds")
"""Default folder of outputs: in the working directory, since a scene may be on a server."""
NAMED = ("mask", "polygons", "score", "class_scores", "uncertainty", "clear_sky")
"""Keys of the outputs with an option that names their file."""
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(
    cls=Command,
    epilog=examples(
        "geocloud detect scene.tif",
        "geocloud detect *.tif --out masks --min-area 10000 --polygons gpkg",
        "geocloud detect picture.tif --bands red=1,green=2,blue=3 --scale 0.0001",
    ),
)
@click.argument("scenes", metavar="SCENE...", nargs=-1, required=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the outputs [clouds].")
@model_option
@scene_options
@area_options
@click.option(
    "--probability",
    type=float,
    metavar="P",
    help="Threshold in P(cloud), 0 to 1, for every model: higher finds less cloud. Default: 0.5, the model's own.",
)
@click.option(
    "--threshold", type=Threshold(), help="For experts: threshold in the model's own unit, or a rule of its card."
)
@click.option("--min-area", type=click.FloatRange(0), default=0.0, help="Leave out clouds smaller than this many m².")
@output_flags
@click.option(
    "--polygons",
    type=click.Choice(get_args(VectorFormat)),
    default="geojson",
    show_default=True,
    help="Format of the polygons.",
)
@click.option(
    "--outline",
    type=click.Choice(get_args(Outline)),
    default="pixel",
    show_default=True,
    help="Outline of the polygons: along pixel edges, or smooth, interpolated between pixel centres.",
)
@click.option("--pixel-polygons", is_flag=True, help="Write polygons in pixel coordinates if there is no georeference.")
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
    help=f"Classes of the mask: {', '.join(CODES)} [cloud].",
)
@click.option("--dilate", type=click.IntRange(0), default=0, help="Grow clouds by this many pixels.")
@click.option(
    "--resolution",
    type=float,
    help="Pixel size in metres to score at; coarser is faster. Default: the coarsest the model was validated for.",
)
@click.option("--mask-file", type=_FILE, help="For one scene: path of the mask.")
@click.option("--polygons-file", type=_FILE, help="For one scene: path of the polygons.")
@click.option("--score-file", type=_FILE, help="For one scene: path of the P(cloud) raster.")
@click.option("--class-scores-file", type=_FILE, help="For one scene: path of the raster of class probabilities.")
@click.option("--uncertainty-file", type=_FILE, help="For one scene: path of the uncertainty raster.")
@click.option("--clear-sky-file", type=_FILE, help="For one scene: path of the estimate of the ground.")
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
    help="bf16 is faster; auto uses it if model and processor allow it.",
)
@click.option("--threads", type=click.IntRange(1), help="Scoring threads; default: one per core.")
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
@shell(watch=True)
def detect(reporter: Reporter, scenes: tuple[str, ...], **given: Any) -> int:  # noqa: ANN401 - click's own values
    """Find the clouds of one or more scenes.

    For each SCENE it writes STEM_cloudmask.tif (0 clear, 1 cloud, 255 nodata) and STEM_clouds.geojson into the folder
    `clouds`, or that of --out, and prints one line, or one JSON object if stdout is a pipe.
    """
    scenes = tuple(inner for scene in scenes for inner in scenes_in(scene))
    out, options = _outputs(scenes, given), take_detect_options(given)
    if isinstance(out, Path) and len(scenes) > 1:
        paths = [output_paths(out, outputs_name(scene), options) for scene in scenes]
        check_scenes(scenes, (path for one in paths for path in (*mask_files(one), *one.values())))
    return _run(scenes, out, options, reporter)


def take_detect_options(given: dict[str, Any]) -> DetectOptions:
    """The options of the command as DetectOptions."""
    return DetectOptions(
        model=given["model"],
        scene=take_scene_options(given),
        aoi=given["aoi"],
        bounds=given["bounds"],
        threshold=_threshold(given),
        min_area=given["min_area"],
        polygons=given["polygons"],
        outline=given["outline"],
        pixel_polygons=given["pixel_polygons"],
        **asked_outputs(given),
        encoding=given["encoding"],
        classes=given["classes"],
        dilate=given["dilate"],
        resolution=given["resolution"],
        overwrite=given["overwrite"],
        device=given["device"],
        precision=given["precision"],
        threads=given["threads"],
    )


def _threshold(given: dict[str, Any]) -> float | str | Probability | None:
    """The value of --threshold or --probability; UsageError for both."""
    if given["probability"] is None:
        return cast("float | str | None", given["threshold"])
    if given["threshold"] is not None:
        raise UsageError("--threshold and --probability both set the threshold; give one of them")
    return Probability(given["probability"])


def _run(scenes: tuple[str, ...], out: Path | dict[str, Path], options: DetectOptions, reporter: Reporter) -> int:
    """Detect in all scenes, one after another; returns the exit code. A scene that fails does not stop the others."""
    check_projections()
    scorer: Scorer = load_scorer(options.model, options.device, options.precision)
    done: list[Detection] = []
    failed: list[int] = []
    for scene in scenes:
        reporter.start(scene)
        try:
            detection = detect_scene(scene, out, options, scorer=scorer, progress=reporter.progress)
        except Cancelled:
            raise
        except Exception as error:
            problem = shortage(error, scene) or error
            if not isinstance(problem, GeocloudError):
                raise
            reporter.failure(problem, scene)
            failed.append(problem.exit_code)
            continue
        if any(detection.mask_path == earlier.mask_path for earlier in done):  # the name of a remote item is its id
            collision = UsageError(
                f"{scene} has the same name as an earlier scene, so {detection.mask_path.name} was kept; run it into "
                "another folder"
            )
            reporter.failure(collision, scene)
            failed.append(collision.exit_code)
            continue
        done.append(detection)
        reporter.result(detection.summary(), _sentence(scene, detection), _details(detection))
    if len(scenes) > 1:
        reporter.total(_total(done, failed))
        return int(bool(failed))
    return failed[0] if failed else 0


def _outputs(scenes: tuple[str, ...], given: dict[str, Any]) -> Path | dict[str, Path]:
    """The folder of the outputs, or the path of each output of one scene; UsageError if options or names collide."""
    if given["mask_file"] is not None:
        if len(scenes) > 1 or given["out"] is not None:
            raise UsageError("--mask-file names the output of one scene, without --out; for several give --out DIR")
        return _named(given)
    for key in NAMED[1:]:
        if given[f"{key}_file"] is not None:
            raise UsageError(f"--{key.replace('_', '-')}-file needs --mask-file; give both, or --out DIR instead")
    out = given["out"] or DEFAULT_OUT
    check_stems([(scene, outputs_name(scene)) for scene in scenes], out)
    return cast("Path", out)


def _named(given: dict[str, Any]) -> dict[str, Path]:
    """Key -> path of each output of one scene; UsageError for an output that is asked for and has no path."""
    files = {key: given[f"{key}_file"] for key in NAMED}
    has_format = click.get_current_context().get_parameter_source("polygons") is ParameterSource.COMMANDLINE
    if has_format and given["polygons"] != "none" and files["polygons"] is None:
        raise UsageError("--polygons is the format in --out DIR; beside --mask-file name the file with --polygons-file")
    files["stac"] = given["mask_file"].with_suffix(".json") if given["stac"] else None
    for key, asked in asked_outputs(given).items():
        if asked and key not in files:
            raise UsageError(f"--{key} is only written into --out DIR; leave out --mask-file")
        if asked and files[key] is None:
            option = next(f"score {kind.word}" if kind.word else key for kind in OUTPUTS if kind.key == key)
            raise UsageError(
                f"--{option.replace('_', '-')} is written into --out DIR; beside --mask-file name its file with "
                f"--{key.replace('_', '-')}-file"
            )
    return {key: path for key, path in files.items() if path is not None}


def _sentence(scene: str, result: Detection) -> str:
    """The result of a scene as a line for a person."""
    cover = "no valid pixels" if math.isnan(result.cloud_cover) else f"{result.cloud_cover:.1f} % cloud"
    if result.class_cover:
        others = {name: percent for name, percent in result.class_cover.items() if name not in ("clear", "cloud")}
        cover += f" ({', '.join(f'{name} {percent:.1f}' for name, percent in others.items())})"
    if result.polygon_count is not None:
        cover += f", {result.polygon_count} polygon" + ("" if result.polygon_count == 1 else "s")
    if result.kept:
        cover += ", kept from an earlier run (--overwrite makes it anew)"
    return f"{short_name(scene)}: {cover} {arrow()} {result.mask_path}"


def _details(result: Detection) -> str:
    """What --verbose adds to the line."""
    files = [result.files[kind.key].name for kind in OUTPUTS if kind.key != "mask" and kind.key in result.files]
    also = f"; also {', '.join(files)}" if files else ""
    return f"model {result.model}, threshold {result.threshold:.4g} ({result.rule}), {result.seconds:.1f} s{also}"


def _total(done: list[Detection], failed: list[int]) -> str:
    """The line below the results of several scenes."""
    covers = [one.cloud_cover for one in done if not math.isnan(one.cloud_cover)]
    warned = sum(any(isinstance(note, Warn) for note in one.notes) for one in done)
    parts = [f"{len(done) + len(failed)} scenes"]
    parts += [f"mean {sum(covers) / len(covers):.1f} % cloud"] if covers else []
    parts += [f"{warned} with a warning"] if warned else []
    parts += [f"{len(failed)} failed"] if failed else []
    return ", ".join(parts)
