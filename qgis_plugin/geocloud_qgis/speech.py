"""The program's messages in the plugin's words: names of options become titles of fields. Imports no qgis."""

from __future__ import annotations

import re
from typing import Iterable, Optional

from .texts import tr


def field_titles() -> dict[str, str]:
    """Option of the program, without dashes -> title of its field in the dialog, with the place of advanced ones."""
    return {
        "bounds": tr("Area: a part of the scene"),
        "aoi": tr("Area: polygons of a layer"),
        "model": tr("Model"),
        "probability": tr("Probability"),
        "bands": tr("Bands"),
        "classes": tr("Classes of the mask"),
        "min-area": tr("Smallest cloud (m²)"),
        "outline": _advanced(tr("Outlines of the polygons")),
        "score-file": _advanced(tr("Cloud score")),
        "time": _advanced(tr("Time")),
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
        "encoding": _advanced(tr("Codes of the mask")),
        "codes": _advanced(tr("Codes to remove")),
        "method": tr("Method"),
        "mask-dir": tr("Folder of masks"),
        "zones": tr("Zones"),
        "clear": tr("Scenes that are wholly clear"),
        "cloudy": tr("Scenes that are wholly cloud"),
        "polygons": tr("Corrected clouds"),
        "masks": tr("Folder of corrected masks"),
        "steps": _advanced(tr("Steps")),
        "seed": _advanced(tr("Seed")),
        "allow-worse": _advanced(tr("Write a worse model too")),
    }


def in_our_words(text: str, options: Optional[Iterable[str]]) -> str:
    """The text with each option replaced by the title of its field, followed by the option's value.

    A part of the text between semicolons that names an option without a field is left out.

    Args:
        text: a message of the program.
        options: those that the text names, without dashes. The protocol says which; for other messages, give
            `field_titles()`, which holds all.
    """
    titles, named = field_titles(), sorted(options or (), key=len, reverse=True)
    parts = text.split("; ")
    without_field = [option for option in named if option not in titles]
    kept = [part for part in parts if not any(re.search(_pattern(option), part) for option in without_field)]
    text = "; ".join(kept or parts)
    for option in named:
        if option in titles:
            # A value has a digit or an equals sign in it; any other word belongs to the sentence.
            pattern = _pattern(option) + r"(?:[ =](?=[^\s;]*[\d=])([\w.=,+-]*[\w.]))?"
            text = re.sub(pattern, lambda found, title=titles[option]: _quoted(title, found.group(1)), text)
    return text


def _pattern(option: str) -> str:
    return rf"--{re.escape(option)}(?![a-z-])"


def _quoted(title: str, value: Optional[str]) -> str:
    return f"“{title}: {value}”" if value else f"“{title}”"


def _advanced(title: str) -> str:
    return tr("Advanced Parameters") + " ▸ " + title
