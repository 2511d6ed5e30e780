"""Composite: one cloud-free image from several dates."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path

from geocloud.errors import InputError, UsageError
from geocloud.models.registry import DEFAULT_MODEL
from geocloud.pipeline.detection import DetectOptions
from geocloud.pipeline.places import area_files, model_files, scene_files
from geocloud.progress import Progress, no_progress, tell
from geocloud.raster import Window
from geocloud.readers import SceneOptions, Source, open_scene
from geocloud.readers.area import AREA_TAG, AreaSource, Box, find_area, frame_of_window
from geocloud.readers.masks import MaskFile, mask_folder
from geocloud.readers.reader import window_georef
from geocloud.readers.scenes.read_once import Fetched, read_once
from geocloud.scorers.contract import Scorer
from geocloud.series.compose import Method
from geocloud.series.mosaic import Mosaic, MosaicPart, StackRecipe, make_part, make_part_elsewhere, spool_of
from geocloud.series.stack import Stack, day_numbers, make_mosaic
from geocloud.verbs.composite_masks import MaskRecipe, TaskMap, prepare
from geocloud.version import __version__
from geocloud.writers.cog import RasterFormat
from geocloud.writers.stac import COG, Asset, ItemRecord, require_pystac, seen_from, write_item
from geocloud.writers.staging import Staging, check_outputs, has_tags, staged
from geocloud.writers.tiles import TileWriter

MOST_EMPTY = 10
"""Times as many pixels as the scenes have that the grid may have."""


@dataclass(frozen=True, slots=True)
class CompositeOptions:
    """How to compose; the defaults need nothing."""

    method: Method = "median"
    """`median`, `medoid`, `best` or `mean`; see geocloud.series.compose."""
    masks: str | os.PathLike[str] | None = None
    """Folder of masks, NAME_cloudmask.tif of each scene, and NAME_cloudscore.tif where there is one; masks that are
    missing, or all where None, are made first and not kept."""
    aoi: AreaSource | None = None
    """As of `detect`: the result is cut to the area, and what lies outside its polygons is nodata."""
    bounds: Box | None = None
    """The same as (west, south, east, north) in the CRS of the first scene."""
    model: str | os.PathLike[str] = DEFAULT_MODEL
    """For masks that are made."""
    scene: SceneOptions = field(default_factory=SceneOptions)
    """Bands, scale and offset where the scenes do not say."""
    stac: bool = False
    """Write a STAC item beside the result too."""
    overwrite: bool = False
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `mps`."""

    def __post_init__(self) -> None:
        """Wishes that contradict."""
        if self.aoi is not None and self.bounds is not None:
            raise UsageError("--aoi and --bounds are two ways to give an area; give one of them")


@dataclass(frozen=True, slots=True)
class Composite:
    """The result."""

    path: Path
    """float32 COG: the scenes' bands as reflectance, then `count` and `date`; NaN where no date was clear."""
    dates: tuple[str, ...]
    """The scenes' days, the earliest first, each once; empty texts where no scene tells its day."""
    filled_percent: float
    """Of the pixels that hold data on any date, those that were clear on one or more; NaN where none hold data."""
    item_path: Path | None = None
    """The STAC item, where it was asked for."""


