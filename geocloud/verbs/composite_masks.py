"""What a composite needs of each scene before its parts are made: a mask, and pixels fetched over a network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from geocloud.errors import ModelError
from geocloud.models.registry import shared_scorer
from geocloud.pipeline.detection import DetectOptions
from geocloud.pipeline.outputs import MASK_SUFFIX
from geocloud.progress import Progress
from geocloud.raster import Georef, Window
from geocloud.readers import Source
from geocloud.readers.area import AREA_TAG
from geocloud.readers.dispatch import open_silently
from geocloud.readers.masks import MaskFile
from geocloud.readers.reader import SceneReader
from geocloud.readers.scenes.band_subset import KeptOpen
from geocloud.readers.scenes.read_once import Fetched, ReadOnce, rooms_of
from geocloud.readers.scenes.warped import Warp
from geocloud.scorers.contract import Scorer
from geocloud.series.mosaic import MaskPlace
from geocloud.series.stack import Stack
from geocloud.verbs.apply_mask import check_grid
from geocloud.verbs.detect import detect

T = TypeVar("T")
R = TypeVar("R")


class TaskMap(Protocol):
    """Does work on each of some tasks, here or elsewhere, and gives the results in their order, as `map` does."""

    def __call__(self, work: Callable[[T], R], tasks: Sequence[T], /) -> Iterable[R]:
        """The results, each as it is there."""


@dataclass(frozen=True, slots=True)
class MaskRecipe:
    """Where masks are, and how those that are not there are made."""

    folder: str | os.PathLike[str] | None
    """With NAME_cloudmask.tif of each scene; None: all are made."""
    options: DetectOptions
    scratch: Callable[[str], Path]
    """Gives the path of a file that goes when the run ends."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is there of a scene."""

    mask: MaskPlace
    fetched: Fetched | None
    """None: nothing, as the scene is on a disk, or opened by this process."""


@dataclass(frozen=True, slots=True)
class _Task:
    """A scene to be prepared, here or elsewhere."""

    source: Source
    mask: MaskPlace | None
    """None: to be made."""
    folder: Path
    options: DetectOptions
    room: tuple[Path, float] | None
    """The file to keep what is fetched, and the bytes it may take; None: nothing is kept."""
    window: Window | None
    """Of the scene's own pixels what the composite needs."""
    bands: tuple[str, ...]
    """What it needs of them."""


def prepare(  # noqa: PLR0913, PLR0917 - one step of `composite`, with all that it holds
    stack: Stack,
    sources: Sequence[Source],
    recipe: MaskRecipe,
    limit: Window,
    scorer: Scorer | None,
    tasks: TaskMap | None,
    progress: Progress,
) -> list[Prepared]:
    """The mask of each scene of a stack, as found in the folder, else made into scratch.

    With `tasks` a scene on a network is fetched by the same task, so that no other process fetches it again.
    """
    rooms = [None] * len(sources) if tasks is None else rooms_of(stack.scenes, recipe.scratch)
    done: dict[int, Prepared] = {}
    left: dict[int, _Task] = {}
    for number, (scene, source, room) in enumerate(zip(stack.scenes, sources, rooms, strict=True)):
        mask = _find_mask(scene, recipe)
        if mask is not None and room is None:
            done[number] = Prepared(mask, None)
            continue
        shown = source if tasks is not None else KeptOpen(scene, scene.bands)
        window = source_window(scene.georef, stack.georef, limit)
        folder = recipe.scratch(f"mask-{number}")
        left[number] = _Task(shown, mask, folder, recipe.options, room, window, stack.bands)
    work = partial(_prepare, scorer=scorer)
    for number, prepared in zip(left, (tasks or map)(work, list(left.values())), strict=True):
        done[number] = prepared
        progress(len(done) - len(stack.scenes) + len(left), len(left), "inference")
    return [done[number] for number in range(len(stack.scenes))]


def _find_mask(scene: SceneReader, recipe: MaskRecipe) -> MaskPlace | None:
    """A scene's mask in the folder; InputError where it is neither of the scene nor of an area of it."""
    path = None if recipe.folder is None else Path(recipe.folder) / f"{scene.name}{MASK_SUFFIX}.tif"
    if path is None or not path.exists():
        return None
    with MaskFile(path) as mask:
        if AREA_TAG not in mask.tags:
            check_grid(scene.source, scene.georef, mask)
    score = path.with_name(f"{scene.name}_cloudscore.tif")
    return MaskPlace(path, score if recipe.options.score and score.exists() else None)


def source_window(own: Georef, grid: Georef, window: Window) -> Window | None:
    """What of a scene's own pixels a window of the grid needs; None where they do not touch."""
    return Warp(own, grid).source_window(window) if own.located and grid.located else window


def _prepare(task: _Task, scorer: Scorer | None) -> Prepared:
    """Make a mask where there is none, and keep what the composite reads of a scene on a network."""
    if task.room is None:
        return Prepared(task.mask or _make_mask(task.source, task, scorer), None)
    with open_silently(task.source, task.options.scene) as scene:
        once = ReadOnce(scene, *task.room)
        mask = task.mask or _make_mask(once, task, scorer)
        if task.window is not None:
            once.fetch(task.window, task.bands)
        return Prepared(mask, once.fetched)


def _make_mask(source: Source, task: _Task, scorer: Scorer | None) -> MaskPlace:
    """A mask of cloud and shadow; of cloud alone where the model cannot tell shadow."""
    scorer = scorer or shared_scorer(task.options.model, task.options.device)
    try:
        made = detect(source, task.folder, task.options, scorer=scorer)
    except ModelError:
        made = detect(source, task.folder, replace(task.options, classes=("cloud",)), scorer=scorer)
    return MaskPlace(made.mask_path, made.files.get("score"))
