"""What the program prints with `--progress json`: protocol 2, one JSON object per line on stdout.

Imports no qgis.
"""

from __future__ import annotations

import json
from typing import Any, Optional

from .texts import tr

PROTOCOL = 2


def stages() -> dict[str, str]:
    """Stage of the protocol -> its text for the user."""
    return {
        "load": tr("Opening the scene and the model"),
        "inference": tr("Looking for clouds"),
        "polygons": tr("Tracing polygons"),
        "write": tr("Writing the results"),
        "series": tr("Comparing the dates"),
        "cover": tr("Measuring the zones"),
        "reading": tr("Reading the scenes"),
        "measuring before": tr("Measuring the model as it is"),
        "training": tr("Learning"),
        "measuring after": tr("Measuring the new model"),
    }


def parse_line(line: str) -> Optional[dict[str, Any]]:
    """The event of a line; None if it is no event."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def stage_text(event: dict[str, Any]) -> str:
    """The stage of a progress event as text for the user; an unknown stage is shown as it is."""
    stage = str(event.get("stage", ""))
    return stages().get(stage, stage)


def percent(event: dict[str, Any]) -> float:
    """The percent of a progress event, limited to 0 to 100."""
    try:
        return min(100.0, max(0.0, float(event.get("percent", 0))))
    except (TypeError, ValueError):
        return 0.0