def composite(
    scenes: Sequence[Source],
    out: str | os.PathLike[str],
    options: CompositeOptions | None = None,
    *,
    scorer: Scorer | None = None,
    tasks: TaskMap | None = None,
    progress: Progress = no_progress,
) -> Composite:
    """Write one image of several dates of one place, each pixel from dates on which it is clear.

    Clear is what a mask calls clear or snow. The result lies on the pixels of the first scene and covers all of them:
    scenes on other grids, as of another UTM zone, are resampled (bilinear, masks by the nearest pixel). The band
    `count` says how many dates were clear, `date` which one is shown, or is nearest to what is: days since 1970-01-01,
    or the scene's number from 1 where no scene tells its date. Memory grows neither with the scenes nor with their
    number.

    Args:
        scenes: one or more, of any grids; of one day also several, as neighbouring tiles.
        out: the GeoTIFF to write.
        options: how; defaults where None.
        scorer: a loaded model to use instead of `options.model`; not with `tasks`.
        tasks: where the work is done, as `geocloud.batch.cluster.tasks_on` of a Dask client; None: here. Scenes are
            named by paths or URLs then.
        progress: called as work goes on; may raise Cancelled.

    Raises:
        UsageError: a scene is given twice, or `out` exists or is no .tif.
        InputError: a mask is not on its scene's grid, no scene has data in the area, or the scenes lie far apart and
            no area is given.
        ModelError, OutputError: as detect.
    """
    options, target = options or CompositeOptions(), Path(out)
    outputs = _outputs(target, options)
    if tasks is not None:
        _names(scenes)
    check_outputs(outputs, chain(_mask_files(options), area_files(options.aoi)), overwrite=options.overwrite)
    with ExitStack() as files:
        opened = [files.enter_context(open_scene(scene, options.scene)) for scene in scenes]
        named = {id(reader): source for reader, source in zip(opened, scenes, strict=True)}
        stack = make_mosaic(opened)
        area = None
        if options.aoi is not None or options.bounds is not None:
            area = find_area(options.aoi, options.bounds, stack.georef, "the composite")
            stack = _touching(stack, area.window)
        else:
            _check_near(stack)
        sources = [named[id(scene)] for scene in stack.scenes]
        check_outputs(outputs, chain.from_iterable(map(scene_files, stack.scenes)), overwrite=options.overwrite)
        staging = files.enter_context(staged(target.stem))
        if tasks is None:  # elsewhere each process opens the scenes itself
            stack = replace(stack, scenes=read_once(stack.scenes, partial(staging.scratch, target)))
        days = list(dict.fromkeys(stack.days)) if all(stack.days) else [str(n) for n in range(len(stack.days))]
        dates = [days.index(day) for day in stack.days] if all(stack.days) else list(range(len(stack.days)))
        plan = Mosaic((), tuple(dates), tuple(day_numbers(stack.days, len(days))), options.method, area)
        limit = None if area is None else frame_of_window(spool_of(plan, stack).limit, stack.georef)
        wish = DetectOptions(
            model=options.model, scene=options.scene, device=options.device, polygons="none", aoi=limit,
            score=options.method in ("best", "mean"), classes=("cloud", "shadow"),
            threads=None if tasks is None else 1,
        )  # fmt: skip
        recipe = MaskRecipe(options.masks, wish, partial(staging.scratch, target))
        prepared = prepare(stack, sources, recipe, spool_of(plan, stack).limit, scorer, tasks, progress)
        plan = replace(plan, masks=tuple(one.mask for one in prepared))
        fetched = [one.fetched for one in prepared]
        filled = _write(plan, stack, sources, fetched, options, target, tasks, staging, progress)
        if options.stac:
            _write_item(outputs[1], target, plan, stack, staging)
        older = partial(filter, has_tags, [target.with_suffix(".json")]) if options.overwrite else tuple
        staging.commit(last=target, retired=older, overwrite=options.overwrite)
    shown, item = days if all(stack.days) else [""] * len(days), outputs[1] if options.stac else None
    return Composite(target, tuple(shown), filled, item)


def _outputs(target: Path, options: CompositeOptions) -> list[Path]:
    """What is written; UsageError for a suffix that is none of a GeoTIFF."""
    if target.suffix.lower() not in (".tif", ".tiff"):
        raise UsageError(f"{target} has the suffix {target.suffix or 'none'}; a GeoTIFF is written: name it .tif")
    if not options.stac:
        return [target]
    require_pystac()
    return [target, target.with_suffix(".json")]


def _mask_files(options: CompositeOptions) -> list[str]:
    """The files of the folder of masks, and of the model."""
    masks = [] if options.masks is None else [str(path) for path in mask_folder(options.masks).glob("*")]
    return [*masks, *model_files(options.model)]


def _touching(stack: Stack, window: Window) -> Stack:
    """The stack with those scenes alone that have pixels in a window of its grid; InputError where none has."""
    frame, kept = frame_of_window(window, stack.georef), []
    for number, scene in enumerate(stack.scenes):
        try:
            find_area(frame, None, scene.georef, scene.source)
        except InputError:
            tell(scene.source, ["it has no pixel in the area and is left out"])
        else:
            kept.append(number)
    if not kept:
        raise InputError("no scene has a pixel in the area; give an area that lies in one of them")
    scenes, days = tuple(stack.scenes[n] for n in kept), tuple(stack.days[n] for n in kept)
    return replace(stack, scenes=scenes, days=days)


def _check_near(stack: Stack) -> None:
    """InputError where the grid would be nearly empty."""
    height, width = stack.georef.shape
    if height * width > MOST_EMPTY * sum(scene.georef.shape[0] * scene.georef.shape[1] for scene in stack.scenes):
        raise InputError(
            f"the scenes lie so far apart that one image of them has {width}x{height} pixels, nearly all empty; give "
            "scenes of one place, or an area by --aoi"
        )


