"""A Dask-backed scene as a Dask array of scores: each block read with its halo, scored as `detect` scores it."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from geocloud.calibration import Calibration
from geocloud.classes import ENCODINGS, SHADOW, EncodingName, encode
from geocloud.errors import ModelError
from geocloud.models.registry import shared_scorer
from geocloud.pipeline.detection import choose_threshold
from geocloud.pipeline.layers import CODE, BatchLayers
from geocloud.pipeline.scoring import SCORE, BatchMaps, Layers, score_segment
from geocloud.pipeline.tiling import Segment
from geocloud.progress import Warn, tell
from geocloud.raster import CLEAR, CLOUD, NODATA, BoolArray, FloatArray, PatchBatch, PatchGrid, Window, spread
from geocloud.readers.area import Area
from geocloud.readers.bands.radiometry import ScaleEvidence
from geocloud.readers.bands.spec import (
    DigitalNumbers,
    Radiometry,
    Samples,
    average,
    find_valid,
    is_nodata,
    medians_of,
)
from geocloud.readers.files.sampling import common_fill, filling
from geocloud.readers.products.assembly import given_radiometry, unless_applied, with_options
from geocloud.readers.reader import SceneOptions
from geocloud.readers.scenes.xarray_scene import array_nodata, stated_radiometry
from geocloud.scorers.card import Precision
from geocloud.scorers.contract import Scorer
from geocloud.writers.cog import SCORE_SCALE, quantise

if TYPE_CHECKING:
    import dask.array
    import xarray

Numbers = tuple[Sequence[Radiometry], float | None]
"""Scale and offset of each band, and the number that pads all of them, where one does."""
LazyResult = Literal["probability", "raw", "alone"] | EncodingName
"""`alone` is what `series` takes of a date: P(cloud) as a score is stored, and 2 more where its mask says shadow."""
MAX_CHUNK_SIDE = 2048
"""Pixels along a chunk's side at most, however the array comes: seven bands of it are 200 megabytes with a halo."""
PROBED_CHUNKS = 4
"""Chunks that tell the scale of values where nothing else does."""
MAX_PROBED_SIDE = 256
"""Every nth pixel of a probed chunk, so that at most this many per side are read."""
_TOLD: set[tuple[str, str]] = set()
"""Token of an array and kind of note, for all notes that were told."""
_TELLING = threading.Lock()


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """What each task needs to know."""

    grid: PatchGrid
    """Of what is scored: the array's pixels, or squares of them."""
    factor: int
    """Pixels along each side of such a square."""
    halo: int
    """Context that the scorer is given, in what is scored."""
    bands: tuple[str, ...]
    model: str
    precision: Precision
    threshold: float | str | None
    product: LazyResult

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the result."""
        return np.dtype(ENCODINGS[self.product].dtype if self.product in ENCODINGS else "float32")  # type: ignore[index]


def lazy_blocks(
    plan: BlockPlan, layers: Sequence[xarray.DataArray], options: SceneOptions, evidence: ScaleEvidence, whole: str = ""
) -> dask.array.Array:
    """(y, x) array of the plan's product; `layers` are (y, x), one per band of the plan; `whole`: see `tell_once`."""
    import dask.array
    from dask.array.overlap import overlap

    given = layers[0].chunks or ()
    wanted = [_whole_blocks(size, max(chunks), plan) for size, chunks in zip(layers[0].shape, given, strict=True)]
    stack = dask.array.stack([layer.data.rechunk(tuple(wanted)) for layer in layers]).rechunk({0: -1})
    nodata = [array_nodata(layer, options, evidence) for layer in layers]
    depth = {axis + 1: plan.halo * plan.factor if len(chunks) > 1 else 0 for axis, chunks in enumerate(wanted)}
    spread = overlap(stack, {0: 0, **depth}, "none", allow_rechunk=False) if any(depth.values()) else stack
    starts = [np.concatenate([[0], np.cumsum(chunks)]).tolist() for chunks in wanted]
    blocks: dask.array.Array = dask.array.map_blocks(
        score_block,
        spread,
        plan=plan,
        starts=starts,
        nodata=nodata,
        numbers=_numbers(dict(zip(plan.bands, layers, strict=True)), nodata, options, stack, evidence, whole),
        drop_axis=0,
        chunks=tuple(wanted),
        dtype=plan.dtype,
        meta=np.empty((0, 0), plan.dtype),
    )
    return blocks


