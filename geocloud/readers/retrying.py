"""Another attempt where a server failed: GDAL repeats refused requests, but not one that breaks off in the middle."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TypeVar

import rasterio
from rasterio.errors import RasterioError

from geocloud.errors import InputError
from geocloud.readers.paths import REMOTE_SCHEMES, REMOTE_VSI

T = TypeVar("T")
ATTEMPTS = 5
"""In all; GDAL keeps the half answer it got, and drops it only when a file that may not be kept is closed."""
FIRST_DELAY_SECONDS = 0.25
"""Before the second attempt; doubled each time."""
_LASTING = re.compile(r"response code: 40[134]\b|does not exist in the file system|Could not resolve host")
"""What another attempt does not change, as GDAL says it; a bare number may be part of the address."""


def patiently(work: Callable[[], T]) -> T:
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
        for attempt in range(ATTEMPTS - 2):
            time.sleep(FIRST_DELAY_SECONDS * 2**attempt)
            try:
                return work()
            except (RasterioError, InputError):
                continue
        time.sleep(FIRST_DELAY_SECONDS * 2 ** (ATTEMPTS - 2))
        return work()


def _may_pass(error: Exception) -> bool:
    """True for a failure to read over a network that is no plain no."""
    cause = error if isinstance(error, RasterioError) else error.__cause__
    text = f"{error} {cause} {cause.__cause__ if cause else ''}"
    remote = any(f"{scheme}://" in text for scheme in REMOTE_SCHEMES) or any(prefix in text for prefix in REMOTE_VSI)
    return isinstance(cause, RasterioError) and remote and not _LASTING.search(text)
