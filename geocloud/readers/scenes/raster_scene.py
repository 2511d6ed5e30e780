"""Reads a scene from raster files, through rasterio; again where a server failed.

GDAL repeats refused requests, but not one that breaks off in the middle.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from weakref import ReferenceType, ref

import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterioWindow

from geocloud.errors import InputError
from geocloud.raster import BoolArray, Georef, Window
from geocloud.readers.bands.spec import BandSource, DigitalNumbers, SceneInfo, find_valid
from geocloud.readers.files.opening import open_quietly, read_bands
from geocloud.readers.files.paths import REMOTE_SCHEMES, REMOTE_VSI, is_remote, is_virtual
from geocloud.readers.reader import BaseScene, SceneReader

T = TypeVar("T")
GDAL_ATTEMPTS = 5
"""In all; GDAL keeps the half answer it got, and drops it only when a file that may not be kept is closed."""
GDAL_DELAY_SECONDS = 0.25
"""Before the second attempt; doubled each time."""
_LASTING = re.compile(r"response code: 40[134]\b|does not exist in the file system|Could not resolve host")
"""What another attempt does not change, as GDAL says it; a bare number may be part of the address."""


class RasterScene(BaseScene):
    """A scene of one file or of a file a band; one handle a thread and file, opened when first read.

    A handle closes when its thread ends, and GDAL's cache of its blocks goes with it.
    """

    def __init__(self, info: SceneInfo) -> None:
        """Keep what is known; no file is opened yet."""
        self._info = info
        self._sources = {source.band: source for source in info.sources}
        self._local = threading.local()
        self._opened: list[ReferenceType[Any]] = []
        self._lock = threading.Lock()
        self._closed = False
        self._stamps = {source.path: stamp(source.path) for source in info.sources}

    @property
    def info(self) -> SceneInfo:
        """What its files say of themselves."""
        return self._info

    def digital_numbers(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """The same in digital numbers."""
        if self._closed:
            raise ValueError(f"scene {self.name} is closed")
        sources = [self._sources[band] for band in bands]
        try:
            numbers = self._read_patiently(window, sources)
        except RasterioError as error:
            reason = str(error.__cause__ or error).splitlines()[0]
            raise InputError(
                f"{self.source} cannot be read at rows {window.row} to {window.stop_row} ({reason}); "
                "it is damaged or incomplete: fetch it again"
            ) from error
        changed = [path for path, was in self._stamps.items() if stamp(path) != was]
        if changed:
            raise InputError(f"{changed[0]} changed while it was read, so its mask would be of no scene; run it again")
        return numbers

    def _read_patiently(self, window: Window, sources: Sequence[BandSource]) -> DigitalNumbers:
        """Again, with files opened anew, where a server failed in the middle of an answer."""
        try:
            return self._read(window, sources)
        except RasterioError:
            if not any(is_remote(source.path) for source in sources):
                raise

        def anew() -> DigitalNumbers:
            for handle in self._local.__dict__.pop("handles", {}).values():
                handle.close()
                if isinstance(handle, WarpedVRT):
                    handle.src_dataset.close()
            return self._read(window, sources)

        return again(anew)

    def _read(self, window: Window, sources: Sequence[BandSource]) -> DigitalNumbers:
        """Files in turn: bands of one file are read together, since its blocks hold them together."""
        area = _rasterio_window(window)
        values: dict[str, NDArray[Any]] = {}
        masked: list[BoolArray] = []
        for path in dict.fromkeys(source.path for source in sources):
            here, handle = [source for source in sources if source.path == path], self._handle(path)
            pixels = read_bands(handle, [source.index for source in here], area)
            values |= {source.band: band for source, band in zip(here, pixels, strict=True)}
            if here[0].alpha or here[0].masked:
                masked.append(_masked(handle, here[0], area))
        if self._info.fill is not None:
            quality = self._handle(self._info.fill.path).read(1, window=area)
            masked.append((quality >> self._info.fill.bit & 1).astype(bool))
        bands = tuple(values[source.band] for source in sources)
        nodata, scales = [source.nodata for source in sources], [source.radiometry for source in sources]
        valid = find_valid(bands, nodata, scales, self._info.padding)
        for missing in masked:
            valid &= ~missing
        return DigitalNumbers(bands, valid, tuple(source.radiometry for source in sources))

    def _handle(self, path: str) -> Any:  # noqa: ANN401 - rasterio is untyped
        """This thread's handle, on the scene's grid: a file on another grid is read through a warped view."""
        handles: dict[str, Any] = self._local.__dict__.setdefault("handles", {})
        if path not in handles:
            handle = open_quietly(path)
            with self._lock:
                self._opened.append(ref(handle))
            if not _on_grid(handle, self.georef):
                handle = self._warped(handle, path)
                with self._lock:
                    self._opened.append(ref(handle))
            handles[path] = handle
        return handles[path]

    def _warped(self, handle: Any, path: str) -> WarpedVRT:  # noqa: ANN401 - rasterio is untyped
        """A view of a file on the scene's grid: bands bilinear with nodata left out, quality bits nearest."""
        quality = self._info.fill is not None and path == self._info.fill.path
        first = next((source for source in self._info.sources if source.path == path), None)
        nodata = first.nodata if first else None
        nodata = self._info.padding if nodata is None else nodata
        return WarpedVRT(
            handle,
            add_alpha=bool(first and first.masked),
            crs=self.georef.crs_wkt,
            transform=self.georef.transform,
            height=self.georef.shape[0],
            width=self.georef.shape[1],
            resampling=Resampling.nearest if quality else Resampling.bilinear,
            src_nodata=None if quality else nodata,
            nodata=None if quality else nodata,
        )

    def close(self) -> None:
        """Close the handles of all threads."""
        self._closed = True
        with self._lock:
            while self._opened:
                handle = self._opened.pop()()
                if handle is not None:
                    handle.close()