def _write(  # noqa: PLR0913, PLR0917 - one step of `composite`, with all that it holds
    plan: Mosaic,
    stack: Stack,
    sources: Sequence[Source],
    fetched: Sequence[Fetched | None],
    options: CompositeOptions,
    target: Path,
    tasks: TaskMap | None,
    staging: Staging,
    progress: Progress,
) -> float:
    """Write the composite part by part; returns the percent of pixels with data that are filled."""
    frame = plan.frame(stack)
    writer = TileWriter(
        staging.scratch(target, target.name), window_georef(stack.georef, frame), _product(stack), _tags(plan, stack)
    )
    parts = spool_of(plan, stack).parts()
    work: Callable[[Window], MosaicPart] = partial(make_part, plan=plan, stack=stack)
    if tasks is not None:
        recipe = StackRecipe.of(stack, _names(sources), options.scene, fetched)
        work = partial(make_part_elsewhere, plan=plan, recipe=recipe)
    filled = seen = 0
    for done, part in enumerate((tasks or map)(work, parts)):
        window = part.window
        writer.write(replace(window, row=window.row - frame.row, col=window.col - frame.col), part.cube)
        filled, seen = filled + part.filled, seen + part.seen
        progress(done + 1, len(parts), "write")
    percent = 100 * filled / seen if seen else float("nan")
    writer.finish(staging.path(target), {"GEOCLOUD_FILLED_PERCENT": f"{percent:.3f}"} if seen else {})
    return percent


def _names(sources: Sequence[Source]) -> list[str]:
    """Paths and URLs; UsageError for what other processes cannot open."""
    held = next((source for source in sources if not isinstance(source, str | os.PathLike)), None)
    if held is not None:
        raise UsageError(f"a {type(held).__name__} cannot be opened by other processes; give scenes by path or URL")
    return [os.fspath(source) for source in sources if isinstance(source, str | os.PathLike)]


def _product(stack: Stack) -> RasterFormat:
    names = (*stack.bands, "count", "date")
    return RasterFormat("NEAREST", "YES", "float32", float("nan"), len(names), names=names)


def _tags(plan: Mosaic, stack: Stack) -> dict[str, str]:
    """Provenance: of what, by which masks, how."""
    kept = ("GEOCLOUD_MODEL", "GEOCLOUD_MODEL_SHA256", "GEOCLOUD_THRESHOLD", "GEOCLOUD_CLASSES", "GEOCLOUD_SERIES")
    found: dict[str, dict[str, None]] = {key: {} for key in kept}
    for place in plan.masks:
        with MaskFile(place.mask) as mask:
            for key in kept:
                found[key][mask.tags.get(key, "")] = None
    masks = {key: ",".join(text for text in texts if text) for key, texts in found.items()}
    dated = all(stack.days)
    tags = {
        "GEOCLOUD_VERSION": __version__,
        "GEOCLOUD_COMPOSITE": plan.method,
        "GEOCLOUD_SOURCES": ",".join(scene.name for scene in stack.scenes),
        "GEOCLOUD_DATES": ",".join(dict.fromkeys(stack.days)) if dated else "",
        "GEOCLOUD_DATE_BAND": "days since 1970-01-01" if dated else "number of the scene in GEOCLOUD_SOURCES",
        AREA_TAG: "" if plan.area is None else plan.area.text,
        **masks,
    }
    return {key: text for key, text in tags.items() if text}


def _write_item(path: Path, target: Path, plan: Mosaic, stack: Stack, staging: Staging) -> None:
    """The STAC item beside the composite."""
    sources = [seen_from(path, scene.describe().get("item") or scene.source) for scene in stack.scenes]
    asset = Asset(
        staging.path(target), target.name, "Cloud-free composite, reflectance", COG, ("data", "reflectance"),
        _product(stack),
    )  # fmt: skip
    georef = window_georef(stack.georef, plan.frame(stack)) if stack.georef.located else stack.georef
    period = (min(stack.days), max(stack.days)) if all(stack.days) else None
    write_item(
        staging.path(path),
        ItemRecord(
            name=target.stem, georef=georef, cloud_cover=float("nan"), taken=period[0] if period else "",
            source=sources[0], tags=_tags(plan, stack), assets={"composite": asset}, suffix="", period=period,
            further_sources=tuple(sources[1:]), lineage=f"{plan.method} of the clear dates of {len(sources)} scenes",
        ),
    )  # fmt: skip
