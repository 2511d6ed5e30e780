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
"""Maximum number of pixels of the grid, as a multiple of the number of pixels of all scenes."""


@dataclass(frozen=True, slots=True)
class CompositeOptions:
    """How to compose; the defaults work without any choice."""

    method: Method = "median"
    """`median`, `medoid`, `best` or `mean`; see geocloud.series.compose."""
    masks: str | os.PathLike[str] | None = None
    """Folder of masks: NAME_cloudmask.tif of each scene, and optionally NAME_cloudscore.tif. Missing masks are made
    first and not kept; None: all are."""
    aoi: AreaSource | None = None
    """The area to compose, as in `detect`; pixels outside its polygons are nodata. None: everything."""
    bounds: Box | None = None
    """The area as (west, south, east, north) in the CRS of the first scene; None: see `aoi`."""
    model: str | os.PathLike[str] = DEFAULT_MODEL
    """The model for masks that are made."""
    scene: SceneOptions = field(default_factory=SceneOptions)
    """Bands, scale and offset, if the scenes do not define them."""
    stac: bool = False
    """Also write a STAC item beside the result."""
    overwrite: bool = False
    """Replace an existing result; otherwise it is an error."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `mps`."""

    def __post_init__(self) -> None:
        """UsageError if both `aoi` and `bounds` are given."""
        if self.aoi is not None and self.bounds is not None:
            raise UsageError("--aoi and --bounds are two ways to give an area; give one of them")


