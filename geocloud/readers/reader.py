"""The interface of scene readers, the options of reading a scene, and two views of a scene: cropped, and north up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from geocloud.errors import UsageError, without_secrets
from geocloud.raster import Georef, Raster, Window
from geocloud.readers.bands.spec import DigitalNumbers, SceneInfo

if TYPE_CHECKING:
    from geocloud.readers.area import Area, AreaSource, Box

MAX_PIXELS = 10**11
"""Default limit of a scene's size: 316,000 x 316,000 pixels, more than any mosaic that is scored in one piece."""


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """Options of reading one scene; they override what its files state."""

    bands: Mapping[str, int | str] = field(default_factory=dict)
    """Common name -> band number from 1, or the scene's own name of the band: its description, file, asset or variable.
    Empty: the bands are recognised from the scene."""
    scale: float | None = None
    """Reflectance = DN * scale + offset; None: as the scene states, or guessed."""
    offset: float | None = None
    """See scale."""
    allow_external: bool = False
    """Allow a local document (STAC item, VRT) to name files outside its own folder."""
    max_pixels: int = MAX_PIXELS
    """Scenes of more pixels (height times width) are refused, because a file of a few bytes can claim any size."""
    nodata: float | None = None
    """The digital number that means no data, in every band. None: as the scene states; NaN: no number means it."""
    time: str | None = None
    """Which date to read, in a store or array of several: a date, its beginning, or an index from 0 (-1: the last)."""

    def __post_init__(self) -> None:
        """UsageError for numbers that have no meaning."""
        if self.scale is not None and not 0 < abs(self.scale) < float("inf"):
            raise UsageError(f"scale {self.scale} must be a number other than 0")
        if self.offset is not None and not abs(self.offset) < float("inf"):
            raise UsageError(f"offset {self.offset} must be a finite number")
        if self.max_pixels < 1:
            raise UsageError(f"max_pixels {self.max_pixels} must be 1 or more")


