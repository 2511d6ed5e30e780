"""What a scene reader is, what a user may say that files do not, and a scene's views: a part of it, or north up."""

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
"""316,000 x 316,000 pixels: larger than any mosaic that is scored in one piece."""


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """Overrides for reading one scene."""

    bands: Mapping[str, int | str] = field(default_factory=dict)
    """Common name -> band number from 1, or what the scene calls it: a description, file, asset or variable; empty:
    found from the scene."""
    scale: float | None = None
    """Reflectance = DN * scale + offset; None: found from the file."""
    offset: float | None = None
    """See scale."""
    allow_external: bool = False
    """Let a local document (STAC item, VRT) name files outside its own folder."""
    max_pixels: int = MAX_PIXELS
    """A scene that claims more pixels, height times width, is refused: a few bytes can claim any size."""
    nodata: float | None = None
    """The digital number that means no data, in every band; None: found from the file. NaN: none does."""
    time: str | None = None
    """Which time of a store or array that holds several: a date or its beginning, or a number from 0 (-1: the last)."""

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
    """A scene that can be read a window at a time.

    Behaviour: opening reads metadata only; `read` may be called from several threads at once and returns the same
    pixels for a window however it is reached; after `close` a read raises ValueError. Closing twice is allowed.

    `BaseScene` has all of it but `info`, `digital_numbers` and `close`.
    """

    @property
    def info(self) -> SceneInfo:
        """All that is known before a pixel is read."""

    @property
    def name(self) -> str:
        """The stem that outputs are named after."""

    @property
    def source(self) -> str:
        """Where it was read from, as the user named it."""

    @property
    def georef(self) -> Georef:
        """Grid and reference system."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Common names of the bands that were recognised, such as blue, green, red, nir, swir16, swir22, cirrus."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was understood and assumed, a sentence each: a `Warn` where it was guessed."""

    @property
    def file_block(self) -> tuple[int, int, int]:
        """(height, width, bytes per pixel of all bands) of the blocks the files are stored in, for sizing caches."""

    def describe(self) -> dict[str, Any]:
        """What was understood, as JSON values: source, size, crs, and of each band file, number, scale, offset."""

    def read(self, window: Window, bands: Sequence[str]) -> Raster:
        """The window's reflectance in these bands; the window must lie inside the scene.

        Raises:
            InputError: the file cannot be read there (truncated, changed while reading).
            ValueError: the reader is closed.
        """

    def digital_numbers(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """The same before scale and offset; raises as `read`."""

    def close(self) -> None:
        """Close all files."""

    def __enter__(self) -> Self:
        """Itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""


class Closing:
    """The context manager half of a reader, for classes that have `close`."""

    def close(self) -> None:
        """Close all files."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


class BaseScene(Closing):
    """What all readers share; one of them has `info`, `digital_numbers` and `close` of its own."""

    @property
    def info(self) -> SceneInfo:
        """All that is known before a pixel is read."""
        raise NotImplementedError

    def digital_numbers(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """Digital numbers of a window; see SceneReader."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The stem that outputs are named after."""
        return self.info.name

    @property
    def source(self) -> str:
        """As the user named it, without the keys of a signed address: it goes into tags, documents and messages."""
        source = self.info.source
        return without_secrets(source) if "://" in source else source

    @property
    def georef(self) -> Georef:
        """Grid and reference system."""
        return self.info.georef

    @property
    def bands(self) -> tuple[str, ...]:
        """Recognised bands."""
        return tuple(source.band for source in self.info.sources)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was understood and assumed."""
        return self.info.notes

    @property
    def file_block(self) -> tuple[int, int, int]:
        """How the files are stored."""
        return self.info.file_block

    def read(self, window: Window, bands: Sequence[str]) -> Raster:
        """Reflectance and valid pixels of the window; see SceneReader."""
        return self.digital_numbers(window, bands).reflectance()

    def describe(self) -> dict[str, Any]:
        """What was understood; see SceneReader."""
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
    """Any reader, cut to an area; closing it closes that one."""

    def __init__(self, scene: SceneReader, area: Area) -> None:
        """`area` is of the scene's pixels."""
        self.scene, self.area = scene, area
        (height, width), (rows, cols) = scene.georef.shape, area.window.shape
        note = f"area of interest: {cols} x {rows} of {width} x {height} pixels"
        georef = window_georef(scene.georef, area.window)
        self._info = replace(scene.info, georef=georef, notes=(*scene.info.notes, note))

    @property
    def info(self) -> SceneInfo:
        """The scene's, on the part's grid."""
        return self._info

    def read(self, window: Window, bands: Sequence[str]) -> Raster:
        """The scene's pixels; nodata outside the area."""
        place = self._place(window)
        raster = self.scene.read(place, bands)
        return Raster(raster.data, raster.valid & self.area.inside(place))

    def digital_numbers(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """The same in digital numbers."""
        place = self._place(window)
        numbers = self.scene.digital_numbers(place, bands)
        return replace(numbers, valid=numbers.valid & self.area.inside(place))

    def close(self) -> None:
        """Close the scene."""
        self.scene.close()

    def _place(self, window: Window) -> Window:
        """A window of the part as one of the scene."""
        part = self.area.window
        return Window(part.row + window.row, part.col + window.col, window.height, window.width)


def window_georef(georef: Georef, window: Window) -> Georef:
    """The georeference of a window of a raster that has a transform."""
    return Georef(window.shape, georef.transform @ Affine.translation(window.col, window.row), georef.crs_wkt)


def part_of(scene: SceneReader, aoi: AreaSource | None, bounds: Box | None) -> SceneReader:
    """The part of an open scene in an area, see `find_area`; the scene itself where no area is given.

    Where the area cannot be used the scene is closed.
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
    """The scene that a part was cut from, and its area; a scene that is whole, and None."""
    return (scene.scene, scene.area) if isinstance(scene, ScenePart) else (scene, None)


class NorthUp(BaseScene):
    """A scene whose first row lies in the south, seen from the north; closing it closes that one.

    Its mask is then that of its north-up twin. Blocks begin at the first row, so that scored from the south a few
    pixels in a thousand would differ.
    """

    def __init__(self, scene: SceneReader) -> None:
        """Show a scene whose rows run from south to north."""
        self.scene = scene
        self._info = replace(scene.info, georef=upside_down(scene.georef))

    @property
    def info(self) -> SceneInfo:
        """The scene's, on the reversed grid."""
        return self._info

    def read(self, window: Window, bands: Sequence[str]) -> Raster:
        """The scene's pixels."""
        raster = self.scene.read(self._place(window), bands)
        return Raster(np.ascontiguousarray(raster.data[:, ::-1]), np.ascontiguousarray(raster.valid[::-1]))

    def digital_numbers(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """The scene's."""
        found = self.scene.digital_numbers(self._place(window), bands)
        return replace(found, values=tuple(values[::-1] for values in found.values), valid=found.valid[::-1])

    def close(self) -> None:
        """Close the scene."""
        self.scene.close()

    def _place(self, window: Window) -> Window:
        """A window as one of the scene."""
        return Window(self.georef.shape[0] - window.stop_row, window.col, window.height, window.width)


def upside_down(georef: Georef) -> Georef:
    """The georeference of a raster whose rows are reversed."""
    height = georef.shape[0]
    return replace(georef, transform=georef.transform @ Affine(1, 0, 0, 0, -1, height))


def north_up(scene: SceneReader) -> SceneReader:
    """The scene with its first row in the north; as it is where that is so, or where it has no reference system."""
    transform = scene.georef.transform
    placed = scene.georef.located and not scene.georef.gcps
    return NorthUp(scene) if placed and transform.is_rectilinear and transform.e > 0 else scene


def own_georef(scene: SceneReader) -> Georef:
    """The grid that outputs are written on: with rows as the scene's files have them."""
    whole, area = whole_of(scene)
    if not isinstance(whole, NorthUp):
        return scene.georef
    return upside_down(scene.georef) if area is not None else whole.scene.georef
