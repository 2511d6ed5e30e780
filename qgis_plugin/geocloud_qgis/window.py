"""QGIS's main window, if there is one: `qgis_process` and scripts have none."""

from __future__ import annotations

from typing import Any


def main_window() -> Any:  # noqa: ANN401 - QGIS's interface or None
    """The QgisInterface; None without a window."""
    from qgis.gui import QgisInterface
    from qgis.utils import iface

    return iface if isinstance(iface, QgisInterface) else None
