"""Series: several dates of one place, each freed of cloud with the help of the others."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np
import rasterio
from numpy.typing import NDArray

from geocloud.classes import SHADOW, cover_tags, wanted_classes
from geocloud.errors import ModelError, UsageError
from geocloud.models.registry import DEFAULT_MODEL, checked, load_scorer
from geocloud.pipeline.detection import Detection, DetectOptions
from geocloud.pipeline.outputs import MASK_SUFFIX
from geocloud.pipeline.places import area_files, earlier_products, mask_files, model_files, scene_files
from geocloud.pipeline.tiling import blocks_of
from geocloud.progress import Progress, Warn, no_progress, tell
from geocloud.raster import CLEAR, CLOUD, NODATA, FloatArray, Georef, Window
from geocloud.readers import SceneOptions, SceneReader, Source, open_scene
from geocloud.readers.area import AREA_TAG, Area, AreaSource, Box, find_area, frame_of_window
from geocloud.readers.dates import TAKEN_TAG
from geocloud.readers.masks import MaskFile, ScoreFile
from geocloud.readers.reader import window_georef
from geocloud.readers.scenes.band_subset import KeptOpen
from geocloud.readers.scenes.read_once import read_once
from geocloud.scorers.contract import Scorer
from geocloud.series.casts import FARTHEST, Cast, padded, poleward
from geocloud.series.explain import MIN_DATES, REACH, Dates, Usual, explain, learn_usual
from geocloud.series.masks import (
    LIT,
    SERIES_CODES,
    SHADED,
    check_different,
    find_limit,
    sample_windows,
    to_codes,
    to_dates,
    window_pixels,
)
from geocloud.series.spool import CodesOnDisk, Spool, in_a_thread
from geocloud.series.stack import CACHE, Stack, make_stack
from geocloud.verbs.detect import detect
from geocloud.writers.cog import mask_product, write_attribute_table, write_qgis_style
from geocloud.writers.staging import Staging, check_not_read, check_outputs, staged
from geocloud.writers.tiles import TileWriter

Counts = NDArray[np.int64]
ALL_CLOUDY = 0.8
"""Share of cloud on every date from which they may all be overcast."""


@dataclass(frozen=True, slots=True)
class SeriesOptions:
    """How to mask a series; the defaults need nothing."""

    model: str | os.PathLike[str] = DEFAULT_MODEL
    """Gives each date its score by itself."""
    scene: SceneOptions = field(default_factory=SceneOptions)
    """Bands, scale and offset where the scenes do not say."""
    aoi: AreaSource | None = None
    """As of `detect`: only the area is masked. What sets the dates apart is then learned in and round the area."""
    bounds: Box | None = None
    """The same as (west, south, east, north) in the scenes' own CRS."""
    overwrite: bool = False
    """Replace masks that exist; otherwise they are an error."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `mps`."""
    threads: int | None = None
    """Scoring threads; None: one per core."""

    def __post_init__(self) -> None:
        """Wishes that contradict."""
        if self.aoi is not None and self.bounds is not None:
            raise UsageError("--aoi and --bounds are two ways to give an area; give one of them")


@dataclass(frozen=True, slots=True)
class SeriesDate:
    """The result for one date."""

    scene: str
    """The source as the user named it."""
    date: str
    """YYYY-MM-DD; empty where no scene tells it."""
    mask_path: Path
    """uint8 COG: 0 clear, 1 cloud, 5 cloud shadow, 255 nodata; with the sidecars that name and colour its classes."""
    cloud_percent: float
    """Of the valid pixels; NaN where there are none."""
    shadow_percent: float
    """Of the valid pixels; NaN where there are none."""
    single_cloud_percent: float
    """Cloud of the valid pixels as the date alone has it."""


