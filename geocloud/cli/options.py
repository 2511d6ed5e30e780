"""Options that several commands have, and the parsing of their values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import click
from click.shell_completion import CompletionItem

from geocloud.datasets.folder import read_names
from geocloud.datasets.labels import Fit, LabelCodes
from geocloud.datasets.split import Part
from geocloud.evaluation.samples import DataOptions
from geocloud.models.registry import DEFAULT_MODEL, model_names
from geocloud.readers.reader import MAX_PIXELS, SceneOptions


def names(_context: click.Context, _option: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    """`a,b` and `c` as ("a", "b", "c")."""
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


def numbers(_context: click.Context, option: click.Parameter, value: str | None) -> tuple[int, ...]:
    """`192,255` as (192, 255); no value as ()."""
    try:
        return tuple(int(part) for part in (value or "").split(",") if part.strip())
    except ValueError as error:
        raise click.BadParameter(f"{value!r} must be whole numbers separated by commas", param=option) from error


READING_OPTIONS = ("bands", "scale", "offset", "allow_external", "max_pixels")
"""Names of the options of `reading_options`, as in SceneOptions."""
SCENE_OPTIONS = (*READING_OPTIONS, "nodata", "time")
"""Names of the options of `scene_options`, as in SceneOptions."""
F = TypeVar("F", bound=Callable[..., Any])


class BandList(click.ParamType):  # type: ignore[type-arg]
    """`blue=1,green=2,red=B04` as a dict of band numbers, or of the scene's names of bands."""

    name = "bands"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's own
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> dict[str, int | str]:
        """Parse the text; click's usage error if it has another form."""
        if isinstance(value, dict):
            return value
        try:
            pairs = [part.split("=", 1) for part in value.split(",")]
            return {name.strip().lower(): _number_or_name(text.strip()) for name, text in pairs}
        except ValueError:
            self.fail(f"{value!r} is not of the form blue=1,green=2,red=3,nir=4", param, ctx)


def _number_or_name(text: str) -> int | str:
    """The number of a band, or the scene's name of it; ValueError if it is empty."""
    if not text:
        raise ValueError("a band has a number or a name")
    return int(text) if text.isdigit() else text


class ModelName(click.ParamType):  # type: ignore[type-arg]
    """Name of a model, a model folder, or an ONNX file; the shell's Tab key completes names."""

    name = "model"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Complete names of models, or else paths."""
        names = [name for name in model_names() if name.startswith(incomplete)]
        return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]


class Threshold(click.ParamType):  # type: ignore[type-arg]
    """A number, or the name of a rule."""

    name = "threshold"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:  # noqa: ANN401, ARG002
        """A float if the text is a number, else the text."""
        try:
            return float(value)
        except ValueError:
            return str(value)


model_option = click.option(
    "--model",
    type=ModelName(),
    default=DEFAULT_MODEL,
    show_default=True,
    help="Name of a model, a model folder, or an ONNX file.",
)


def scene_options(function: F) -> F:
    """Add --bands, --scale, --offset, --nodata, --time, --max-pixels and --allow-external."""
    nodata = click.option(
        "--nodata", type=float, help="Digital number that means no data, in every band; default: as the scene says."
    )
    time = click.option(
        "--time",
        metavar="DATE",
        help="Which time of a Zarr or netCDF: a date, the beginning of one, or its number, counted from 0.",
    )
    return time(nodata(reading_options(function)))


class BoundsText(click.ParamType):  # type: ignore[type-arg]
    """`minx,miny,maxx,maxy` as four numbers."""

    name = "bounds"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's own
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[float, ...]:
        """Parse the text; click's usage error if it has another form."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(part) for part in value.split(","))
        except ValueError:
            numbers = ()
        if len(numbers) != 4:
            self.fail(f"{value!r} is not of the form minx,miny,maxx,maxy", param, ctx)
        return numbers


def area_options(function: F) -> F:
    """Add --aoi and --bounds."""
    for option in (
        click.option(
            "--bounds", type=BoundsText(), metavar="MINX,MINY,MAXX,MAXY", help="Only this box, in the scene's own CRS."
        ),
        click.option(
            "--aoi",
            metavar="FILE|W,S,E,N",
            help="Only this area: polygons in any vector format and CRS, or a box in degrees.",
        ),
    ):
        function = option(function)
    return function


