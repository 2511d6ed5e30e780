"""Reads a scene from raster files through rasterio, and tries again if a server fails.

GDAL itself repeats refused requests, but not one that breaks off in the middle.
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
"""Attempts in all, the first one included."""
GDAL_DELAY_SECONDS = 0.25
"""Delay before the second attempt; it doubles each time."""
_PERMANENT = re.compile(r"response code: 40[134]\b|does not exist in the file system|Could not resolve host")
"""GDAL's messages on errors that another attempt does not change. A bare status code could be part of a URL."""


class RasterScene(BaseScene):
    """A scene of one file, or of one file per band. Each thread opens a file of its own when it first reads it.

    A thread's handles close when the thread ends, and GDAL drops the blocks that it cached for them.
    """

    def __init__(self, info: SceneInfo) -> None:
        """Keep the description of the scene; no file is opened yet."""
        self._info = info
        self._sources = {source.band: source for source in info.sources}
        self._local = threading.local()
        self._opened: list[ReferenceType[Any]] = []
        self._lock = threading.Lock()
        self._closed = False
        self._stamps = {source.path: stamp(source.path) for source in info.sources}

    @property
    def info(self) -> SceneInfo:
        """What is known of the scene before any pixel is read."""
        return self._info

    def digital_numbers(self, window: Window, bands: Sequence[str]) -> DigitalNumbers:
        """The digital numbers of a window; see SceneReader."""
        if self._closed:
            raise ValueError(f"scene {self.name} is closed")
        sources = [self._sources[band] for band in bands]
        try:
            numbers = self._read_with_retries(window, sources)
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

    def _read_with_retries(self, window: Window, sources: Sequence[BandSource]) -> DigitalNumbers:
        """Read; if a remote file fails, reopen this thread's files and try again."""
        try:
            return self._read(window, sources)
        except RasterioError:
            if not any(is_remote(source.path) for source in sources):
                raise

        def reopen_and_read() -> DigitalNumbers:
            for handle in self._local.__dict__.pop("handles", {}).values():
                handle.close()
                if isinstance(handle, WarpedVRT):
                    handle.src_dataset.close()
            return self._read(window, sources)

        return again(reopen_and_read)

    def _read(self, window: Window, sources: Sequence[BandSource]) -> DigitalNumbers:
        """Read file by file: all bands of a file at once, because its blocks can hold them together."""
        area = _rasterio_window(window)
        values: dict[str, NDArray[Any]] = {}
        masked: list[BoolArray] = []
        for path in dict.fromkeys(source.path for source in sources):
            in_file, handle = [source for source in sources if source.path == path], self._handle(path)
            pixels = read_bands(handle, [source.index for source in in_file], area)
            values |= {source.band: band for source, band in zip(in_file, pixels, strict=True)}
            if in_file[0].alpha or in_file[0].masked:
                masked.append(_masked(handle, in_file[0], area))
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
        """This thread's handle of a file; if the file is on another grid, a warped view on the scene's grid."""
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
        """A view of a file on the scene's grid: bands bilinear without nodata pixels, quality bits nearest."""
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
    """(inode, size, time of change) of a file on disk, which show whether it changed; None if remote or missing."""
    if is_virtual(path):
        return None
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _rasterio_window(window: Window) -> RasterioWindow:
    return RasterioWindow(window.col, window.row, window.width, window.height)


def _masked(handle: Any, source: BandSource, area: RasterioWindow) -> BoolArray:  # noqa: ANN401 - rasterio is untyped
    """(h, w) bool: True where the alpha band or the file's internal mask says that there is no data."""
    if source.alpha or isinstance(handle, WarpedVRT):  # a warped view has the mask as an alpha band behind the others
        transparent: BoolArray = handle.read(source.alpha or handle.count, window=area) == 0
        return transparent
    masked: BoolArray = handle.read_masks(source.index, window=area) == 0
    return masked


def _on_grid(handle: Any, georef: Georef) -> bool:  # noqa: ANN401 - rasterio is untyped
    """True if the file has the scene's pixel grid, to a millionth of its transform's numbers."""
    if (handle.height, handle.width) != georef.shape:
        return False
    return georef.transform.is_identity or handle.transform.almost_equals(georef.transform, 1e-6)


def with_retries(work: Callable[[], T]) -> T:
    """The result of `work`, which is repeated a few times if reading a remote file fails; other errors are raised."""
    try:
        return work()
    except (RasterioError, InputError) as error:
        if not _is_temporary(error):
            raise
    return again(work)


def again(work: Callable[[], T]) -> T:
    """Repeat `work`, which has failed once, with growing delays; the error of the last attempt is raised.

    GDAL keeps an incomplete answer in its cache, and drops it only when a file that must not be cached is closed.
    """
    with rasterio.Env(CPL_VSIL_CURL_NON_CACHED=":".join(REMOTE_VSI)):
        for attempt in range(GDAL_ATTEMPTS - 2):
            time.sleep(GDAL_DELAY_SECONDS * 2**attempt)
            try:
                return work()
            except (RasterioError, InputError):
                continue
        time.sleep(GDAL_DELAY_SECONDS * 2 ** (GDAL_ATTEMPTS - 2))
        return work()


def _is_temporary(error: Exception) -> bool:
    """True for an error of reading a remote file that another attempt may not have."""
    cause = error if isinstance(error, RasterioError) else error.__cause__
    text = f"{error} {cause} {cause.__cause__ if cause else ''}"
    remote = any(f"{scheme}://" in text for scheme in REMOTE_SCHEMES) or any(prefix in text for prefix in REMOTE_VSI)
    return isinstance(cause, RasterioError) and remote and not _PERMANENT.search(text)


def _scene(scene: RasterScene) -> SceneReader:
    """Type assertion: a RasterScene is a SceneReader."""
    return scene