@runtime_checkable
class SceneReader(Protocol):
    """A scene that can be read one window at a time.

    Opening reads only metadata. `read` may be called from several threads at once, and returns the same pixels for a
    window whatever was read before. After `close`, `read` raises ValueError. Closing twice is allowed.

    `BaseScene` implements all of it except `info`, `digital_numbers` and `close`.
    """

    @property
    def info(self) -> SceneInfo:
        """What is known of the scene before any pixel is read."""

    @property
    def name(self) -> str:
        """The stem of the outputs' file names."""

    @property
    def source(self) -> str:
        """The path or URL of the scene, as the user gave it."""

    @property
    def georef(self) -> Georef:
        """Grid and coordinate reference system."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the recognised bands, such as blue, green, red, nir, swir16, swir22, cirrus."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was recognised and assumed, one sentence per entry; those that tell a guess are `Warn`."""

    @property
    def file_block(self) -> tuple[int, int, int]:
        """(height, width, bytes per pixel of all bands) of the blocks that the files are stored in, to size caches."""

    def describe(self) -> dict[str, Any]:
        """What was recognised, as JSON values: source, size, CRS, and per band its file, number, scale and offset."""

    def read(self, window: Window, bands: Sequence[str]) -> Raster:
        """Reflectance (band, row, column) of these bands in a window, which must lie inside the scene.

        Raises:
            InputError: the file cannot be read there (truncated, changed while reading).
            ValueError: the reader is closed.
        """

    def digital_numbers(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """The pixels of a window before scale and offset are applied; raises the same errors as `read`."""

    def close(self) -> None:
        """Close all files."""

    def __enter__(self) -> Self:
        """The reader itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all files."""


class Closing:
    """A context manager that calls `close` at its end."""

    def close(self) -> None:
        """Close all files."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """The object itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all files."""
        self.close()


class BaseScene(Closing):
    """Base class of the readers; a subclass implements `info`, `digital_numbers` and `close`."""

    @property
    def info(self) -> SceneInfo:
        """What is known of the scene before any pixel is read."""
        raise NotImplementedError

    def digital_numbers(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """The digital numbers of a window; see SceneReader."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The stem of the outputs' file names."""
        return self.info.name

    @property
    def source(self) -> str:
        """The scene's path or URL as the user gave it, without secrets: it goes into tags, documents and messages."""
        source = self.info.source
        return without_secrets(source) if "://" in source else source

    @property
    def georef(self) -> Georef:
        """Grid and coordinate reference system."""
        return self.info.georef

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the recognised bands."""
        return tuple(source.band for source in self.info.sources)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was recognised and assumed, one sentence per entry."""
        return self.info.notes

    @property
    def file_block(self) -> tuple[int, int, int]:
        """(height, width, bytes per pixel of all bands) of the files' blocks."""
        return self.info.file_block

    def read(self, window: Window, bands: Sequence[str]) -> Raster:
        """Reflectance and valid pixels of a window; see SceneReader."""
        return self.digital_numbers(window, bands).reflectance()

    def describe(self) -> dict[str, Any]:
        """What was recognised, as JSON values; see SceneReader."""
        info, georef = self.info, self.georef
        return {
            "name": info.name,
            "source": info.source,
            "kind": info.kind,
            "taken": info.taken or None,
            "item": info.item or None,
            "height": georef.shape[0],
            "width": georef.shape[1],
            "crs": CRS.from_wkt(georef.crs_wkt).to_string() if georef.crs_wkt else None,
            "transform": list(georef.transform)[:6],
            "gcps": len(georef.gcps),
            "bands": {
                source.band: {
                    "file": source.path,
                    "number": source.index,
                    "label": source.label,
                    "evidence": source.evidence,
                    "scale": source.radiometry.scale,
                    "offset": source.radiometry.offset,
                    "from": source.radiometry.origin,
                    "nodata": source.nodata,
                    "masked": source.masked or bool(source.alpha),
                }
                for source in info.sources
            },
            "left_out": list(info.left_out),
            "fill": f"bit {info.fill.bit} of {info.fill.path}" if info.fill else None,
            "padding": info.padding,
            "notes": list(info.notes),
        }


class ScenePart(BaseScene):
    """The part of a scene that lies in an area of interest. Closing it closes the scene."""

    def __init__(self, scene: SceneReader, area: Area) -> None:
        """Crop a scene; `area` is on the scene's pixel grid."""
        self.scene, self.area = scene, area
        (height, width), (rows, cols) = scene.georef.shape, area.window.shape
        note = f"area of interest: {cols} x {rows} of {width} x {height} pixels"
        georef = window_georef(scene.georef, area.window)
        self._info = replace(scene.info, georef=georef, notes=(*scene.info.notes, note))

    @property
    def info(self) -> SceneInfo:
        """The scene's information, with the part's grid."""
        return self._info

    def read(self, window: Window, bands: Sequence[str]) -> Raster:
        """The scene's reflectance; pixels outside the area are nodata."""
        scene_window = self._to_scene(window)
        raster = self.scene.read(scene_window, bands)
        return Raster(raster.data, raster.valid & self.area.inside(scene_window))

    def digital_numbers(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """The scene's digital numbers; pixels outside the area are nodata."""
        scene_window = self._to_scene(window)
        numbers = self.scene.digital_numbers(scene_window, bands)
        return replace(numbers, valid=numbers.valid & self.area.inside(scene_window))

    def close(self) -> None:
        """Close the scene."""
        self.scene.close()

    def _to_scene(self, window: Window) -> Window:
        """A window of this part, in the scene's rows and columns."""
        part = self.area.window
        return Window(part.row + window.row, part.col + window.col, window.height, window.width)


def window_georef(georef: Georef, window: Window) -> Georef:
    """The georeference of a window of a raster; `georef` must have a transform, not ground control points."""
    return Georef(window.shape, georef.transform @ Affine.translation(window.col, window.row), georef.crs_wkt)


def part_of(scene: SceneReader, aoi: AreaSource | None, bounds: Box | None) -> SceneReader:
    """The part of an open scene inside an area of interest (see `find_area`); the scene itself if none is given.

    If the area cannot be used, the scene is closed and the error is raised.
    """
    if aoi is None and bounds is None:
        return scene
    from geocloud.readers.area import find_area

    try:
        return ScenePart(scene, find_area(aoi, bounds, scene.georef, scene.source))
    except BaseException:
        scene.close()
        raise


def whole_of(scene: SceneReader) -> tuple[SceneReader, Area | None]:
    """The scene that a part was cropped from and the part's area; for any other scene, that scene and None."""
    return (scene.scene, scene.area) if isinstance(scene, ScenePart) else (scene, None)


class NorthUp(BaseScene):
    """A view of a scene stored south up, with the rows reversed so that north is up. Closing it closes the scene.

    This makes its mask equal to that of the same scene stored north up. Blocks are counted from the first row, so
    scoring from the south would change a few pixels per thousand.
    """

    def __init__(self, scene: SceneReader) -> None:
        """Reverse the rows of a scene that is stored from south to north."""
        self.scene = scene
        self._info = replace(scene.info, georef=upside_down(scene.georef))

    @property
    def info(self) -> SceneInfo:
        """The scene's information, with the reversed grid."""
        return self._info

    def read(self, window: Window, bands: Sequence[str]) -> Raster:
        """The scene's reflectance, north up."""
        raster = self.scene.read(self._to_scene(window), bands)
        return Raster(np.ascontiguousarray(raster.data[:, ::-1]), np.ascontiguousarray(raster.valid[::-1]))

    def digital_numbers(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """The scene's digital numbers, north up."""
        numbers = self.scene.digital_numbers(self._to_scene(window), bands)
        return replace(numbers, values=tuple(values[::-1] for values in numbers.values), valid=numbers.valid[::-1])

    def close(self) -> None:
        """Close the scene."""
        self.scene.close()

    def _to_scene(self, window: Window) -> Window:
        """A window of this view, in the scene's rows and columns."""
        return Window(self.georef.shape[0] - window.stop_row, window.col, window.height, window.width)


def upside_down(georef: Georef) -> Georef:
    """The georeference after the order of the rows is reversed."""
    height = georef.shape[0]
    return replace(georef, transform=georef.transform @ Affine(1, 0, 0, 0, -1, height))


def north_up(scene: SceneReader) -> SceneReader:
    """The scene with north up: a view if its rows run from south to north, otherwise the scene itself.

    A scene that has no transform in a CRS, or whose grid is rotated, is returned as it is.
    """
    transform = scene.georef.transform
    has_transform = scene.georef.located and not scene.georef.gcps
    return NorthUp(scene) if has_transform and transform.is_rectilinear and transform.e > 0 else scene


def own_georef(scene: SceneReader) -> Georef:
    """The grid that outputs are written on: its rows are in the order of the scene's files."""
    whole, area = whole_of(scene)
    if not isinstance(whole, NorthUp):
        return scene.georef
    return upside_down(scene.georef) if area is not None else whole.scene.georef
