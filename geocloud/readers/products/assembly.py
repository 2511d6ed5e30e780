"""Assembles band files into one scene: one CRS, the finest grid, scales, nodata, and the note that tells them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from math import isnan
from typing import Any

import numpy as np
from rasterio.enums import MaskFlags

from geocloud.errors import InputError
from geocloud.progress import Warn
from geocloud.raster import Georef
from geocloud.readers.bands.names import SCORED, VISIBLE, band_order
from geocloud.readers.bands.radiometry import (
    BRIGHTEST_SCALED,
    DARKEST_SCALED,
    LEAST_STATED,
    ScaleEvidence,
    choose_radiometry,
    implausible,
    known_nodata,
)
from geocloud.readers.bands.spec import BandSource, FillSource, Radiometry, Samples, SceneInfo
from geocloud.readers.files.opening import (
    check_blocks,
    check_place,
    check_size,
    crs_name,
    open_raster,
    raster_georef,
    same_crs,
)
from geocloud.readers.files.paths import check_named, is_virtual
from geocloud.readers.files.sampling import mask_band, sample_files
from geocloud.readers.reader import SceneOptions

SHARED_LETTERS = 8
"""If all names of bands begin with more than this many equal letters, the note on a scene leaves these out."""
TakeSamples = Callable[[], Samples]


@dataclass(frozen=True, slots=True)
class ProductDescription:
    """What is known of a product apart from its band files; see SceneInfo for fields without a description."""

    name: str
    source: str
    """The path or URL, as the user gave it."""
    kind: str
    """The kind of product, such as `Sentinel-2 L2A SAFE, baseline 04.00`."""
    taken: str = ""
    """Time of acquisition, ISO 8601; empty if unknown."""
    item: str = ""
    """Path or URL of the STAC item; empty if it is none."""
    notes: tuple[str, ...] = ()
    fill: FillSource | None = None
    document: str = ""
    """Path of the metadata file that names the band files, empty if none; they must be in its folder unless allowed."""
    scale: ScaleEvidence = field(default_factory=lambda: ScaleEvidence(""))
    """What can tell the scale, apart from what files and metadata state."""
    left_out: tuple[str, ...] = ()
    guess: str = ""
    """How the bands were guessed, in words; empty if they are stated."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """How one file is stored."""

    georef: Georef
    block: tuple[int, int]
    nodata: tuple[float | None, ...]
    dtypes: tuple[str, ...]
    masked: bool
    alpha: int
    guessed: str
    """The warning to give if the alpha band is a guess; empty if it is stated or there is none."""

    @property
    def pixel_area(self) -> float:
        """Area of a pixel in square CRS units."""
        return abs(self.georef.transform.determinant)

    @property
    def pixel_bytes(self) -> int:
        """Bytes per pixel of all bands of the file."""
        return sum(np.dtype(dtype).itemsize for dtype in self.dtypes)


def given_radiometry(options: SceneOptions) -> Radiometry | None:
    """The user's scale and offset; None without a scale. `with_options` applies an offset that is given alone."""
    return None if options.scale is None else Radiometry(options.scale, options.offset or 0.0)


def require_visible(source: str, found: Sequence[str], missing: Mapping[str, str], advice: str = "") -> None:
    """InputError unless blue, green and red are all found.

    Args:
        source: as the user named the scene, for the message.
        found: names of the bands.
        missing: band -> what was looked for, in words.
        advice: what the user can do, in words.
    """
    absent = [band for band in VISIBLE if band not in found]
    if absent:
        sought = "; ".join(f"{band}: {missing[band]}" for band in absent if band in missing)
        raise InputError(
            f"{source} has no {' and no '.join(absent)} band{f' ({sought})' if sought else ''}; "
            f"a scene needs at least blue, green and red: {advice or 'fetch what is missing'}"
        )


