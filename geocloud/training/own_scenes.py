"""A user's scenes with what the user says of them: tiles at the size they are scored at, and the truth where given."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.features import rasterize

from geocloud.classes import CODES
from geocloud.datasets.folder import read_names
from geocloud.errors import InputError, UsageError
from geocloud.pipeline.scoring import score_scene
from geocloud.pipeline.tiling import aggregation_factor, coarse_georef, coarse_shape, read_coarse
from geocloud.raster import CLEAR, CLOUD, NODATA, BoolArray, ByteArray, FloatArray, Georef, Raster, Window
from geocloud.readers import MemoryScene, SceneOptions, SceneReader, open_scene
from geocloud.readers.files.paths import scene_name
from geocloud.readers.masks import MaskFile
from geocloud.readers.polygons import read_polygons, to_pixel_coordinates
from geocloud.scorers.contract import Scorer

if TYPE_CHECKING:
    import geopandas

TILE = 384
"""Pixels along each side of a tile, as they are scored."""
MAX_TILES = 6
"""Tiles of a scene, spread over it."""
CROP = 128
"""Pixels along each side of what is learned at once: a scene of two of them is cut, so that some can be held out."""
LEAST = 64
"""Pixels along a side below which a scene is not used."""
UNKNOWN = 2
HELD_OUT = 4
"""One scene of so many is held out, at least one of those that are clear and one of the others."""
SURELY_CLEAR = 2.0
"""Logits below the threshold from which ground that nobody spoke of is taken for clear."""
VEILS = tuple(code for name, code in CODES.items() if name not in ("shadow", "snow"))
"""Codes of a mask that count as cloud here."""

File = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Truth:
    """What the user says of the scenes, by name or stem."""

    clear: frozenset[str] = frozenset()
    cloudy: frozenset[str] = frozenset()
    masks: Mapping[str, Path] = field(default_factory=dict)
    polygons: geopandas.GeoDataFrame | None = None
    """Clouds; its column `scene` says of which scenes it tells all, without one it is every scene that nothing else is
    said of. A polygon whose scene is empty is cloud in each of them that it lies in."""

    @classmethod
    def of(cls, clear: File | None, cloudy: File | None, masks: File | None, polygons: File | None) -> Truth:
        """As the options name it; InputError for what cannot be read."""
        return cls(
            frozenset() if clear is None else frozenset(read_names(Path(clear))),
            frozenset() if cloudy is None else frozenset(read_names(Path(cloudy))),
            {} if masks is None else _masks_in(Path(masks)),
            None if polygons is None else read_polygons(polygons),
        )

    def given_for(self, name: str) -> str:
        """How a scene's truth is known: `clear`, `cloudy`, `mask`, `polygons`, or empty."""
        if name in self.clear and name in self.cloudy:
            raise UsageError(f"scene {name} is said to be both clear and cloudy; leave it out of one file")
        if name in self.masks:
            return "mask"
        if name in self.clear or name in self.cloudy:
            return "clear" if name in self.clear else "cloudy"
        if self.polygons is not None and ("scene" not in self.polygons or (self.polygons["scene"] == name).any()):
            return "polygons"
        return ""

    def check(self, names: Sequence[str]) -> None:
        """UsageError where something is said of a scene that is not among those given."""
        named = {*self.clear, *self.cloudy, *self.masks}
        if self.polygons is not None and "scene" in self.polygons:
            named |= {name for name in self.polygons["scene"].dropna() if name}
        unknown = sorted(named - set(names))
        if unknown and not named & set(names):
            raise UsageError(f"no scene given has labels: {unknown[0]!r} is not among {', '.join(names[:5])}")


