"""A user's scenes with the user's labels, as tiles at the pixel size at which they are scored."""

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
"""Tiles per scene, spread over it."""
CROP = 128
"""Pixels along each side of a training crop; a scene of at least two crops is cut, so that a part can be held out."""
MIN_SIDE = 64
"""Pixels along a side below which a scene is refused."""
UNKNOWN = 2
"""Label of pixels that are neither known to be clear nor known to be cloud."""
HELD_OUT = 4
"""One scene in so many is held out, at least one of the wholly clear ones and one of the others."""
SURELY_CLEAR = 2.0
"""Logits below the threshold from which unlabelled ground is assumed to be clear."""
VEILS = tuple(code for name, code in CODES.items() if name not in ("shadow", "snow"))
"""Codes of a mask that count as cloud here."""

File = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Truth:
    """The user's labels, by name or stem of the scene."""

    clear: frozenset[str] = frozenset()
    """Names of wholly clear scenes."""
    cloudy: frozenset[str] = frozenset()
    """Names of wholly cloudy scenes."""
    masks: Mapping[str, Path] = field(default_factory=dict)
    """Name of a scene -> its corrected mask."""
    polygons: geopandas.GeoDataFrame | None = None
    """Clouds. Its column `scene` names the scenes that it labels completely; without that column, it labels every scene
    that has no other label. A polygon with an empty scene is cloud in each labelled scene in which it lies."""

    @classmethod
    def of(cls, clear: File | None, cloudy: File | None, masks: File | None, polygons: File | None) -> Truth:
        """Read the files that the options name; InputError if one cannot be read."""
        return cls(
            frozenset() if clear is None else frozenset(read_names(Path(clear))),
            frozenset() if cloudy is None else frozenset(read_names(Path(cloudy))),
            {} if masks is None else _masks_in(Path(masks)),
            None if polygons is None else read_polygons(polygons),
        )

    def kind_for(self, name: str) -> str:
        """How a scene is labelled: `clear`, `cloudy`, `mask` or `polygons`; empty if it is not."""
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
        """UsageError if there are labels, but none of them is for one of the scenes with these names."""
        named = {*self.clear, *self.cloudy, *self.masks}
        if self.polygons is not None and "scene" in self.polygons:
            named |= {name for name in self.polygons["scene"].dropna() if name}
        unknown = sorted(named - set(names))
        if unknown and not named & set(names):
            raise UsageError(f"no scene given has labels: {unknown[0]!r} is not among {', '.join(names[:5])}")


def _masks_in(folder: Path) -> dict[str, Path]:
    """Name of each scene -> its mask; InputError if there is no such folder."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder of masks; give one with NAME.tif or NAME_cloudmask.tif")
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
    """(h, w) True = data."""
    georef: Georef
    """Of the tile; models need the size of its pixels in metres."""

    @property
    def known(self) -> BoolArray:
        """(h, w) True where pixels are labelled and hold data."""
        known: BoolArray = self.valid & (self.truth != UNKNOWN)
        return known


def read_tiles(source: str | os.PathLike[str], options: SceneOptions, scorer: Scorer, truth: Truth) -> list[Tile]:
    """The tiles of a scene with their labels; InputError if the scene is too small."""
    with open_scene(source, options) as scene:
        bands = scorer.choose_bands(scene.bands)
        factor = aggregation_factor(scene.georef, scorer)
        height, width = coarse_shape(scene.georef.shape, factor)
        if min(height, width) < MIN_SIDE:
            raise InputError(
                f"{scene.source} has {height} x {width} pixels as it is scored; at least {MIN_SIDE} per side are "
                "needed: leave it out"
            )
        name = next((name for name in (scene.name, scene_name(str(source))) if truth.kind_for(name)), scene.name)
        tiles = []
        for window in _spread(height, width):
            raster, _ = read_coarse(scene, window, bands, factor)
            if raster.valid.mean() < 0.1:
                continue
            means = raster.data.mean(axis=(1, 2), where=raster.valid, keepdims=True)
            data = np.where(raster.valid, raster.data, means).astype(np.float32)
            labels = _truth_of(scene, truth, name, window, factor)
            georef = coarse_georef(scene.georef, window, factor)
            tiles.append(Tile(scene.name, data, bands, labels, raster.valid, georef))
        return tiles


def _spread(height: int, width: int) -> Iterator[Window]:
    """At most MAX_TILES windows of at most TILE pixels per side, spread evenly over a scene."""
    rows, cols = (max(2 if size >= 2 * CROP else 1, round(size / TILE)) for size in (height, width))
    cells = [(row, col) for row in range(rows) for col in range(cols)]
    step = max(1.0, len(cells) / MAX_TILES)
    for row, col in (cells[int(n * step)] for n in range(min(len(cells), MAX_TILES))):
        top, left = row * height // rows, col * width // cols
        yield Window(
            top, left, min(TILE, (row + 1) * height // rows - top), min(TILE, (col + 1) * width // cols - left)
        )


def _truth_of(scene: SceneReader, truth: Truth, name: str, window: Window, factor: int) -> ByteArray:
    """(h, w) labels of a window of squares, UNKNOWN where a square is mixed; see `Tile.truth`."""
    kind = truth.kind_for(name)
    if kind in ("clear", "cloudy", ""):
        value = {"clear": CLEAR, "cloudy": CLOUD, "": UNKNOWN}[kind]
        return np.full(window.shape, value, dtype=np.uint8)
    shape = scene.georef.shape
    own = Window(window.row * factor, window.col * factor, window.height * factor, window.width * factor).clip(shape)
    if kind == "mask":
        with MaskFile(truth.masks[name]) as mask:
            if mask.georef.shape != shape:
                raise InputError(
                    f"{mask.path} has {mask.georef.shape[0]} x {mask.georef.shape[1]} pixels, its scene {shape[0]} x "
                    f"{shape[1]}; correct the mask that geocloud wrote of the scene, and give that"
                )
            codes = mask.read(own.row, own.height, own.col, own.width)
        cloud, known = np.isin(codes, VEILS), codes != NODATA
    else:
        cloud, known = _burnt(truth.polygons, scene, name, own), np.ones(own.shape, dtype=bool)
    return _squares(cloud, known, window.shape, factor)


def _burnt(frame: Any, scene: SceneReader, name: str, own: Window) -> BoolArray:  # noqa: ANN401 - a GeoDataFrame
    """(h, w) the scene's own pixels, True inside a polygon of cloud."""
    rows = frame
    if "scene" in frame:  # a polygon drawn by hand often names no scene
        rows = frame[(frame["scene"] == name) | frame["scene"].isna() | (frame["scene"] == "")]
    if "class" in rows:
        rows = rows[~rows["class"].isin(("cloud shadow", "snow or ice"))]
    shapes: Any = to_pixel_coordinates(rows, scene.georef, scene.source) if len(rows) else []
    inside = np.zeros(own.shape, dtype=np.uint8)
    if len(shapes):
        from affine import Affine

        rasterize(((shape, 1) for shape in shapes), out=inside, transform=Affine.translation(own.col, own.row))
    cloud: BoolArray = inside == 1
    return cloud