def stamp(path: str) -> tuple[int, int, int] | None:
    """What changes when a file of this machine does: inode, size, time; None for what is elsewhere or gone."""
    if is_virtual(path):
        return None
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _rasterio_window(window: Window) -> RasterioWindow:
    return RasterioWindow(window.col, window.row, window.width, window.height)


def _masked(handle: Any, source: BandSource, area: RasterioWindow) -> BoolArray:  # noqa: ANN401 - rasterio is untyped
    """(h, w) True where alpha or the file's own mask says that there is no data."""
    if source.alpha or isinstance(handle, WarpedVRT):
        empty: BoolArray = handle.read(source.alpha or handle.count, window=area) == 0
        return empty
    without: BoolArray = handle.read_masks(source.index, window=area) == 0
    return without


def _on_grid(handle: Any, georef: Georef) -> bool:  # noqa: ANN401 - rasterio is untyped
    """True where a file's pixels are the scene's pixels."""
    if (handle.height, handle.width) != georef.shape:
        return False
    return georef.transform.is_identity or handle.transform.almost_equals(georef.transform, 1e-6)


def with_retries(work: Callable[[], T]) -> T:
    """What `work` returns; it is done again, a few times, where reading a remote file failed, and no other error."""
    try:
        return work()
    except (RasterioError, InputError) as error:
        if not _may_pass(error):
            raise
    return again(work)


def again(work: Callable[[], T]) -> T:
    """Further attempts after a first that failed; the last one's error is raised."""
    with rasterio.Env(CPL_VSIL_CURL_NON_CACHED=":".join(REMOTE_VSI)):
        for attempt in range(GDAL_ATTEMPTS - 2):
            time.sleep(GDAL_DELAY_SECONDS * 2**attempt)
            try:
                return work()
            except (RasterioError, InputError):
                continue
        time.sleep(GDAL_DELAY_SECONDS * 2 ** (GDAL_ATTEMPTS - 2))
        return work()


def _may_pass(error: Exception) -> bool:
    """True for a failure to read over a network that is no plain no."""
    cause = error if isinstance(error, RasterioError) else error.__cause__
    text = f"{error} {cause} {cause.__cause__ if cause else ''}"
    remote = any(f"{scheme}://" in text for scheme in REMOTE_SCHEMES) or any(prefix in text for prefix in REMOTE_VSI)
    return isinstance(cause, RasterioError) and remote and not _LASTING.search(text)


def _scene(scene: RasterScene) -> SceneReader:
    """Type assertion: a RasterScene is a SceneReader."""
    return scene