@dataclass(frozen=True, slots=True)
class Composite:
    """The result."""

    path: Path
    """float32 COG: the scenes' bands as reflectance, then `count` and `date`; NaN where no date was clear."""
    dates: tuple[str, ...]
    """Different days of the scenes, YYYY-MM-DD, the earliest first; empty texts if no scene has a date."""
    filled_percent: float
    """Percent of the pixels with data on any date that are clear on at least one; NaN if no pixel has data."""
    item_path: Path | None = None
    """The STAC item, if one was written."""


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

    A pixel is clear where the mask is clear or snow. The grid of the result continues the pixels of the first scene and
    covers all scenes. Scenes on other grids, such as another UTM zone, are resampled: bilinearly, masks by the nearest
    pixel. The band `count` is the number of clear dates. The band `date` is the date that is shown, or is closest to
    the value shown: days since 1970-01-01, or the scene's number from 1 if no scene has a date. Memory depends neither
    on the size of the scenes nor on their number.

    Args:
        scenes: one or more, on any grids; several may be of the same day, such as adjacent tiles.
        out: the GeoTIFF to write.
        options: how to compose; None: the defaults.
        scorer: a loaded model to use instead of `options.model`; not with `tasks`.
        tasks: runs the work elsewhere, as `geocloud.batch.cluster.tasks_on` does for a Dask client; scenes must then be
            paths or URLs. None: the work is done here.
        progress: called with the work done so far; may raise Cancelled.

    Raises:
        UsageError: a scene is given twice, or `out` exists or does not end with .tif or .tiff.
        InputError: a mask is not on its scene's grid, no scene has data in the area, or the scenes are far apart and
            no area is given.
        ModelError, OutputError: as in detect.
    """
    options, target = options or CompositeOptions(), Path(out)
    outputs = _outputs(target, options)
    if tasks is not None:
        _names(scenes)
    check_outputs(outputs, chain(_mask_files(options), area_files(options.aoi)), overwrite=options.overwrite)
    with ExitStack() as files:
        opened = [files.enter_context(open_scene(scene, options.scene)) for scene in scenes]
        source_of = {id(reader): source for reader, source in zip(opened, scenes, strict=True)}
        stack = make_mosaic(opened)
        area = None
        if options.aoi is not None or options.bounds is not None:
            area = find_area(options.aoi, options.bounds, stack.georef, "the composite")
            stack = _only_overlapping(stack, area.window)
        else:
            _check_near(stack)
        sources = [source_of[id(scene)] for scene in stack.scenes]
        check_outputs(outputs, chain.from_iterable(map(scene_files, stack.scenes)), overwrite=options.overwrite)
        staging = files.enter_context(staged(target.stem))
        if tasks is None:  # other processes open the scenes themselves
            stack = replace(stack, scenes=read_once(stack.scenes, partial(staging.scratch, target)))
        days = list(dict.fromkeys(stack.days)) if all(stack.days) else [str(n) for n in range(len(stack.days))]
        dates = [days.index(day) for day in stack.days] if all(stack.days) else list(range(len(stack.days)))
        plan = Mosaic((), tuple(dates), tuple(day_numbers(stack.days, len(days))), options.method, area)
        limit = None if area is None else frame_of_window(spool_of(plan, stack).limit, stack.georef)
        detect_options = DetectOptions(
            model=options.model, scene=options.scene, device=options.device, polygons="none", aoi=limit,
            score=options.method in ("best", "mean"), classes=("cloud", "shadow"),
            threads=None if tasks is None else 1,
        )  # fmt: skip
        recipe = MaskRecipe(options.masks, detect_options, partial(staging.scratch, target))
        prepared = prepare(stack, sources, recipe, spool_of(plan, stack).limit, scorer, tasks, progress)
        plan = replace(plan, masks=tuple(scene_mask.mask for scene_mask in prepared))
        fetched = [scene_mask.fetched for scene_mask in prepared]
        filled = _write(plan, stack, sources, fetched, options, target, tasks, staging, progress)
        if options.stac:
            _write_item(outputs[1], target, plan, stack, staging)
        older = partial(filter, has_tags, [target.with_suffix(".json")]) if options.overwrite else tuple
        staging.commit(last=target, retired=older, overwrite=options.overwrite)
    shown_days, item = days if all(stack.days) else [""] * len(days), outputs[1] if options.stac else None
    return Composite(target, tuple(shown_days), filled, item)


def _outputs(target: Path, options: CompositeOptions) -> list[Path]:
    """The files to write, the GeoTIFF first; UsageError if its suffix is not that of a GeoTIFF."""
    if target.suffix.lower() not in (".tif", ".tiff"):
        raise UsageError(f"{target} has the suffix {target.suffix or 'none'}; a GeoTIFF is written: name it .tif")
    if not options.stac:
        return [target]
    require_pystac()
    return [target, target.with_suffix(".json")]


def _mask_files(options: CompositeOptions) -> list[str]:
    """The files in the folder of masks, and those of the model."""
    masks = [] if options.masks is None else [str(path) for path in mask_folder(options.masks).glob("*")]
    return [*masks, *model_files(options.model)]


def _only_overlapping(stack: Stack, window: Window) -> Stack:
    """The stack with only the scenes that have pixels in a window of its grid; InputError if none has."""
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
    """InputError if the grid would be nearly empty, because the scenes are far apart."""
    height, width = stack.georef.shape
    if height * width > MOST_EMPTY * sum(scene.georef.shape[0] * scene.georef.shape[1] for scene in stack.scenes):
        raise InputError(
            f"the scenes lie so far apart that one image of them has {width}x{height} pixels, nearly all empty; give "
            "scenes of one place, or an area by --aoi"
        )


def _write(  # noqa: PLR0913, PLR0917 - one step of `composite`, which needs all its variables
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
    """Write the composite part by part; returns the percent of pixels with data that are clear on any date."""
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
    """The paths and URLs of scenes; UsageError for a source that another process cannot open."""
    in_memory = next((source for source in sources if not isinstance(source, str | os.PathLike)), None)
    if in_memory is not None:
        raise UsageError(
            f"a {type(in_memory).__name__} cannot be opened by other processes; give scenes by path or URL"
        )
    return [os.fspath(source) for source in sources if isinstance(source, str | os.PathLike)]


def _product(stack: Stack) -> RasterFormat:
    """Format of the composite: float32, the bands of the stack, then `count` and `date`."""
    names = (*stack.bands, "count", "date")
    return RasterFormat("NEAREST", "YES", "float32", float("nan"), len(names), names=names)


def _tags(plan: Mosaic, stack: Stack) -> dict[str, str]:
    """Provenance tags: the scenes, the method, and the models of the masks."""
    keys = ("GEOCLOUD_MODEL", "GEOCLOUD_MODEL_SHA256", "GEOCLOUD_THRESHOLD", "GEOCLOUD_CLASSES", "GEOCLOUD_SERIES")
    values: dict[str, dict[str, None]] = {key: {} for key in keys}
    for place in plan.masks:
        with MaskFile(place.mask) as mask:
            for key in keys:
                values[key][mask.tags.get(key, "")] = None
    masks = {key: ",".join(text for text in texts if text) for key, texts in values.items()}
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
    """Write the STAC item beside the composite."""
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