def _squares(cloud: BoolArray, known: BoolArray, shape: tuple[int, int], factor: int) -> ByteArray:
    """(h, w) labels of squares of pixels: cloud or clear if all known pixels in a square agree, else UNKNOWN."""
    padding = [(0, size * factor - pixels) for size, pixels in zip(shape, cloud.shape, strict=True)]
    cloudy, total = (
        np.pad(layer, padding).reshape(shape[0], factor, shape[1], factor).sum(axis=(1, 3))
        for layer in (cloud & known, known)
    )
    return np.select([total == 0, cloudy == total, cloudy == 0], [UNKNOWN, CLOUD, CLEAR], UNKNOWN).astype(np.uint8)


def split(tiles: Sequence[Tile], seed: int) -> tuple[list[Tile], list[Tile]]:
    """Tiles to train on, and tiles of other scenes to hold out.

    Of one or two scenes, the last third of their tiles is held out.

    Raises:
        UsageError: there are fewer than two labelled tiles.
    """
    known = [tile for tile in tiles if tile.known.any()]
    if len(known) < 2:
        raise UsageError("there is too little to train and to measure on; give two scenes or more, or larger ones")
    clear = {tile.scene for tile in known if not (tile.truth[tile.known] == 1).any()}
    held: set[str] = set()
    for group in (clear, {tile.scene for tile in known} - clear):
        order = sorted(group, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).hexdigest())
        held |= set(order[: max(1, len(order) // HELD_OUT)]) if len(order) > 2 else set()
    if held:
        return [tile for tile in known if tile.scene not in held], [tile for tile in known if tile.scene in held]
    third = max(1, len(known) // 3)
    return known[:-third], known[-third:]


def taken_for_clear(tile: Tile, scorer: Scorer, threads: int | None) -> Tile:
    """An unlabelled tile, labelled clear where the model is sure, so that cloud can be simulated over it."""
    scene = MemoryScene(Raster(tile.data, tile.valid), tile.bands, tile.georef, tile.scene)
    score, _ = score_scene(scene, scorer, threads=threads, factor=1)
    sure = score < scorer.card.calibration.score_threshold - SURELY_CLEAR
    return replace(tile, truth=np.where(sure, np.uint8(CLEAR), np.uint8(UNKNOWN)))


def describe_tiles(tiles: Sequence[Tile], *, labelled: bool) -> str:
    """The training data of an adapted model, as a line for its card."""
    names, bands = scene_names(tiles), ", ".join(dict.fromkeys(band for tile in tiles for band in tile.bands))
    cloud, clear = (sum(int((tile.known & (tile.truth == value)).sum()) for tile in tiles) for value in (1, 0))
    source = "said to be" if labelled else "taken by the model to be"
    pixels = f"{clear} pixels {source} clear, {cloud} cloud; simulated cloud over the clear ones"
    return f"{len(names)} scenes of the user's ({', '.join(names)[:300]}), {bands}: {pixels}"


def scene_names(tiles: Sequence[Tile]) -> tuple[str, ...]:
    """The names of the tiles' scenes, each once."""
    return tuple(dict.fromkeys(tile.scene for tile in tiles))
