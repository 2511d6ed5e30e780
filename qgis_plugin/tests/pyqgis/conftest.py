"""The plugin's provider inside a real QGIS, with the program of GEOCLOUD_EXECUTABLE."""

import sys

import pytest

sys.path.append("/usr/share/qgis/python/plugins")


@pytest.fixture(scope="session")
def provider(qgis_app, qgis_processing):
    """The registered provider."""
    from geocloud_qgis.provider import GeocloudProvider
    from qgis.core import QgsApplication

    made = GeocloudProvider()
    QgsApplication.processingRegistry().addProvider(made)
    return made
