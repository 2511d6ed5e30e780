"""The program's sentences in the plugin's words: where they name an option, the dialog's field is named. No qgis."""

from __future__ import annotations

import re
from typing import Optional, Sequence

from .texts import tr


def field_titles() -> dict[str, str]:
    """Option of the program, without dashes -> the field of the dialog, advanced ones with their place."""
    return {
        "model": tr("Model"),
        "probability": tr("Probability"),
        "bands": tr("Bands"),
        "classes": tr("Classes of the mask"),
        "min-area": tr("Smallest cloud (m²)"),
        "dilate": _advanced(tr("Grow clouds (pixels)")),
        "threshold": _advanced(tr("Threshold")),
        "resolution": _advanced(tr("Resolution (metres per pixel)")),
        "scale": _advanced(tr("Scale to reflectance")),
        "offset": _advanced(tr("Offset to reflectance")),
        "nodata": _advanced(tr("Nodata value")),
        "max-pixels": _advanced(tr("Most pixels")),
        "allow-external": _advanced(tr("Read files outside the scene's folder")),
        "device": _advanced(tr("Device")),
        "precision": _advanced(tr("Precision")),
        "threads": _advanced(tr("Threads")),
        "overwrite": _advanced(tr("Replace files that exist")),
    }


def in_our_words(text: str, options: Optional[Sequence[str]]) -> str:
    """The text with each of the named options as its field's title; one without a field stays as it is."""
    titles = field_titles()
    for option in sorted(options or (), key=len, reverse=True):
        if option in titles:
            text = re.sub(rf"--{re.escape(option)}(?![a-z-])", f"“{titles[option]}”", text)
    return text


def _advanced(title: str) -> str:
    return tr("Advanced Parameters") + " ▸ " + title
