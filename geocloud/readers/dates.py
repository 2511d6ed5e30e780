"""The day a scene or mask shows, from what its files say of themselves."""

from __future__ import annotations

import datetime
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from geocloud.readers.files.paths import scene_name
from geocloud.readers.reader import SceneReader

TAKEN_TAG = "GEOCLOUD_TAKEN"
"""Tag of a mask: when its scene was taken, ISO 8601."""
_DAY = re.compile(r"(?<!\d)((?:19[7-9]|20\d)\d)([-_]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")
MAX_ITEM_BYTES = 1 << 20


def day_in(text: str) -> str:
    """The first YYYYMMDD, YYYY-MM-DD or YYYY_MM_DD in a text that is a day, as YYYY-MM-DD; empty if none is."""
    found = (f"{match[1]}-{match[3]}-{match[4]}" for match in _DAY.finditer(text))
    return next((day for day in found if _is_day(day)), "")


def _is_day(text: str) -> bool:
    """False for such as 2023-02-30."""
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def scene_day(scene: SceneReader) -> str:
    """YYYY-MM-DD of a scene by its metadata, else by its name; empty where neither says."""
    return day_in(str(scene.describe().get("taken") or "")) or day_in(scene.name) or day_in(scene.source)


def mask_day(path: str | os.PathLike[str], tags: Mapping[str, str]) -> str:
    """YYYY-MM-DD of a mask by its tag, the STAC item beside it, its name or its source; empty if none says."""
    source = re.split(r"[/\\]", tags.get("GEOCLOUD_SOURCE", "").rstrip("/"))[-1]
    return (
        day_in(tags.get(TAKEN_TAG, ""))
        or _item_day(Path(path).with_suffix(".json"))
        or day_in(scene_name(os.fspath(path)))
        or day_in(source)
    )


def _item_day(item: Path) -> str:
    """The day in the `datetime` of a STAC item; empty if there is no such file or it is no item."""
    try:
        if not item.is_file() or item.stat().st_size > MAX_ITEM_BYTES:
            return ""
        document = json.loads(item.read_text(encoding="utf-8"))
        return day_in(str(document["properties"]["datetime"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