def reading_options(function: F) -> F:
    """Add --bands, --scale, --offset, --max-pixels and --allow-external, for a command with a --nodata of its own."""
    for option in (
        click.option(
            "--allow-external",
            is_flag=True,
            help="Allow a local STAC item or VRT to name files outside its own folder.",
        ),
        click.option(
            "--max-pixels", type=click.IntRange(1), default=MAX_PIXELS, help="Refuse scenes with more pixels."
        ),
        click.option("--offset", type=float, help="See --scale."),
        click.option(
            "--scale", type=float, help="Reflectance = DN * scale + offset; default: from the scene's metadata."
        ),
        click.option(
            "--bands", type=BandList(), help="Band numbers, as in blue=1,green=2,red=3,nir=4, or names: blue=B02,..."
        ),
    ):
        function = option(function)
    return function


def as_scene_options(**given: Any) -> SceneOptions:  # noqa: ANN401 - click's own values
    """The values of the scene options as SceneOptions; UsageError if they contradict each other."""
    return SceneOptions(**{**given, "bands": given.get("bands") or {}})


def take_scene_options(given: dict[str, Any], names: Sequence[str] = SCENE_OPTIONS) -> SceneOptions:
    """Take the scene options out of a command's values; `names` is READING_OPTIONS if it has its own --nodata."""
    return as_scene_options(**{name: given.pop(name) for name in names})


CommandFunction = TypeVar("CommandFunction", bound=Callable[..., Any])
device_option = click.option(
    "--device",
    type=click.Choice(("auto", "cpu", "cuda", "mps")),
    default="auto",
    show_default=True,
    help="Where the network runs.",
)
_TAGS = (
    click.option(
        "--cloudy",
        multiple=True,
        callback=names,
        metavar="NAME,...",
        help="Subfolders of cloudy pictures [those named cloud...].",
    ),
    click.option(
        "--labels",
        type=click.Path(path_type=Path),
        default=None,
        help="Folder of label rasters, matched by stem [`labels` beside `images`].",
    ),
    click.option("--cloud-codes", callback=numbers, metavar="N,...", help="Label codes of cloud [all above 0]."),
    click.option("--ignore-codes", callback=numbers, metavar="N,...", help="Label codes to leave out."),
)


def _scene_names(_context: click.Context, _option: click.Parameter, path: Path | None) -> tuple[str, ...]:
    """The names of scenes in a file; () without one."""
    return () if path is None else read_names(path)


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
without_option = click.option(
    "--without",
    type=_FILE,
    callback=_scene_names,
    metavar="FILE",
    help="Text file with the names of scenes to leave out, one per line.",
)
_OPTIONS = (
    click.option(
        "--only",
        type=_FILE,
        callback=_scene_names,
        metavar="FILE",
        help="Text file with the names of scenes to use, one per line [all].",
    ),
    without_option,
    click.option("--folders", multiple=True, callback=names, metavar="NAME,...", help="Subfolders to use [all]."),
    click.option(
        "--fit",
        type=click.Choice(get_args(Fit)),
        default=None,
        help="Resize pictures to one patch, or score them at their own size [by the model].",
    ),
    click.option(
        "--part",
        type=click.Choice(get_args(Part)),
        default="all",
        show_default=True,
        help="Use only the files that a training with the same --held-out and --seed used, or held out.",
    ),
    click.option("--held-out", type=float, default=0.3, show_default=True, help="See --part."),
    click.option("--seed", type=int, default=0, show_default=True, help="See --part."),
    click.option("--threads", type=click.IntRange(min=1), default=None, help="Scoring threads [one per core]."),
)


def tag_options(command: CommandFunction) -> CommandFunction:
    """Add --cloudy, --labels, --cloud-codes and --ignore-codes, which say what is cloudy."""
    for option in reversed(_TAGS):
        command = option(command)
    return command


def data_options(command: CommandFunction) -> CommandFunction:
    """Add all options of a labelled data set."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return scene_options(tag_options(command))


def take_data_options(given: dict[str, Any], *, masks: bool = False) -> DataOptions:
    """Take the options of `data_options` out of a command's values."""
    codes = LabelCodes(given.pop("cloud_codes"), given.pop("ignore_codes"))
    taken = {
        name: given.pop(name)
        for name in ("folders", "cloudy", "labels", "fit", "only", "without", "part", "held_out", "seed", "threads")
    }
    scene = take_scene_options(given)
    return DataOptions(codes=codes, scene=scene, masks=masks, **taken)