def assemble(
    product: ProductDescription,
    sources: Sequence[BandSource],
    options: SceneOptions,
    stated: Mapping[str, Radiometry | None] | None = None,
) -> SceneInfo:
    """Describe the scene that these band files make up.

    Its grid is the finest among the bands that scorers can use; RasterScene reads the others through warped views.

    Args:
        product: what is known apart from the files.
        sources: one per band; a nodata of None is replaced by that of the file, or by what is known of the product.
        options: they override everything else.
        stated: band -> scale and offset by metadata or tags; None for a band: they state none. None: as in `sources`.

    Raises:
        InputError: a file cannot be opened or may not be named by its document, has another CRS, does not overlap the
            others, or the scale cannot be found.
    """
    allow = options.allow_external
    quality = [product.fill.path] if product.fill else []
    for path in (*(source.path for source in sources), *quality):
        if product.document and not is_virtual(path):
            check_named(product.document, path, allow_external=allow)
    ordered = sorted(sources, key=lambda source: band_order(source.band))
    users = {source.index for source in ordered}
    stored = {path: inspect(path, users, allow_external=allow) for path in dict.fromkeys(s.path for s in ordered)}
    scored = [source for source in ordered if source.band in SCORED] or ordered
    finest = min(scored, key=lambda source: stored[source.path].pixel_area)
    grid = stored[finest.path].georef
    check_size(product.source, grid.shape, options.max_pixels)
    check_place(product.source, grid)
    for source in ordered:
        _check_alignment(product.source, source, stored[source.path].georef, finest, grid)
    filled = [_with_nodata(source, stored[source.path], product, options) for source in ordered]
    sampled: list[Samples] = []

    def sample() -> Samples:
        if not sampled:
            sampled.append(sample_files(filled, allow_external=allow))
        return sampled[0]

    known = stated or {source.band: source.radiometry for source in ordered}
    floats = all(stored[source.path].dtypes[source.index - 1].startswith("float") for source in ordered)
    if floats and given_radiometry(options) is None:
        known = unless_applied(known, sample)
    scales = with_options(known, product.scale, options, sample)
    filled = [replace(source, radiometry=scales[source.band]) for source in filled]
    untold = any(
        source.nodata is None and stored[source.path].nodata[source.index - 1] is None and options.nodata is None
        for source in ordered
    )
    notes = [understood(filled, product.guess, nodata_told=not untold), *product.notes]
    padding: float | None = None
    if options.nodata is None:
        notes += [Warn(file.guessed) for file in stored.values() if file.guessed][:1]
        if not product.fill and not ((product.document or product.item) and all(map(says_nodata, filled))):
            padding, said = sample().padding(set(scales.values()))
            notes += [text for text in (implausible(scales.values(), sample()), said) if text]
    if not grid.located:
        notes.append("the scene has no georeference; its mask has none either")
    block = tuple(max(file.block[axis] for file in stored.values()) for axis in (0, 1))
    return SceneInfo(
        product.name,
        product.source,
        grid,
        tuple(filled),
        (block[0], block[1], sum(file.pixel_bytes for file in stored.values())),
        tuple(notes),
        product.fill,
        product.kind,
        product.taken,
        product.item,
        product.left_out,
        padding,
    )


def says_nodata(source: BandSource) -> bool:
    """True if nodata, an internal mask or an alpha band tells which pixels have no data: then no sample is needed."""
    return source.nodata is not None or source.masked or bool(source.alpha)


def unless_applied(stated: Mapping[str, Radiometry | None], sample: TakeSamples) -> Mapping[str, Radiometry | None]:
    """The scales that are stated for bands of floats, or 1 if these are reflectance already.

    Whoever computes reflectance from numbers often keeps the attributes by which they did, as xarray does by default.
    """
    scale = next(iter(stated.values()), None)
    if scale is None or set(stated.values()) != {scale} or not sample().values.size:
        return stated
    high = sample().percentile(99)
    if not (DARKEST_SCALED <= high <= BRIGHTEST_SCALED and high * scale.scale + scale.offset < LEAST_STATED):
        return stated
    origin = f"values up to {high:.3g}, so {scale.formula} of {scale.origin} was applied before"
    return dict.fromkeys(stated, Radiometry(1.0, 0.0, origin, guessed=True))


def with_options(
    stated: Mapping[str, Radiometry | None], evidence: ScaleEvidence, options: SceneOptions, sample: TakeSamples
) -> dict[str, Radiometry]:
    """Band -> scale and offset: the user's, or else those of `choose_radiometry`, whose errors it raises.

    If the user gives only an offset, it replaces the offset that is found.
    """
    given = given_radiometry(options)
    if given is not None:
        return dict.fromkeys(stated, given)
    found = choose_radiometry(stated, replace(evidence, offset=options.offset), sample)
    if options.offset is None:
        return found
    return {
        band: replace(scale, offset=options.offset, origin=f"{scale.origin}, offset given")
        for band, scale in found.items()
    }


