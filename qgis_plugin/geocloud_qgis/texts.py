"""Translation of what the user reads; the plugin sets the translator. Imports no qgis: all modules can use it."""

from __future__ import annotations

from typing import Callable

CONTEXT = "Geocloud"
_translators: list[Callable[[str, str], str]] = []


def tr(text: str) -> str:
    """The text in QGIS's language; as it is where there is no translation. Placeholders such as {name} stay."""
    return _translators[-1](CONTEXT, text) if _translators else text


def set_translator(translate: Callable[[str, str], str]) -> None:
    """Use Qt's `QCoreApplication.translate`, or another function of context and text."""
    _translators.append(translate)
