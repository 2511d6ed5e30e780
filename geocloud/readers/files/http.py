"""Another attempt where a server failed: GDAL repeats refused requests, but not one that breaks off in the middle."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from http.client import HTTPException, IncompleteRead
from typing import TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import rasterio
from rasterio.errors import RasterioError

from geocloud.errors import InputError
from geocloud.readers.files.paths import REMOTE_SCHEMES, REMOTE_VSI
from geocloud.readers.files.tree import MAX_METADATA_BYTES
from geocloud.version import __version__

T = TypeVar("T")
GDAL_ATTEMPTS = 5
"""In all; GDAL keeps the half answer it got, and drops it only when a file that may not be kept is closed."""
GDAL_DELAY_SECONDS = 0.25
"""Before the second attempt; doubled each time."""
_LASTING = re.compile(r"response code: 40[134]\b|does not exist in the file system|Could not resolve host")
"""What another attempt does not change, as GDAL says it; a bare number may be part of the address."""


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


TIMEOUT_SECONDS = 30
"""Without a byte from the server."""
ATTEMPTS = 4
FIRST_DELAY_SECONDS = 0.5
"""Before the second attempt; doubled each time."""
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Answers after which another attempt may succeed."""


def fetch(url: str, *, timeout: float = TIMEOUT_SECONDS, delay: float = FIRST_DELAY_SECONDS) -> bytes:
    """The body of an http or https URL, at most MAX_METADATA_BYTES of it.

    Raises:
        OSError: another scheme, or no attempt succeeded.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise OSError("documents are fetched over http and https only")
    for attempt in range(1, ATTEMPTS):
        try:
            return _once(url, timeout)
        except HTTPError as error:
            if error.code not in PASSING:
                raise
        except (OSError, HTTPException):
            pass
        time.sleep(delay * 2 ** (attempt - 1))
    try:
        return _once(url, timeout)
    except HTTPException as error:
        raise OSError(f"the answer breaks off: {error!r}") from error


def _once(url: str, timeout: float) -> bytes:
    agent = {"User-Agent": f"geocloud/{__version__}", "Accept": "application/geo+json, */*"}
    with urlopen(Request(url, headers=agent), timeout=timeout) as answer:  # noqa: S310  # nosec B310 - http or https, see above
        content = bytes(answer.read(MAX_METADATA_BYTES))
        told = answer.headers.get("Content-Length", "")
        if told.isdigit() and len(content) < min(int(told), MAX_METADATA_BYTES):
            raise IncompleteRead(content, int(told) - len(content))
        return content