def understood(sources: Sequence[BandSource], guess: str = "", *, nodata_told: bool = True) -> str:
    """The note on a scene that tells its bands, scale and nodata: a warning if bands or scale were guessed.

    `nodata_told` False: no tag, metadata or option states nodata, so that a number is that of the sensor or product.
    """
    labels = [source.label for source in sources]
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*labels, strict=False)) if len(labels) > 1 else ()
    shared = re.sub(r"[a-zA-Z0-9]*$", "", "".join(letters[0] for letters in alike))
    bands = ", ".join(_called(source, len(shared)) for source in sources)
    scales = list(dict.fromkeys(source.radiometry for source in sources))
    scale = str(scales[0]) if len(scales) == 1 else f"a scale per band ({scales[0].origin})"
    guessed = any(scale.guessed for scale in scales)
    empty = "alpha or mask" if any(source.alpha or source.masked for source in sources) else ""
    values = ", ".join(dict.fromkeys(f"{s.nodata:g}" for s in sources if s.nodata is not None))
    line = (
        f"bands {bands}{f' ({guess}; --bands if not)' if guess else ''}; reflectance = {scale}"
        f"{', which is guessed: if it is wrong, give --scale and --offset' if guessed else ''}; nodata "
        f"{' and '.join(part for part in (values, empty) if part) or 'none'}"
        f"{' by its sensor or product; --nodata if not' if values and not nodata_told else ''}"
    )
    return Warn(line) if guessed or guess else line


def _called(source: BandSource, shared: int = 0) -> str:
    """A band's common name and its label, without the first `shared` letters, or its number if it has no label."""
    label = f"…{source.label[shared:]}" if shared > SHARED_LETTERS else source.label or str(source.index)
    return source.band if label.lower() == source.band else f"{source.band} {label}"


def inspect(path: str, users: Collection[int] = (), *, allow_external: bool = False) -> _Stored:
    """How a file is stored; InputError if it cannot be opened. `users`: bands that are read, so that none is alpha."""
    with open_raster(path, allow_external=allow_external) as dataset:
        check_blocks(dataset, path)
        alpha, guessed = mask_band(dataset, users)
        flags = dataset.mask_flag_enums[0]
        return _Stored(
            raster_georef(dataset, path),
            dataset.block_shapes[0],
            dataset.nodatavals,
            dataset.dtypes,
            MaskFlags.per_dataset in flags and not {MaskFlags.nodata, MaskFlags.alpha} & set(flags),
            alpha,
            f"band {alpha} holds but 0 and one other number, and is read as a mask; --nodata nan if it is none"
            if guessed
            else "",
        )


def _with_nodata(source: BandSource, stored: _Stored, product: ProductDescription, options: SceneOptions) -> BandSource:
    """The band with its nodata value, by the options, the metadata, the file or the product, and its mask or alpha."""
    nodata = source.nodata if source.nodata is not None else stored.nodata[source.index - 1]
    alpha = 0 if stored.guessed and options.nodata is not None else stored.alpha
    if options.nodata is not None:
        nodata = None if isnan(options.nodata) else options.nodata
    elif nodata is None and not stored.masked and not stored.alpha:
        nodata = known_nodata(product.scale, stored.dtypes[source.index - 1])
    return replace(source, nodata=nodata, masked=stored.masked, alpha=alpha)


def _check_alignment(scene: str, source: BandSource, georef: Georef, finest: BandSource, grid: Georef) -> None:
    """InputError if a band's file cannot be aligned with the scene's grid."""
    if not same_crs(georef, grid):
        raise InputError(
            f"{scene} mixes reference systems: {finest.band} has {crs_name(grid)}, {source.band} has "
            f"{crs_name(georef)}; bring them to one first, as with gdalwarp"
        )
    if not grid.located or grid.gcps:
        if georef.shape != grid.shape:
            raise InputError(
                f"{scene} cannot be aligned: {source.band} has {georef.shape[1]}x{georef.shape[0]} pixels, "
                f"{finest.band} {grid.shape[1]}x{grid.shape[0]}, and neither says where it lies; "
                "resample them to one size"
            )
        return
    west, south, east, north = grid.bounds
    left, bottom, right, top = georef.bounds
    if min(east, right) <= max(west, left) or min(north, top) <= max(south, bottom):
        raise InputError(f"{scene} holds bands of different places: {source.band} and {finest.band} do not overlap")


def tagged_radiometry(dataset: Any, index: int) -> Radiometry | None:  # noqa: ANN401 - rasterio is untyped
    """Scale and offset that a file's tags state for one band (`index` from 1); None if they state nothing."""
    scale, offset = dataset.scales[index - 1], dataset.offsets[index - 1]
    if (scale, offset) != (1.0, 0.0):
        return Radiometry(scale, offset, "the file's tags")
    factor = dataset.tags(ns="ENVI").get("reflectance_scale_factor", "") if dataset.driver == "ENVI" else ""
    try:
        return Radiometry(1 / float(factor), 0.0, "its header's reflectance scale factor")
    except (ValueError, ZeroDivisionError):
        return None
