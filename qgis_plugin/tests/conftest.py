"""What all tiers share. GEOCLOUD_EXECUTABLE names the real program; tiers that need it fail without it."""

import os
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parent.parent
ROOT = PLUGIN.parent
sys.path.insert(0, str(PLUGIN))


@pytest.fixture(scope="session")
def program():
    """The real program."""
    named = os.environ.get("GEOCLOUD_EXECUTABLE")
    if not named:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            "GEOCLOUD_EXECUTABLE does not name the program"
        )
    return named


@pytest.fixture(scope="session")
def wheels():
    """A folder with the wheels of the program and of all it needs."""
    named = os.environ.get("GEOCLOUD_WHEELS")
    if not named:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("GEOCLOUD_WHEELS does not name the wheels")
    return named


@pytest.fixture(scope="session")
def scene():
    """The sample scene."""
    return str(ROOT / "tests" / "synthetic" / "scene.tif")
