"""The files of this machine that a scene is made of."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from rasterio.errors import RasterioError

from geocloud.errors import GeocloudError
from geocloud.readers.dispatch import is_single_raster, is_stac, product_root
from geocloud.readers.files.opening import open_quietly
from geocloud.readers.files.paths import resolve
from geocloud.readers.files.vrt import is_vrt, named_files
from geocloud.readers.products.stac_item import load_item

MOST = 100_000
"""Files of one scene."""
_BESIDE = (".aux.xml", ".ovr", ".msk")
"""GDAL's sidecars, by what they add to a raster's name."""


def local_files(source: str) -> Iterable[str]:
    """The local files a scene is made of, or the path itself."""
    if is_stac(source):
        return [source, *_assets(source)]
    with suppress(GeocloudError):
        root = product_root(source)
        if root is not None and root.is_dir():
            return sorted(str(path) for path in root.rglob("*") if path.is_file())
        if root is not None:
            return [str(root)]
    if is_vrt(source):
        with suppress(RasterioError), open_quietly(source) as dataset:
            return [source, *dataset.files]
    if Path(source).is_dir():  # Zarr
        return sorted(str(path) for path in Path(source).rglob("*") if path.is_file())
    return [source]


def _assets(source: str) -> list[str]:
    """The local files an item names."""
    found = []
    with suppress(GeocloudError):
        for asset in load_item(source)["assets"].values():
            with suppress(GeocloudError, KeyError, TypeError):
                found.append(resolve(source, asset["href"], allow_external=True))
    return sorted(found)


def protected_files(source: str) -> list[str]:
    """The same with what virtual rasters in it name, however deep, and what GDAL reads beside a raster.

    For a scene that was opened, and thus checked, before.
    """
    found: dict[str, None] = {}
    if is_single_raster(source):
        _add(source, found)
    for path in local_files(source):
        _add(path, found)
    return list(found)


def _add(path: str, found: dict[str, None]) -> None:
    """A file, those beside it, and those it names."""
    if path in found or len(found) > MOST:
        return
    found[path] = None
    found.update((f"{path}{end}", None) for end in _BESIDE)
    if is_vrt(path):
        with suppress(GeocloudError, OSError):
            for target in named_files(path, Path(path).read_bytes()):
                _add(target, found)
    elif is_single_raster(path) and Path(path).is_file():
        with suppress(RasterioError), open_quietly(path) as dataset:
            found.update((member, None) for member in dataset.files)
