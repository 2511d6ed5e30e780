"""The plugin's provider inside a real QGIS, with the program of GEOCLOUD_EXECUTABLE."""

import sys

import pytest
from heard import Heard

sys.path.append("/usr/share/qgis/python/plugins")


@pytest.fixture(scope="session")
def provider(qgis_app, qgis_processing):
    """The registered provider."""
    from geocloud_qgis.provider import GeocloudProvider
    from qgis.core import QgsApplication

    made = GeocloudProvider()
    QgsApplication.processingRegistry().addProvider(made)
    return made


@pytest.fixture
def heard():
    """A feedback that remembers."""
    return Heard()


@pytest.fixture
def detect(provider, tmp_path, heard):
    """Run the algorithm with a quick model; MASK goes into tmp_path."""
    import processing

    def run(scene, **more):
        given = {"INPUT": scene, "MODEL": "hot", "MASK": str(tmp_path / "mask.tif"), **more}
        return processing.run("geocloud:detectclouds", given, feedback=heard)

    return run
