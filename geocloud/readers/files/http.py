"""Documents fetched over http and https, with another attempt where a server failed."""

from __future__ import annotations

import time
from http.client import HTTPException, IncompleteRead
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from geocloud.readers.files.tree import MAX_METADATA_BYTES
from geocloud.version import __version__

TIMEOUT_SECONDS = 30
"""Without a byte from the server."""
ATTEMPTS = 4
FIRST_DELAY_SECONDS = 0.5
"""Before the second attempt; doubled each time."""
RETRIED_ANSWERS = (408, 425, 429, 500, 502, 503, 504)
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
            if error.code not in RETRIED_ANSWERS:
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
        length = answer.headers.get("Content-Length", "")
        if length.isdigit() and len(content) < min(int(length), MAX_METADATA_BYTES):
            raise IncompleteRead(content, int(length) - len(content))
        return content
