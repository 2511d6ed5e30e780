"""Geocloud for QGIS: cloud masks from the installed geocloud program.

SPDX-License-Identifier: GPL-2.0-or-later (the whole folder; see LICENSE).
"""


def classFactory(iface):  # noqa: ANN001, ANN201, N802 - QGIS looks for this name
    """The plugin, as QGIS's plugin loader asks for it."""
    from .plugin import GeocloudPlugin

    return GeocloudPlugin(iface)
