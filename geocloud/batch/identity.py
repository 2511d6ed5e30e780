"""Decide whether two runs of a scene are equal, by a fingerprint of its files and a hash of model and options."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, replace
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from geocloud.models.registry import identity_of
from geocloud.pipeline.detection import DetectOptions
from geocloud.readers.area import area_text
from geocloud.readers.dispatch import local_files
from geocloud.readers.files.paths import is_virtual
from geocloud.version import __version__

TIMEOUT_SECONDS = 60
_WITHOUT_EFFECT = ("overwrite", "threads", "stac", "model")
"""Options that change no pixel; and `model`, because the hash takes the model's card instead."""


def parameter_hash(options: DetectOptions) -> str:
    """Hash of everything but the scene that determines its outputs: options, model card with weights, and version.

    Raises:
        ModelError: the model does not exist.
    """
    without_area = replace(options, aoi=None)  # a frame of polygons has no short text
    chosen = {key: value for key, value in asdict(without_area).items() if key not in _WITHOUT_EFFECT}
    chosen["aoi"] = area_text(options.aoi, None)
    return _hash({"options": chosen, "model": identity_of(options.model), "version": __version__})


def fingerprint(source: str) -> str:
    """Hash of the names, sizes and modification times of a scene's files, or of the response headers of an http(s) URL.

    Other remote paths (s3://, /vsi…) are assumed not to change.
    """
    if source.lower().startswith(("http://", "https://")):
        return _hash(_head(source))
    return _hash([_stat(path) for path in local_files(source)])


def _hash(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """First 32 hexadecimal digits of the SHA-256 of a value as JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _stat(path: str) -> tuple[str, int, int]:
    """(name, bytes, modification time in ns); -1 and -1 if there is no such local file."""
    if is_virtual(path):
        return path, -1, -1
    try:
        status = Path(path).stat()
    except OSError:
        return path, -1, -1
    return path, status.st_size, status.st_mtime_ns


def _head(url: str) -> list[str]:
    """URL without query, and Content-Length, ETag and Last-Modified if the server answers."""
    bare = url.partition("?")[0]
    with suppress(OSError, ValueError, HTTPException):
        request = Request(url, method="HEAD", headers={"User-Agent": f"geocloud/{__version__}"})  # noqa: S310 - http(s) only
        with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  # nosec B310 - http or https
            return [bare, *(answer.headers.get(key, "") for key in ("Content-Length", "ETag", "Last-Modified"))]
    return [bare]