def _masks_in(folder: Path) -> dict[str, Path]:
    """Scene's name -> its mask."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder of masks")
    files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in (".tif", ".tiff", ".png")]
    return {path.stem.removesuffix("_cloudmask"): path for path in files}


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a scene, as it is scored."""

    scene: str
    data: FloatArray
    """(band, h, w) reflectance in the scorer's bands; nodata filled with the mean."""
    bands: tuple[str, ...]
    truth: ByteArray
    """(h, w) 0 clear, 1 cloud, 2 unknown."""
    valid: BoolArray
    """(h, w)"""
    georef: Georef
    """Where it lies: models ask how many metres a pixel has."""

    @property
    def known(self) -> BoolArray:
        """(h, w) where the truth is given."""
        found: BoolArray = self.valid & (self.truth != UNKNOWN)
        return found


def read_tiles(source: str | os.PathLike[str], options: SceneOptions, scorer: Scorer, truth: Truth) -> list[Tile]:
    """The tiles of a scene; InputError where it is too small to learn from."""
    with open_scene(source, options) as scene:
        bands = scorer.choose_bands(scene.bands)
        factor = aggregation_factor(scene.georef, scorer)
        height, width = coarse_shape(scene.georef.shape, factor)
        if min(height, width) < LEAST:
            raise InputError(
                f"{scene.source} has {height} x {width} pixels as it is scored; at least {LEAST} a side are needed"
            )
        name = next((name for name in (scene.name, scene_name(str(source))) if truth.given_for(name)), scene.name)
        tiles = []
        for window in _spread(height, width):
            raster, _ = read_coarse(scene, window, bands, factor)
            if raster.valid.mean() < 0.1:
                continue
            means = raster.data.mean(axis=(1, 2), where=raster.valid, keepdims=True)
            data = np.where(raster.valid, raster.data, means).astype(np.float32)
            given = _truth_of(scene, truth, name, window, factor)
            place = coarse_georef(scene.georef, window, factor)
            tiles.append(Tile(scene.name, data, bands, given, raster.valid, place))
        return tiles


