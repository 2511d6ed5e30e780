"""Options of the commands that score labelled data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from geocloud.cli.lists import names, numbers
from geocloud.cli.options import scene_options, take_scene_options
from geocloud.readers.labels import LabelCodes
from geocloud.readers.names import read_names
from geocloud.training.data import Fit
from geocloud.training.split import Part
from geocloud.verbs.samples import DataOptions

Command = TypeVar("Command", bound=Callable[..., Any])
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
        help="Subfolders that show cloud [those named cloud...].",
    ),
    click.option(
        "--labels",
        type=click.Path(path_type=Path),
        default=None,
        help="Folder of label rasters, matched by stem [`labels` beside `images`].",
    ),
    click.option("--cloud-codes", callback=numbers, metavar="N,...", help="Label codes of cloud [all above 0]."),
    click.option("--ignore-codes", callback=numbers, metavar="N,...", help="Label codes that are not measured."),
)


def _scene_names(_context: click.Context, _option: click.Parameter, path: Path | None) -> tuple[str, ...]:
    """The names in a file."""
    return () if path is None else read_names(path)


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
without_option = click.option(
    "--without",
    type=_FILE,
    callback=_scene_names,
    metavar="FILE",
    help="Text file of the names of scenes to leave out, one a line.",
)
_OPTIONS = (
    click.option(
        "--only",
        type=_FILE,
        callback=_scene_names,
        metavar="FILE",
        help="Text file of the names of scenes to use [all].",
    ),
    without_option,
    click.option("--classes", multiple=True, callback=names, metavar="NAME,...", help="Subfolders to use [all]."),
    click.option(
        "--fit",
        type=click.Choice(get_args(Fit)),
        default=None,
        help="Pictures resized to one patch, or at their own pixels [by the model].",
    ),
    click.option(
        "--part",
        type=click.Choice(get_args(Part)),
        default="all",
        show_default=True,
        help="Only the files that a training with the same --held-out and --seed saw, or held out.",
    ),
    click.option("--held-out", type=float, default=0.3, show_default=True, help="See --part."),
    click.option("--seed", type=int, default=0, show_default=True, help="See --part."),
    click.option("--threads", type=click.IntRange(min=1), default=None, help="Scoring threads [one a core]."),
)


def tag_options(command: Command) -> Command:
    """What tells clear from cloudy: names of subfolders, or label rasters and their codes."""
    for option in reversed(_TAGS):
        command = option(command)
    return command


def data_options(command: Command) -> Command:
    """All of them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return scene_options(tag_options(command))


def take_data_options(given: dict[str, Any], *, masks: bool = False) -> DataOptions:
    """Take them out of a command's values."""
    codes = LabelCodes(given.pop("cloud_codes"), given.pop("ignore_codes"))
    taken = {
        name: given.pop(name)
        for name in ("classes", "cloudy", "labels", "fit", "only", "without", "part", "held_out", "seed", "threads")
    }
    scene = take_scene_options(given)
    return DataOptions(codes=codes, scene=scene, masks=masks, **taken)