def detect_series(
    scenes: Sequence[Source],
    out: str | os.PathLike[str],
    options: SeriesOptions | None = None,
    *,
    scorer: Scorer | None = None,
    progress: Progress = no_progress,
) -> tuple[SeriesDate, ...]:
    """Write a mask of cloud and cloud shadow for each of several dates of one place, earliest first.

    Each date is scored by itself, then held against what the others show; `geocloud.series.explain` has the method.
    All dates are on one grid and read window by window: memory grows neither with the scene nor with the dates.

    Args:
        scenes: three or more dates, in any order where they tell their dates.
        out: folder for the masks, NAME_cloudmask.tif of each scene.
        options: how; defaults where None.
        scorer: a loaded model to use instead of `options.model`.
        progress: called as work goes on; may raise Cancelled.

    Raises:
        UsageError: too few dates, one twice, or a mask exists.
        InputError: the scenes are not on one grid, or two of them hold the same pixels.
        ModelError, OutputError: as detect.
    """
    options, folder = options or SeriesOptions(), Path(out)
    scorer = checked(scorer) if scorer else load_scorer(options.model, options.device)
    with ExitStack() as files:
        stack = make_stack([files.enter_context(open_scene(scene, options.scene)) for scene in scenes], MIN_DATES)
        area = None
        if options.aoi is not None or options.bounds is not None:
            area = find_area(options.aoi, options.bounds, stack.georef, stack.scenes[0].source)
        finals = _finals(stack, folder)
        read = list(chain(model_files(options.model), area_files(options.aoi), *map(scene_files, stack.scenes)))
        written = [file for final in finals for file in mask_files({"mask": final})]
        check_outputs(written, read, overwrite=options.overwrite)
        older = partial(_older, finals, read) if options.overwrite else tuple
        older()
        staging = files.enter_context(staged("series"))
        stack = replace(stack, scenes=read_once(stack.scenes, partial(staging.scratch, finals[0])))
        place = _Place.of(stack, area, scorer)
        alone = []
        for done, scene in enumerate(stack.scenes):
            progress(done, len(stack.scenes), "inference")
            scratch = staging.scratch(finals[done], f"alone-{done}")
            alone.append(_detect_alone(KeptOpen(scene, stack.bands), scratch, options, scorer, place))
        work = _Series(stack, place, tuple(alone))
        with rasterio.Env(GDAL_CACHEMAX=CACHE):
            counts, own = _write_masks(work, finals, staging, progress)
        staging.commit(last=finals[-1], retired=older, overwrite=options.overwrite)
    valid = np.where(counts.sum(axis=1) > 0, counts.sum(axis=1), np.nan)
    _tell_if_all_cloudy(own / valid, counts[:, 1] / valid)
    return tuple(
        SeriesDate(scene.source, day, final, 100 * cloud / n, 100 * shadow / n, 100 * single / n)
        for scene, day, final, cloud, shadow, n, single in zip(
            stack.scenes, stack.days, finals, counts[:, 1], counts[:, 2], valid, own, strict=True
        )
    )


def _older(finals: Sequence[Path], read: Sequence[str]) -> list[Path]:
    """What earlier runs left beside the masks, which goes; UsageError where one is an input."""
    found = [path for final in finals for path in earlier_products(final)]
    check_not_read(found, read)
    return found


def _tell_if_all_cloudy(alone: NDArray[np.float64], together: NDArray[np.float64]) -> None:
    """Warn where every date by itself is cloudy and the dates together are not: a sky that stays overcast is alike too.

    Args:
        alone: (date,) share of cloud by the date alone, NaN where it has no data.
        together: (date,) the same by all dates.
    """
    known = np.isfinite(alone)
    if known.any() and alone[known].min() > ALL_CLOUDY > together[known].mean():
        note = (
            f"each by itself is cloudy ({100 * alone[known].min():.0f} % at least), but they look alike, so that what "
            "they show is taken for ground, such as salt or snow; if all of them are overcast, add clear dates"
        )
        tell("the dates", [Warn(note)])


@dataclass(frozen=True, slots=True)
class _Place:
    """What of the grid is masked, and what is read for it."""

    area: Area | None
    frame: Window
    """What is masked."""
    limit: Window
    """What is scored and read: the frame with so much round it that its dates can be compared."""
    georef: Georef
    """Of the whole grid."""

    @classmethod
    def of(cls, stack: Stack, area: Area | None, scorer: Scorer) -> Self:
        """All of the grid, or an area with its surroundings."""
        frame = stack.frame if area is None else area.window
        blocks = partial(blocks_of, georef=stack.georef, scorer=scorer)
        return cls(area, frame, find_limit(frame, stack.georef.shape, blocks), stack.georef)


@dataclass(frozen=True, slots=True)
class _Series:
    """All that is known of a series before its dates are held against each other."""

    stack: Stack
    place: _Place
    alone: tuple[Detection, ...]
    """Of each date: mask and P(cloud) of the limit."""

    @property
    def spool(self) -> Spool:
        """How it is taken through memory."""
        dates, bands = len(self.stack.scenes), len(self.stack.bands)
        return Spool(dates, bands + 3, REACH, self.place.frame, self.place.limit, window_pixels(dates, bands))

    def read(self, number: int, window: Window) -> FloatArray:
        """(plane, h, w) of a date: its bands, NaN where not seen; P(cloud), NaN where not scored; P(shadow)."""
        row, col = window.row - self.place.limit.row, window.col - self.place.limit.col
        with MaskFile(self.alone[number].mask_path) as mask:
            shadow = np.where(mask.read(row, window.height, col, window.width) == SHADOW, SHADED, LIT)
        return np.concatenate([self.stack.read(number, window), self.clouds(number, window)[None], shadow[None]])

    def clouds(self, number: int, window: Window) -> FloatArray:
        """(h, w) P(cloud) of a date by itself, NaN where not scored, as beyond the limit."""
        with MaskFile(self.alone[number].mask_path) as mask:
            score, limit = ScoreFile(self.alone[number].files["score"], mask.georef), self.place.limit
            try:
                return padded(
                    lambda part: score.read(part.row - limit.row, part.height, part.col - limit.col, part.width),
                    window,
                    limit,
                )
            finally:
                score.close()

    def read_with_casts(self, number: int, window: Window, casts: Sequence[Cast]) -> FloatArray:
        """The same as `read`, and P(cloud) where shadows would be cast from."""
        return np.concatenate([self.read(number, window), self.clouds(number, casts[number].source(window))[None]])


