"""Series: mask cloud and cloud shadow on several dates of one place, comparing each date with the others."""

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
"""If the cloud cover (0 to 1) of every date is higher, the sky may be overcast on all of them."""


@dataclass(frozen=True, slots=True)
class SeriesOptions:
    """How to mask a series; the defaults work without any choice."""

    model: str | os.PathLike[str] = DEFAULT_MODEL
    """The model that scores each date by itself."""
    scene: SceneOptions = field(default_factory=SceneOptions)
    """Bands, scale and offset, if the scenes do not define them."""
    aoi: AreaSource | None = None
    """The area to mask, as in `detect`; the dates are then compared in the area and around it. None: everything."""
    bounds: Box | None = None
    """The area as (west, south, east, north) in the scenes' own CRS; None: see `aoi`."""
    overwrite: bool = False
    """Replace masks that exist; otherwise they are an error."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `mps`."""
    threads: int | None = None
    """Scoring threads; None: one per core."""

    def __post_init__(self) -> None:
        """UsageError if both `aoi` and `bounds` are given."""
        if self.aoi is not None and self.bounds is not None:
            raise UsageError("--aoi and --bounds are two ways to give an area; give one of them")


@dataclass(frozen=True, slots=True)
class SeriesDate:
    """The result for one date."""

    scene: str
    """The source as the user named it."""
    date: str
    """YYYY-MM-DD; empty if the scenes have no dates."""
    mask_path: Path
    """uint8 COG: 0 clear, 1 cloud, 5 cloud shadow, 255 nodata. Sidecars with names and colours are beside it."""
    cloud_percent: float
    """Cloud cover, in percent of the valid pixels; NaN if there are none."""
    shadow_percent: float
    """Cloud shadow, in percent of the valid pixels; NaN if there are none."""
    single_cloud_percent: float
    """Cloud cover by the date's own score, in percent of the valid pixels; NaN if there are none."""


