"""The version, in one place."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("geocloud")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0+unknown"