def _finals(stack: Stack, folder: Path) -> list[Path]:
    """Where the masks go; UsageError where two would have one name."""
    names = [scene.name for scene in stack.scenes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two scenes are named {twice}, so their masks would have one name; rename one of them")
    return [folder / f"{name}{MASK_SUFFIX}.tif" for name in names]


def _detect_alone(scene: SceneReader, folder: Path, options: SeriesOptions, scorer: Scorer, place: _Place) -> Detection:
    """Mask and P(cloud) of one date; without shadow where the model cannot tell it."""
    aoi = None if place.area is None else frame_of_window(place.limit, place.georef)
    wish = DetectOptions(polygons="none", score=True, classes=("cloud", "shadow"), threads=options.threads, aoi=aoi)
    try:
        return detect(scene, folder, wish, scorer=scorer)
    except ModelError:
        return detect(scene, folder, replace(wish, classes=("cloud",)), scorer=scorer)


def _write_masks(work: _Series, finals: Sequence[Path], staging: Staging, progress: Progress) -> tuple[Counts, Counts]:
    """Write all masks part by part.

    Returns:
        (date, 3) pixels that are clear, cloud and shadow; (date,) those that are cloud by the date alone.
    """
    frame, spool = work.place.frame, work.spool
    georef = window_georef(work.stack.georef, frame) if work.place.area else work.stack.georef
    writers = [
        TileWriter(staging.scratch(final, f"{final.stem}.tif"), georef, mask_product(SERIES_CODES), _tags(work, date))
        for date, final in enumerate(finals)
    ]
    counts, own = np.zeros((len(finals), 3), dtype=np.int64), np.zeros(len(finals), dtype=np.int64)
    usual, parts, scratch = _learn(work), spool.parts(), staging.scratch(finals[0], "dates")
    read = partial(work.read_with_casts, casts=usual.casts)
    made = CodesOnDisk(staging.scratch(finals[0], "codes"))
    for done, part in enumerate(parts):
        for window, area, values in spool.windows(part, read, scratch):
            inner = window.slices((area.row, area.col))
            dates = to_dates(values[:, :-1], work.stack.bands, values[:, -1])
            codes = np.ascontiguousarray(to_codes(explain(dates, usual))[:, *inner])
            if work.place.area is not None:
                codes[:, ~work.place.area.inside(window)] = NODATA
            made.add(window, codes)
            counts += [[np.count_nonzero(date == code) for code in SERIES_CODES[:3]] for date in codes]
            single = values[:, -3, *inner] >= np.float32(0.5)
            own += (single & (codes != NODATA)).sum(axis=(1, 2))
        place = replace(part, row=part.row - frame.row, col=part.col - frame.col)
        for date, writer in enumerate(writers):
            writer.write(place, made.of_date(date, part))
        made.clear()
        progress(done + 1, len(parts), "series")
    for writer, final, (clear, cloud, shadow) in zip(writers, finals, counts.tolist(), strict=True):
        writer.finish(
            staging.path(final), cover_tags({CLEAR: clear, CLOUD: cloud, SHADOW: shadow}, math.prod(georef.shape))
        )
        _, table, style = mask_files({"mask": final})
        write_attribute_table(staging.path(table), SERIES_CODES)
        write_qgis_style(staging.path(style), SERIES_CODES)
    return counts, own


def _tags(work: _Series, date: int) -> dict[str, str]:
    """Of a date's mask: those of the date alone, and what is of the series."""
    with MaskFile(work.alone[date].mask_path) as mask:
        tags = {**mask.provenance, "GEOCLOUD_CLASSES": ",".join(wanted_classes(("cloud", "shadow")))}
    tags |= {"GEOCLOUD_SERIES": f"{len(work.alone)} dates"}
    tags |= {TAKEN_TAG: work.stack.days[date]} if work.stack.days[date] else {}
    return tags if work.place.area is None else tags | {AREA_TAG: work.place.area.text}


def _learn(work: _Series) -> Usual:
    """What sets the dates apart, from windows all over the limit side by side."""
    windows = sample_windows(work.place.limit, work.spool.pixels)
    dates = _samples(work, windows)
    usual, sky = learn_usual(dates, windows[0].width, poleward(work.stack.georef))
    del dates
    casts = [
        sky.cast(date, [in_a_thread(work.clouds, date, window.grow(FARTHEST)) for window in windows])
        for date in range(len(work.alone))
    ]
    return replace(usual, casts=tuple(casts))


def _samples(work: _Series, windows: Sequence[Window]) -> Dates:
    """Windows of all dates side by side."""
    height, width = windows[0].shape
    values: FloatArray = np.empty(
        (len(work.alone), work.spool.planes - 1, height, width * len(windows)), dtype=np.float32
    )
    for date, planes in enumerate(values):
        for place, window in enumerate(windows):
            planes[..., place * width : (place + 1) * width] = in_a_thread(work.read, date, window)
    check_different(values, [scene.source for scene in work.stack.scenes])
    return to_dates(values, work.stack.bands)