def _spread(height: int, width: int) -> Iterator[Window]:
    """At most MAX_TILES windows of at most TILE pixels per side, evenly over a scene."""
    rows, cols = (max(1 + (size >= 2 * CROP), round(size / TILE)) for size in (height, width))
    every = [(row, col) for row in range(rows) for col in range(cols)]
    step = max(1.0, len(every) / MAX_TILES)
    for row, col in (every[int(n * step)] for n in range(min(len(every), MAX_TILES))):
        top, left = row * height // rows, col * width // cols
        yield Window(
            top, left, min(TILE, (row + 1) * height // rows - top), min(TILE, (col + 1) * width // cols - left)
        )


def _truth_of(scene: SceneReader, truth: Truth, name: str, window: Window, factor: int) -> ByteArray:
    """(h, w) of a window of squares: the truth, UNKNOWN where squares are mixed."""
    how = truth.given_for(name)
    if how in ("clear", "cloudy", ""):
        value = {"clear": CLEAR, "cloudy": CLOUD, "": UNKNOWN}[how]
        return np.full(window.shape, value, dtype=np.uint8)
    shape = scene.georef.shape
    own = Window(window.row * factor, window.col * factor, window.height * factor, window.width * factor).clip(shape)
    if how == "mask":
        with MaskFile(truth.masks[name]) as mask:
            if mask.georef.shape != shape:
                raise InputError(
                    f"{mask.path} has {mask.georef.shape[0]} x {mask.georef.shape[1]} pixels, its scene {shape[0]} x "
                    f"{shape[1]}; give the mask that geocloud wrote of it, corrected"
                )
            codes = mask.read(own.row, own.height, own.col, own.width)
        cloud, known = np.isin(codes, VEILS), codes != NODATA
    else:
        cloud, known = _burnt(truth.polygons, scene, name, own), np.ones(own.shape, dtype=bool)
    return _squares(cloud, known, window.shape, factor)


def _burnt(frame: Any, scene: SceneReader, name: str, own: Window) -> BoolArray:  # noqa: ANN401 - a GeoDataFrame
    """(h, w) of the scene's own pixels: True inside a polygon of cloud."""
    rows = frame  # a polygon that was drawn by hand often names no scene: it counts where it lies
    if "scene" in frame:
        rows = frame[(frame["scene"] == name) | frame["scene"].isna() | (frame["scene"] == "")]
    if "class" in rows:
        rows = rows[~rows["class"].isin(("cloud shadow", "snow or ice"))]
    shapes: Any = to_pixel_coordinates(rows, scene.georef, scene.source) if len(rows) else []
    inside = np.zeros(own.shape, dtype=np.uint8)
    if len(shapes):
        from affine import Affine

        rasterize(((shape, 1) for shape in shapes), out=inside, transform=Affine.translation(own.col, own.row))
    found: BoolArray = inside == 1
    return found


def _squares(cloud: BoolArray, known: BoolArray, shape: tuple[int, int], factor: int) -> ByteArray:
    """(h, w) 0, 1 or UNKNOWN of squares of pixels: cloud or clear where all that is known in them agrees."""
    padded = [(0, size * factor - there) for size, there in zip(shape, cloud.shape, strict=True)]
    blocks = [
        np.pad(layer, padded).reshape(shape[0], factor, shape[1], factor).sum(axis=(1, 3))
        for layer in (cloud & known, known)
    ]
    clouds, every = blocks
    return np.where(
        every == 0, UNKNOWN, np.where(clouds == every, CLOUD, np.where(clouds == 0, CLEAR, UNKNOWN))
    ).astype(np.uint8)


def split(tiles: Sequence[Tile], seed: int) -> tuple[list[Tile], list[Tile]]:
    """Tiles to learn from, and tiles of other scenes held out; of one or two scenes the last third of their tiles.

    Raises:
        UsageError: too little to hold any out.
    """
    known = [tile for tile in tiles if tile.known.any()]
    if len(known) < 2:
        raise UsageError("there is too little to learn from and to measure on; give two scenes or more, or larger ones")
    clear = {tile.scene for tile in known if not (tile.truth[tile.known] == 1).any()}
    out: set[str] = set()
    for group in (clear, {tile.scene for tile in known} - clear):
        order = sorted(group, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).hexdigest())
        out |= set(order[: max(1, len(order) // HELD_OUT)]) if len(order) > 2 else set()
    if out:
        return [tile for tile in known if tile.scene not in out], [tile for tile in known if tile.scene in out]
    cut = max(1, len(known) // 3)
    return known[:-cut], known[-cut:]


def taken_for_clear(tile: Tile, scorer: Scorer, threads: int | None) -> Tile:
    """A tile of which nothing is said, with what the model is sure of as its truth: ground for simulated cloud."""
    scene = MemoryScene(Raster(tile.data, tile.valid), tile.bands, tile.georef, tile.scene)
    score, _ = score_scene(scene, scorer, threads=threads, factor=1)
    sure = score < scorer.card.calibration.score_threshold - SURELY_CLEAR
    return replace(tile, truth=np.where(sure, np.uint8(CLEAR), np.uint8(UNKNOWN)))


def describe_tiles(tiles: Sequence[Tile], *, labelled: bool) -> str:
    """What a model learned from, a line for its card."""
    names, bands = scene_names(tiles), ", ".join(dict.fromkeys(band for tile in tiles for band in tile.bands))
    cloud, clear = (sum(int((tile.known & (tile.truth == value)).sum()) for tile in tiles) for value in (1, 0))
    source = "said to be" if labelled else "taken by the model to be"
    pixels = f"{clear} pixels {source} clear, {cloud} cloud; simulated cloud over the clear ones"
    return f"{len(names)} scenes of the user's ({', '.join(names)[:300]}), {bands}: {pixels}"


def scene_names(tiles: Sequence[Tile]) -> tuple[str, ...]:
    """The scenes that tiles are of, each once."""
    return tuple(dict.fromkeys(tile.scene for tile in tiles))