def detect_series(
    scenes: Sequence[Source],
    out: str | os.PathLike[str],
    options: SeriesOptions | None = None,
    *,
    scorer: Scorer | None = None,
    progress: Progress = no_progress,
) -> tuple[SeriesDate, ...]:
    """Write a mask of cloud and cloud shadow for each of several dates of one place, earliest first.

    Each date is scored by itself and then compared with the others; `geocloud.series.explain` describes the method. All
    dates must be on the same grid. They are read window by window, so that memory depends neither on the size of the
    scenes nor on the number of dates.

    Args:
        scenes: three or more dates, in any order if the scenes have dates.
        out: folder for the masks, one NAME_cloudmask.tif per scene.
        options: how to mask; None: the defaults.
        scorer: a loaded model to use instead of `options.model`.
        progress: called with the work done so far; may raise Cancelled.

    Raises:
        UsageError: there are too few dates, a date is given twice, or a mask exists.
        InputError: the scenes are not on the same grid, or two of them hold the same pixels.
        ModelError, OutputError: as in detect.
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
            counts, single_counts = _write_masks(work, finals, staging, progress)
        staging.commit(last=finals[-1], retired=older, overwrite=options.overwrite)
    valid = np.where(counts.sum(axis=1) > 0, counts.sum(axis=1), np.nan)
    _warn_if_all_cloudy(single_counts / valid, counts[:, 1] / valid)
    return tuple(
        SeriesDate(scene.source, day, final, 100 * cloud / n, 100 * shadow / n, 100 * single / n)
        for scene, day, final, cloud, shadow, n, single in zip(
            stack.scenes, stack.days, finals, counts[:, 1], counts[:, 2], valid, single_counts, strict=True
        )
    )


def _older(finals: Sequence[Path], read: Sequence[str]) -> list[Path]:
    """Files of earlier runs to delete with the old masks; UsageError if one of them is an input."""
    products = [path for final in finals for path in earlier_products(final)]
    check_not_read(products, read)
    return products


def _warn_if_all_cloudy(alone: NDArray[np.float64], together: NDArray[np.float64]) -> None:
    """Warn if every date is cloudy by its own score but not after the comparison: overcast dates also look alike.

    Args:
        alone: (date,) share of cloud, 0 to 1, by the date's own score; NaN if it has no data.
        together: (date,) share of cloud after the comparison.
    """
    seen = np.isfinite(alone)
    if seen.any() and alone[seen].min() > ALL_CLOUDY > together[seen].mean():
        note = (
            f"each by itself is cloudy ({100 * alone[seen].min():.0f} % at least), but they look alike, so that what "
            "they show is taken for ground, such as salt or snow; if all of them are overcast, add clear dates"
        )
        tell("the dates", [Warn(note)])


@dataclass(frozen=True, slots=True)
class _Place:
    """The part of the grid that is masked, and the part that is read for it."""

    area: Area | None
    frame: Window
    """The window that is masked."""
    limit: Window
    """The window that is scored and read: the frame with enough around it to compare the dates."""
    georef: Georef
    """Georeference of the whole grid."""

    @classmethod
    def of(cls, stack: Stack, area: Area | None, scorer: Scorer) -> Self:
        """For an area with its surroundings; None: for the whole grid."""
        frame = stack.frame if area is None else area.window
        blocks = partial(blocks_of, georef=stack.georef, scorer=scorer)
        return cls(area, frame, find_limit(frame, stack.georef.shape, blocks), stack.georef)


@dataclass(frozen=True, slots=True)
class _Series:
    """A series whose dates have been scored, but not compared yet."""

    stack: Stack
    place: _Place
    alone: tuple[Detection, ...]
    """For each date, mask and P(cloud) of `place.limit` by its own score."""

    @property
    def spool(self) -> Spool:
        """The division of the series into parts and windows."""
        dates, bands = len(self.stack.scenes), len(self.stack.bands)
        return Spool(dates, bands + 3, REACH, self.place.frame, self.place.limit, window_pixels(dates, bands))

    def read(self, number: int, window: Window) -> FloatArray:
        """(band + 2, h, w) of a date: its bands, NaN where not seen; P(cloud), NaN where not scored; P(shadow)."""
        row, col = window.row - self.place.limit.row, window.col - self.place.limit.col
        with MaskFile(self.alone[number].mask_path) as mask:
            shadow = np.where(mask.read(row, window.height, col, window.width) == SHADOW, SHADED, LIT)
        return np.concatenate([self.stack.read(number, window), self.clouds(number, window)[None], shadow[None]])

    def clouds(self, number: int, window: Window) -> FloatArray:
        """(h, w) single-date P(cloud) of a date, NaN where not scored and outside the limit."""
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
        """(band + 3, h, w): `read`, and P(cloud) at the place that would cast a shadow on each pixel."""
        return np.concatenate([self.read(number, window), self.clouds(number, casts[number].source(window))[None]])


def _finals(stack: Stack, folder: Path) -> list[Path]:
    """The paths of the masks; UsageError if two would have the same name."""
    names = [scene.name for scene in stack.scenes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two scenes are named {twice}, so their masks would have one name; rename one of them")
    return [folder / f"{name}{MASK_SUFFIX}.tif" for name in names]


def _detect_alone(scene: SceneReader, folder: Path, options: SeriesOptions, scorer: Scorer, place: _Place) -> Detection:
    """Mask and P(cloud) of one date by its own score, without shadow if the model cannot detect it."""
    aoi = None if place.area is None else frame_of_window(place.limit, place.georef)
    detect_options = DetectOptions(
        polygons="none", score=True, classes=("cloud", "shadow"), threads=options.threads, aoi=aoi
    )
    try:
        return detect(scene, folder, detect_options, scorer=scorer)
    except ModelError:
        return detect(scene, folder, replace(detect_options, classes=("cloud",)), scorer=scorer)


def _write_masks(work: _Series, finals: Sequence[Path], staging: Staging, progress: Progress) -> tuple[Counts, Counts]:
    """Compare the dates and write all masks, part by part.

    Returns:
        (date, 3) numbers of clear, cloud and shadow pixels; (date,) number of cloud pixels by the date's own score.
    """
    frame, spool = work.place.frame, work.spool
    georef = window_georef(work.stack.georef, frame) if work.place.area else work.stack.georef
    writers = [
        TileWriter(staging.scratch(final, f"{final.stem}.tif"), georef, mask_product(SERIES_CODES), _tags(work, date))
        for date, final in enumerate(finals)
    ]
    counts, single_counts = np.zeros((len(finals), 3), dtype=np.int64), np.zeros(len(finals), dtype=np.int64)
    usual, parts, scratch = _learn(work), spool.parts(), staging.scratch(finals[0], "dates")
    read = partial(work.read_with_casts, casts=usual.casts)
    codes_of_part = CodesOnDisk(staging.scratch(finals[0], "codes"))
    for done, part in enumerate(parts):
        for window, area, values in spool.windows(part, read, scratch):
            inner = window.slices((area.row, area.col))
            dates = to_dates(values[:, :-1], work.stack.bands, values[:, -1])
            codes = np.ascontiguousarray(to_codes(explain(dates, usual))[:, *inner])
            if work.place.area is not None:
                codes[:, ~work.place.area.inside(window)] = NODATA
            codes_of_part.add(window, codes)
            counts += [[np.count_nonzero(date == code) for code in SERIES_CODES[:3]] for date in codes]
            single = values[:, -3, *inner] >= np.float32(0.5)
            single_counts += (single & (codes != NODATA)).sum(axis=(1, 2))
        target = replace(part, row=part.row - frame.row, col=part.col - frame.col)
        for date, writer in enumerate(writers):
            writer.write(target, codes_of_part.of_date(date, part))
        codes_of_part.clear()
        progress(done + 1, len(parts), "series")
    for writer, final, (clear, cloud, shadow) in zip(writers, finals, counts.tolist(), strict=True):
        writer.finish(
            staging.path(final), cover_tags({CLEAR: clear, CLOUD: cloud, SHADOW: shadow}, math.prod(georef.shape))
        )
        _, table, style = mask_files({"mask": final})
        write_attribute_table(staging.path(table), SERIES_CODES)
        write_qgis_style(staging.path(style), SERIES_CODES)
    return counts, single_counts


def _tags(work: _Series, date: int) -> dict[str, str]:
    """Tags of the mask of a date: those of its own detection, and those of the series."""
    with MaskFile(work.alone[date].mask_path) as mask:
        tags = {**mask.provenance, "GEOCLOUD_CLASSES": ",".join(wanted_classes(("cloud", "shadow")))}
    tags |= {"GEOCLOUD_SERIES": f"{len(work.alone)} dates"}
    tags |= {TAKEN_TAG: work.stack.days[date]} if work.stack.days[date] else {}
    return tags if work.place.area is None else tags | {AREA_TAG: work.place.area.text}


def _learn(work: _Series) -> Usual:
    """Properties of the dates, measured on sample windows; see `learn_usual`."""
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
    """The sample windows of all dates, side by side along the columns; InputError if two dates are equal."""
    height, width = windows[0].shape
    values: FloatArray = np.empty(
        (len(work.alone), work.spool.planes - 1, height, width * len(windows)), dtype=np.float32
    )
    for date, planes in enumerate(values):
        for index, window in enumerate(windows):
            planes[..., index * width : (index + 1) * width] = in_a_thread(work.read, date, window)
    check_different(values, [scene.source for scene in work.stack.scenes])
    return to_dates(values, work.stack.bands)