def cut_to_area(values: dask.array.Array, area: Area, nodata: float) -> dask.array.Array:
    """The area's part of a (y, x) array, nodata outside its polygons; other chunks are not computed."""
    import dask.array

    part: dask.array.Array = values[area.window.slices()]
    if area.shape is None:
        return part
    inside = dask.array.from_array(area.inside(area.window), chunks=part.chunks)
    cut: dask.array.Array = dask.array.where(inside, part, np.asarray(nodata, part.dtype))
    return cut


def score_block(
    values: NDArray[Any],
    *,
    plan: BlockPlan,
    starts: Sequence[Sequence[int]],
    nodata: Sequence[float | None],
    numbers: Numbers,
    block_id: tuple[int, ...] = (0, 0),
) -> NDArray[Any]:
    """The product of one chunk; `values` (band, h, w) reach as far beyond it as halo and scene do."""
    (top, bottom), (left, right) = (
        (edges[index], edges[index + 1]) for edges, index in zip(starts, block_id[-2:], strict=True)
    )
    origin = _origin(starts[0], top, plan), _origin(starts[1], left, plan)
    bands, (radiometry, padding) = tuple(values), numbers
    read = DigitalNumbers(bands, find_valid(bands, nodata, radiometry, padding), tuple(radiometry))
    scorer = shared_scorer(plan.model, "auto", plan.precision)
    area = Window(top, left, bottom - top, right - left)
    calibration = choose_threshold(scorer, plan.threshold)
    maps = AloneMaps(scorer, calibration) if plan.product == "alone" else None
    scores = spread(_score(read, area, origin, plan, scorer, maps), plan.factor, area.shape)
    valid = read.valid[area.slices(origin)]
    return finish(scores, valid, calibration, plan.product)


class AloneMaps:
    """The product `alone` of a batch of patches."""

    def __init__(self, scorer: Scorer, calibration: Calibration) -> None:
        """With shadow where the model can tell it."""
        try:
            self._layers = BatchLayers(scorer, calibration, classes=("cloud", "shadow"), extent="all")
        except ModelError:
            self._layers = BatchLayers(scorer, calibration, extent="all")

    def __call__(self, batch: PatchBatch) -> Layers:
        """(n, h, w) under the name of the score."""
        layers = self._layers(batch)
        p = quantise(layers[SCORE]).astype(np.float32) * np.float32(SCORE_SCALE)
        return {SCORE: p + np.float32(2) * (layers[CODE] == SHADOW)}


def lazy_reflectance(
    layers: Mapping[str, xarray.DataArray], options: SceneOptions, evidence: ScaleEvidence, whole: str = ""
) -> dask.array.Array:
    """(band, y, x) reflectance of (y, x) layers by band, NaN where nodata; `whole`: see `tell_once`."""
    import dask.array

    chunks = next(iter(layers.values())).chunks or ()
    stack = dask.array.stack([layer.data.rechunk(chunks) for layer in layers.values()]).rechunk({0: -1})
    nodata = [array_nodata(layer, options, evidence) for layer in layers.values()]
    numbers = _numbers(layers, nodata, options, stack, evidence, whole)
    found: dask.array.Array = stack.map_blocks(
        _reflect_block, nodata=nodata, numbers=numbers, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32)
    )
    return found


