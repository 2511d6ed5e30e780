"""Composite: one cloud-free image from several dates."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import rasterio

from geocloud.classes import GROUND
from geocloud.errors import UsageError
from geocloud.models.registry import DEFAULT_MODEL, load_scorer
from geocloud.pipeline.detection import DetectOptions
from geocloud.pipeline.outputs import MASK_SUFFIX
from geocloud.pipeline.places import model_files, scene_files
from geocloud.progress import Progress, no_progress
from geocloud.raster import NODATA, FloatArray, Window
from geocloud.readers import SceneOptions, Source, open_scene
from geocloud.readers.masks import MaskFile
from geocloud.readers.scenes.band_subset import BandSubset
from geocloud.scorers.contract import Scorer
from geocloud.series.compose import Composed, Method, compose
from geocloud.series.ground import box_means
from geocloud.series.stack import CACHE, Stack, make_stack
from geocloud.verbs.apply_mask import check_grid
from geocloud.verbs.detect import detect
from geocloud.version import __version__
from geocloud.writers.cog import RasterFormat, RowWriter, copy_to_cog
from geocloud.writers.staging import Staging, check_outputs, staged

REACH = 15
"""Pixels round a pixel in which cloud makes it less welcome: haze and shadow lie near clouds."""
MEMORY = 128 << 20
"""Bytes of one window of all dates, about, with what is computed of it."""


@dataclass(frozen=True, slots=True)
class CompositeOptions:
    """How to compose; the defaults need nothing."""

    method: Method = "median"
    """`median`, `medoid`, `best` or `mean`; see geocloud.series.compose."""
    masks: str | os.PathLike[str] | None = None
    """Folder of masks, NAME_cloudmask.tif of each scene; those that are missing, or all where None, are made first and
    not kept."""
    model: str = DEFAULT_MODEL
    """For masks that are made."""
    scene: SceneOptions = field(default_factory=SceneOptions)
    """Bands, scale and offset where the scenes do not say."""
    overwrite: bool = False
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `mps`."""


@dataclass(frozen=True, slots=True)
class Composite:
    """The result."""

    path: Path
    """float32 COG: the scenes' bands as reflectance, then `count` and `date`; NaN where no date was clear."""
    dates: tuple[str, ...]
    """The scenes' days, the earliest first; empty texts where no scene tells its day."""
    filled_percent: float
    """Of the pixels that hold data on any date, those that were clear on one or more; NaN where none hold data."""


def composite(
    scenes: Sequence[Source],
    out: str | os.PathLike[str],
    options: CompositeOptions | None = None,
    *,
    scorer: Scorer | None = None,
    progress: Progress = no_progress,
) -> Composite:
    """Write one image of several dates of one place, each pixel from dates on which it is clear.

    Clear is what a mask calls clear or snow. The scenes are read window by window, so memory does not grow with them.
    The band `count` says how many dates were clear, `date` which one is shown, or is nearest to what is: days since
    1970-01-01, or the scene's number from 1 where no scene tells its date.

    Args:
        scenes: one or more dates on one grid.
        out: the GeoTIFF to write.
        options: how; defaults where None.
        scorer: a loaded model to use instead of `options.model`.
        progress: called as work goes on; may raise Cancelled.

    Raises:
        UsageError: a date is given twice, or `out` exists or is no .tif.
        InputError: the scenes are not on one grid, or a mask is not on theirs.
        ModelError, OutputError: as detect.
    """
    options, target = options or CompositeOptions(), Path(out)
    if target.suffix.lower() not in (".tif", ".tiff"):
        raise UsageError(f"{target} has the suffix {target.suffix or 'none'}; a GeoTIFF is written: name it .tif")
    check_outputs([target], _mask_files(options), overwrite=options.overwrite)
    with ExitStack() as files:
        stack = make_stack([files.enter_context(open_scene(scene, options.scene)) for scene in scenes], 1)
        check_outputs([target], chain.from_iterable(map(scene_files, stack.scenes)), overwrite=options.overwrite)
        staging = files.enter_context(staged(target.stem))
        masks = _masks(stack, target, options, scorer, staging, files, progress)
        with rasterio.Env(GDAL_CACHEMAX=CACHE):
            filled = _write(stack, masks, target, options.method, staging, progress)
        staging.commit(last=target, overwrite=options.overwrite)
    return Composite(target, stack.days, filled)


def _mask_files(options: CompositeOptions) -> list[str]:
    """The files of the folder of masks, and of the model."""
    masks = [] if options.masks is None else [str(path) for path in Path(options.masks).glob("*")]
    return [*masks, *model_files(options.model)]


