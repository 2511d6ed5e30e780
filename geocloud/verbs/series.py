"""Series: several dates of one place, each freed of cloud with the help of the others."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np
import rasterio

from geocloud.classes import SHADOW, cover_tags, wanted_classes
from geocloud.errors import InputError, ModelError, UsageError
from geocloud.models.registry import DEFAULT_MODEL, checked, load_scorer
from geocloud.pipeline.detection import Detection, DetectOptions
from geocloud.pipeline.outputs import MASK_SUFFIX
from geocloud.pipeline.places import earlier_products, mask_files, model_files, scene_files
from geocloud.progress import Progress, no_progress
from geocloud.raster import CLEAR, CLOUD, NODATA, BoolArray, ByteArray, FloatArray, Window
from geocloud.readers import SceneOptions, SceneReader, Source, open_scene
from geocloud.readers.dates import TAKEN_TAG
from geocloud.readers.masks import MaskFile, ScoreFile
from geocloud.readers.scenes.band_subset import BandSubset
from geocloud.scorers.contract import Scorer
from geocloud.series.explain import MIN_DATES, REACH, Dates, explain, learn_usual, take_dates
from geocloud.series.ground import NEAR, Usual
from geocloud.series.stack import CACHE, Stack, make_stack
from geocloud.verbs.detect import detect
from geocloud.writers.cog import (
    MASK,
    RowWriter,
    copy_to_cog,
    mask_product,
    write_attribute_table,
    write_qgis_style,
)
from geocloud.writers.staging import Staging, check_not_read, check_outputs, staged

CODES = (CLEAR, CLOUD, SHADOW, NODATA)
SHADED, LIT = np.float32(0.8), np.float32(0.1)
"""P(shadow) of a single date where its mask says shadow, and elsewhere."""
MEMORY = 256 << 20
"""Bytes of one window of all dates, about, with what is computed of it."""
SAMPLES, SAMPLE_SIDE = 4, 64
"""Windows along each side of the scene, and their pixels, from which what sets the dates apart is learned."""


@dataclass(frozen=True, slots=True)
class SeriesOptions:
    """How to mask a series; the defaults need nothing."""

    model: str = DEFAULT_MODEL
    """Gives each date its score by itself."""
    scene: SceneOptions = field(default_factory=SceneOptions)
    """Bands, scale and offset where the scenes do not say."""
    overwrite: bool = False
    """Replace masks that exist; otherwise they are an error."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `mps`."""
    threads: int | None = None
    """Scoring threads; None: one per core."""


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
    All dates are on one grid and read window by window: memory does not grow with the scene, and little with dates.

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
        finals = _finals(stack, folder)
        read = list(chain(model_files(options.model), *map(scene_files, stack.scenes)))
        written = [file for final in finals for file in mask_files({"mask": final})]
        check_outputs(written, read, overwrite=options.overwrite)
        retired = [path for final in finals for path in earlier_products(final)] if options.overwrite else []
        check_not_read(retired, read)
        staging = files.enter_context(staged("series"))
        alone = []
        for done, scene in enumerate(stack.scenes):
            progress(done, len(stack.scenes), "inference")
            scratch = staging.scratch(finals[done], f"alone-{done}")
            alone.append(_detect_alone(_Kept(scene, stack.bands), scratch, options, scorer))
        singles = [files.enter_context(_Single(detection)) for detection in alone]
        with rasterio.Env(GDAL_CACHEMAX=CACHE):
            counts = _write_masks(stack, singles, finals, staging, progress)
        staging.commit(last=finals[-1], retired=retired, overwrite=options.overwrite)
    valid = np.where(counts.sum(axis=1) > 0, counts.sum(axis=1), np.nan)
    return tuple(
        SeriesDate(scene.source, day, final, 100 * cloud / n, 100 * shadow / n, detection.cloud_cover)
        for scene, day, final, cloud, shadow, n, detection in zip(
            stack.scenes, stack.days, finals, counts[:, 1], counts[:, 2], valid, alone, strict=True
        )
    )


class _Single:
    """What a date says by itself: P(cloud) and shadow, read a window at a time."""

    def __init__(self, detection: Detection) -> None:
        self.mask = MaskFile(detection.mask_path)
        self.score = ScoreFile(detection.files["score"], self.mask.georef)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.mask.close()
        self.score.close()


