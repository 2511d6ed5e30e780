"""The part of a scene in an area of interest, on the scene's own grid; pixels outside the area are nodata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from affine import Affine

from geocloud.raster import Georef, Raster, Window
from geocloud.readers.area import Area, AreaSource, Box, find_area
from geocloud.readers.bands.spec import DigitalNumbers, SceneInfo
from geocloud.readers.reader import BaseScene, SceneReader


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
        counts = self.scene.digital_numbers(place, bands)
        return replace(counts, valid=counts.valid & self.area.inside(place))

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
    try:
        return ScenePart(scene, find_area(aoi, bounds, scene.georef, scene.source))
    except BaseException:
        scene.close()
        raise


def whole_of(scene: SceneReader) -> tuple[SceneReader, Area | None]:
    """The scene that a part was cut from, and its area; a scene that is whole, and None."""
    return (scene.scene, scene.area) if isinstance(scene, ScenePart) else (scene, None)