def _masks(  # noqa: PLR0913, PLR0917 - one step of `composite`, with all that it holds
    stack: Stack,
    target: Path,
    options: CompositeOptions,
    scorer: Scorer | None,
    staging: Staging,
    files: ExitStack,
    progress: Progress,
) -> list[MaskFile]:
    """The mask of each scene, open: as found in the folder, else made into scratch."""
    masks = []
    for done, scene in enumerate(stack.scenes):
        progress(done, len(stack.scenes), "inference")
        path = None if options.masks is None else Path(options.masks) / f"{scene.name}{MASK_SUFFIX}.tif"
        if path is None or not path.exists():
            scorer = scorer or load_scorer(options.model, options.device)
            wish = DetectOptions(polygons="none")
            path = detect(
                _Kept(scene, scene.bands), staging.scratch(target, f"mask-{done}"), wish, scorer=scorer
            ).mask_path
        mask = files.enter_context(MaskFile(path))
        check_grid(scene.source, scene.georef, mask)
        masks.append(mask)
    return masks


class _Kept(BandSubset):
    """A scene that stays open when detect closes it: it is read again."""

    __slots__ = ()

    def close(self) -> None:
        """Leave it open."""


def _write(
    stack: Stack, masks: Sequence[MaskFile], target: Path, method: Method, staging: Staging, progress: Progress
) -> float:  # fmt: skip
    """Write the composite from the top; returns the percent of pixels with data that are filled."""
    georef, names = stack.scenes[0].georef, (*stack.bands, "count", "date")
    product = RasterFormat("NEAREST", "YES", "float32", float("nan"), len(names), names=names)
    tags = {
        "GEOCLOUD_VERSION": __version__,
        "GEOCLOUD_COMPOSITE": method,
        "GEOCLOUD_SOURCES": ",".join(scene.name for scene in stack.scenes),
        "GEOCLOUD_DATE_BAND": "days since 1970-01-01" if all(stack.days) else "number of the scene in GEOCLOUD_SOURCES",
        **{key: text for key, text in masks[0].provenance.items() if key.startswith("GEOCLOUD_MODEL")},
    }
    writer = RowWriter(staging.scratch(target, target.name), georef, product, tags)
    numbers = np.array([*_numbers(stack.days), np.nan], dtype=np.float32)  # the last one for -1: none
    filled = seen = 0
    for strip in stack.windows(MEMORY // (4 * len(masks) * (4 * len(stack.bands) + 8))):
        rows = []
        for window in strip:
            made, valid = _compose(window, stack, masks, method)
            rows.append(np.concatenate([made.data, made.count[None].astype(np.float32), numbers[made.date][None]]))
            filled, seen = filled + int((made.count > 0).sum()), seen + valid
        writer.write(strip[0].row, np.concatenate(rows, axis=2))
        progress(strip[0].stop_row, georef.shape[0], "write")
    writer.close()
    copy_to_cog(writer.path, staging.path(target), product)
    return 100 * filled / seen if seen else float("nan")


def _numbers(days: Sequence[str]) -> list[int]:
    """Days since 1970-01-01, or 1, 2, 3 where there are no days."""
    if not all(days):
        return list(range(1, len(days) + 1))
    epoch = datetime.date(1970, 1, 1)
    return [(datetime.date.fromisoformat(day) - epoch).days for day in days]


def _compose(window: Window, stack: Stack, masks: Sequence[MaskFile], method: Method) -> tuple[Composed, int]:
    """A window of the composite, and how many of its pixels hold data on any date."""
    data, valid = stack.read(window)
    area = window.grow(REACH).clip(stack.scenes[0].georef.shape)
    around = np.stack([mask.read(area.row, area.height, area.col, area.width) for mask in masks])
    inner = window.slices((area.row, area.col))
    clear = valid & np.isin(around[:, *inner], GROUND)
    weight = np.ones(clear.shape, dtype=np.float32)
    if method in ("best", "mean"):
        weight = np.stack([_clearness(codes)[inner] for codes in around])
    return compose(data, clear, weight, method), int(valid.any(axis=0).sum())


def _clearness(codes: np.ndarray) -> FloatArray:
    """(h, w) above 0 to 1: the share of a pixel's surroundings that is neither cloud nor shadow."""
    cloudy = ~np.isin(codes, (*GROUND, NODATA))
    return 1 - box_means(cloudy.astype(np.float32), REACH) + np.float32(1e-3)