def _finals(stack: Stack, folder: Path) -> list[Path]:
    """Where the masks go; UsageError where two would have one name."""
    names = [scene.name for scene in stack.scenes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two scenes are named {twice}, so their masks would have one name; rename one of them")
    return [folder / f"{name}{MASK_SUFFIX}.tif" for name in names]


def _detect_alone(scene: SceneReader, folder: Path, options: SeriesOptions, scorer: Scorer) -> Detection:
    """Mask and P(cloud) of one date; without shadow where the model cannot tell it."""
    wish = DetectOptions(polygons="none", score=True, classes=("cloud", "shadow"), threads=options.threads)
    try:
        return detect(scene, folder, wish, scorer=scorer)
    except ModelError:
        return detect(scene, folder, replace(wish, classes=("cloud",)), scorer=scorer)


class _Kept(BandSubset):
    """A scene that stays open when detect closes it: it is read again."""

    __slots__ = ()

    def close(self) -> None:
        """Leave it open."""


def _write_masks(
    stack: Stack, singles: Sequence[_Single], finals: Sequence[Path], staging: Staging, progress: Progress
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Write all masks from the top; returns (date, 3) pixels that are clear, cloud and shadow."""
    georef, dates = stack.scenes[0].georef, len(stack.scenes)
    counts = np.zeros((dates, 3), dtype=np.int64)
    writers = []
    for final, single, day in zip(finals, singles, stack.days, strict=True):
        classes = ",".join(wanted_classes(("cloud", "shadow")))
        tags = {**single.mask.provenance, "GEOCLOUD_CLASSES": classes, "GEOCLOUD_SERIES": f"{dates} dates"}
        tags |= {TAKEN_TAG: day} if day else {}
        scratch = staging.scratch(final, f"{final.stem}.tif")
        writers.append(RowWriter(scratch, georef, mask_product(CODES), tags))
    pixels = MEMORY // (4 * dates * (3 * len(stack.bands) + 2 * NEAR + 10))
    usual = learn_usual(_sample(stack, singles, pixels))
    for strip in stack.windows(pixels):
        rows = np.concatenate([_codes(window, stack, singles, usual) for window in strip], axis=2)
        for date, writer in enumerate(writers):
            writer.write(strip[0].row, rows[date])
        counts += [[np.count_nonzero(codes == code) for code in CODES[:3]] for codes in rows]
        progress(strip[0].stop_row, georef.shape[0], "series")
    for writer, final, (clear, cloud, shadow) in zip(writers, finals, counts.tolist(), strict=True):
        writer.add_tags(cover_tags({CLEAR: clear, CLOUD: cloud, SHADOW: shadow}, math.prod(georef.shape)))
        writer.close()
        copy_to_cog(writer.path, staging.path(final), MASK)
        _, table, style = mask_files({"mask": final})
        write_attribute_table(staging.path(table), CODES)
        write_qgis_style(staging.path(style), CODES)
    return counts


def _sample(stack: Stack, singles: Sequence[_Single], pixels: int) -> Dates:
    """Windows from all over the scene side by side, of at most so many pixels together."""
    side = max(2 * REACH, min(SAMPLE_SIDE, math.isqrt(pixels // SAMPLES**2)))
    shape = stack.scenes[0].georef.shape
    tops, lefts = (sorted({*np.linspace(0, max(size - side, 0), SAMPLES, dtype=int).tolist()}) for size in shape)
    height, width = (min(size, side) for size in shape)
    parts = [_read(Window(top, left, height, width), stack, singles) for top in tops for left in lefts]
    whole = [np.concatenate(values, axis=-1) for values in zip(*parts, strict=True)]
    return take_dates(whole[0], whole[1], whole[2], whole[3], stack.bands)


def _read(
    window: Window, stack: Stack, singles: Sequence[_Single]
) -> tuple[FloatArray, BoolArray, FloatArray, FloatArray]:
    """Reflectance (date, band, h, w), and validity, P(cloud) and P(shadow) of each date by itself (date, h, w)."""
    data, valid = stack.read(window)
    place = window.row, window.height, window.col, window.width
    cloud = np.stack([single.score.read(*place) for single in singles])
    shadow = np.stack([np.where(single.mask.read(*place) == SHADOW, SHADED, LIT) for single in singles])
    return data, valid, cloud, shadow


def _codes(window: Window, stack: Stack, singles: Sequence[_Single], usual: Usual) -> ByteArray:
    """(date, h, w) codes of a window, read with the surroundings that its answer depends on."""
    area = window.grow(REACH).clip(stack.scenes[0].georef.shape)
    parts = _read(area, stack, singles)
    _check_different(parts[0], parts[1], stack)
    found = explain(take_dates(*parts, stack.bands), usual)
    with np.errstate(invalid="ignore"):
        codes = np.where(found.shadow >= 0.5, np.uint8(SHADOW), np.uint8(CLEAR))
        codes[found.cloud >= 0.5] = CLOUD
    codes[np.isnan(found.cloud)] = NODATA
    inner = window.slices((area.row, area.col))
    return np.ascontiguousarray(codes[:, *inner])


def _check_different(data: np.ndarray, valid: np.ndarray, stack: Stack) -> None:
    """InputError where two dates hold the same pixels: a cloud would confirm itself."""
    for later in range(1, len(data)):
        both = valid[later] & valid[later - 1]
        if both.any() and data[later].std() > 0 and np.array_equal(data[later, :, both], data[later - 1, :, both]):
            names = stack.scenes[later - 1].source, stack.scenes[later].source
            raise InputError(f"{names[0]} and {names[1]} hold the same pixels; give each date once")