def _reflect_block(values: NDArray[Any], *, nodata: Sequence[float | None], numbers: Numbers) -> FloatArray:
    bands, (radiometry, padding) = tuple(values), numbers
    raster = DigitalNumbers(bands, find_valid(bands, nodata, radiometry, padding), tuple(radiometry)).reflectance()
    return np.where(raster.valid, raster.data, np.float32(np.nan))


def _score(
    numbers: DigitalNumbers,
    area: Window,
    origin: tuple[int, int],
    plan: BlockPlan,
    scorer: Scorer,
    maps: BatchMaps | None,
) -> FloatArray:
    """Scores of what is scored in an area of the array; `numbers` begin at its pixel `origin`."""
    step, side = plan.factor, plan.grid.side
    if step > 1:
        height, width = numbers.valid.shape
        numbers = average(numbers, (-(-height // step), -(-width // step)), step)
    raster = numbers.reflectance()
    first, left = origin[0] // step, origin[1] // step
    columns = range(area.col // step, -(-area.stop_col // step))
    stop = -(-area.stop_row // step)
    scores = []
    for row in range(area.row // step, stop, side):
        window = Window(row, columns.start, min(side, stop - row), len(columns))
        segment = Segment(window=window, origin=(first, left), raster=raster, own_valid=raster.valid)
        scores.append(score_segment(segment, plan.grid, scorer, plan.bands, maps)[SCORE])
    return np.concatenate(scores)


def finish(scores: FloatArray, valid: BoolArray, calibration: Calibration, product: LazyResult) -> NDArray[Any]:
    """P(cloud), score or codes of (h, w) scores."""
    scores = np.where(valid, scores, np.float32(np.nan))
    if product == "raw" or product == "alone":  # noqa: PLR1714 - that mypy sees what is left
        return scores
    if product == "probability":
        return calibration.probability(scores)
    codes = np.where(scores >= calibration.score_threshold, np.uint8(CLOUD), np.uint8(CLEAR))
    return encode(np.where(valid, codes, np.uint8(NODATA)), product)


def _origin(edges: Sequence[int], start: int, plan: BlockPlan) -> int:
    """Where a chunk with its halo begins; one that is alone has no neighbour to take a halo from."""
    return max(start - plan.halo * plan.factor, 0) if len(edges) > 2 else start


def _whole_blocks(size: int, chunk: int, plan: BlockPlan) -> tuple[int, ...]:
    """Chunk sizes along one side: whole blocks, near the array's own; the last takes a rest smaller than the halo."""
    side, halo = plan.grid.side * plan.factor, plan.halo * plan.factor
    step = max(min(round(chunk / side), MAX_CHUNK_SIDE // side), -(-halo // side), 1) * side
    count, rest = divmod(size, step)
    if not count:
        return (size,)
    if not rest:
        return (step,) * count
    return (*(step,) * (count - 1), step + rest) if rest < halo else (*(step,) * count, rest)


def _numbers(
    layers: Mapping[str, xarray.DataArray],
    nodata: Sequence[float | None],
    options: SceneOptions,
    stack: dask.array.Array,
    evidence: ScaleEvidence,
    whole: str,
) -> Any:  # noqa: ANN401 - a list, or a delayed one
    """How numbers are read: as given or by attributes; else by some chunks once they are computed."""
    from dask.delayed import delayed

    given = given_radiometry(options)
    found = {band: given or stated_radiometry(layer) for band, layer in layers.items()}
    if given is None and options.offset is not None:
        found = {band: known and replace(known, offset=options.offset) for band, known in found.items()}
    if all(found.values()) and (given is not None or stack.dtype.kind != "f"):
        if options.nodata is None and None in nodata and stack.dtype.kind in "iu":
            tell_once(whole, ["nothing states what is nodata, and no pixel is looked at: if some is, give nodata="])
        return list(found.values()), None
    blocks = [stack.blocks[(0, *index)] for index in _spread_out(stack.numblocks[1:])]
    corners = stack[:, [0, -1]][:, :, [0, -1]]
    types = [str(layer.dtype) for layer in layers.values()]
    known = {band: (found[band], empty, dtype) for band, empty, dtype in zip(found, nodata, types, strict=True)}
    return delayed(_probe, pure=True)((blocks, corners), known, evidence, options, whole)


def tell_once(whole: str, notes: Sequence[str]) -> None:
    """Tell each kind of note on an array once in this process, whatever the numbers in it.

    Its dates have much the same notes, and so has each computation; `whole` is the token of the array with all of its
    dates (see `Given`), and if it is empty, all notes are told.
    """
    kinds = {(whole, re.sub(r"[\d.]+", "", note)): note for note in notes}
    with _TELLING:
        new = [note for kind, note in kinds.items() if not whole or kind not in _TOLD]
        _TOLD.update(kinds)
    tell("the array", new)


def _spread_out(counts: tuple[int, ...]) -> list[tuple[int, int]]:
    """Some chunks from the middle outwards along both diagonals."""
    rows, cols = counts
    shares = [(0.5, 0.5), (0.25, 0.25), (0.75, 0.75), (0.25, 0.75), (0.75, 0.25)][: PROBED_CHUNKS + 1]
    return list(dict.fromkeys((int(a * rows), int(b * cols)) for a, b in shares))


def _probe(
    probed: tuple[Sequence[NDArray[Any]], NDArray[Any]],
    known: Mapping[str, tuple[Radiometry | None, float | None, str]],
    evidence: ScaleEvidence,
    options: SceneOptions,
    whole: str,
) -> Numbers:
    """One scale for all bands that have none, and what pads them, from every nth valid value of some chunks.

    The same is asked as of an array in memory: how high and low they are, how bright land is, what fills corners.

    Args:
        probed: chunks (band, h, w), and the pixels in the four corners (band, 2, 2).
        known: band -> what is known of its scale, its nodata value, and the type it is stored in.
        evidence: what may tell the scale.
        options: the user's word.
        whole: see `tell_once`.
    """
    blocks, corners = probed
    found: Mapping[str, Radiometry | None] = {band: scale for band, (scale, _, _) in known.items()}
    nodata, dtypes = ([each[1] for each in known.values()], tuple(each[2] for each in known.values()))
    seen: dict[str, list[NDArray[np.float64]]] = {band: [] for band in found}
    alike, looked = [], 0
    for block in blocks:
        step = max(1, max(block.shape[1:]) // MAX_PROBED_SIDE)
        part = block[:, ::step, ::step]
        valid = np.stack([~is_nodata(values, empty) for values, empty in zip(part, nodata, strict=True)])
        for kept, values, here in zip(seen.values(), part, valid, strict=True):
            kept.append(values[here].astype(np.float64))
        alike.append(part[0][(part == part[0]).all(axis=0) & valid.all(axis=0)])
        looked += part[0].size
    numbers = {band: np.concatenate(kept) for band, kept in seen.items()}
    every = list(numbers.values())
    fills = filling(np.concatenate(alike), every, corners[0][(corners == corners[0]).all(axis=0)], looked)
    samples = Samples(np.concatenate(every), dtypes, *common_fill([fills]), medians_of(numbers)).without_fill()
    if not samples.values.size:  # nothing but nodata in these chunks: no scale can do harm there, and others are alike
        unknown = Radiometry(1e-4, 0.0, "read as reflectance x 10000", guessed=True)
        return [known or unknown for known in found.values()], None
    if all(dtype.startswith("float") for dtype in dtypes):
        found = unless_applied(found, lambda: samples)
    scales = with_options(found, evidence, options, lambda: samples)
    notes = [Warn(f"reflectance = {scale}") for scale in dict.fromkeys(scales.values()) if scale.guessed]
    padding, said = samples.padding(set(scales.values())) if options.nodata is None else (None, "")
    tell_once(whole, [*notes, said] if said else notes)
    return list(scales.values()), padding
