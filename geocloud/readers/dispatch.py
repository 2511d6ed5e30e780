"""Which kind of scene a path or URL is, told by plain signs, and the reader for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from geocloud.errors import InputError
from geocloud.readers.bands.spec import SceneSpec
from geocloud.readers.files.http import with_retries
from geocloud.readers.files.paths import is_remote, is_virtual
from geocloud.readers.files.tree import Tree, archive_prefix, open_tree
from geocloud.readers.products.band_folder import describe_folder
from geocloud.readers.products.geotiff import describe_raster
from geocloud.readers.products.landsat import describe_landsat
from geocloud.readers.products.mtl import METADATA as MTL
from geocloud.readers.products.sentinel2 import METADATA as SAFE
from geocloud.readers.products.sentinel2 import describe_safe
from geocloud.readers.products.stac import describe_item
from geocloud.readers.reader import SceneOptions, SceneReader
from geocloud.readers.scenes.raster_scene import RasterScene

Describe = Callable[[str, Tree, SceneOptions], SceneSpec]
_ZARR_SIGNS = ("zarr.json", ".zgroup", ".zmetadata", ".zarray")


def open_path(source: str, options: SceneOptions) -> SceneReader:
    """A reader of the scene at a path or URL.

    | sign | read as |
    |---|---|
    | a folder or archive with MTD_MSIL1C.xml or MTD_MSIL2A.xml, or that file | Sentinel-2 SAFE |
    | a folder or archive with ..._MTL.txt, .xml or .json, or that file | Landsat |
    | any other folder or archive | band files |
    | .json, .geojson, or a URL with /items/ in it | STAC item |
    | .zarr, or a folder that holds zarr.json, .zgroup or .zmetadata | Zarr |
    | anything else | one raster, through rasterio |

    Raises:
        InputError: it cannot be used as a scene.
        UsageError: an option does not fit the scene.
        MissingExtraError: Zarr without the extra `xarray`.
    """
    if is_zarr(source):
        from geocloud.readers.scenes.xarray_scene import open_zarr_scene

        return open_zarr_scene(source, options)
    if is_stac(source):
        return RasterScene(with_retries(lambda: describe_item(source, options)))
    root = product_root(source)
    if root is None:
        return RasterScene(with_retries(lambda: describe_raster(source, options)))
    tree = open_tree(root)
    return RasterScene(describe_tree(str(root), tree)(str(root), tree, options))


def is_single_raster(source: str) -> bool:
    """True for a file that rasterio opens as it is, and not a product, item or store."""
    return not is_zarr(source) and not is_stac(source) and product_root(source) is None


def is_zarr(source: str) -> bool:
    """True for the path or URL of a Zarr store."""
    bare = source.partition("?")[0].rstrip("/")
    if bare.lower().endswith(".zarr"):
        return True
    return not is_virtual(source) and any((Path(source) / sign).is_file() for sign in _ZARR_SIGNS)


def is_stac(source: str) -> bool:
    """True for the path or URL of a STAC item; a Landsat MTL.json is none."""
    if MTL.fullmatch(re.split(r"[/\\]", source)[-1]):
        return False
    path = urlsplit(source).path if is_remote(source) else source
    return path.lower().endswith((".json", ".geojson")) or (is_remote(source) and "/items/" in path)


def product_root(source: str) -> Path | None:
    """A product's folder or archive, which its metadata file stands for as well; None for a single raster."""
    path = source.removeprefix("/vsizip/").removeprefix("/vsitar/") if archive_prefix(source) else source
    if is_virtual(path):
        if path.rstrip("/").lower().endswith(".safe") or archive_prefix(path):
            raise InputError(f"{source} is a product that is not on a disk here; download it, or give its STAC item")
        return None
    folder = _of_metadata_file(Path(path))
    return folder if folder.is_dir() or (archive_prefix(path) and folder.is_file()) else None


def _of_metadata_file(path: Path) -> Path:
    """The product's folder where its metadata file is given; any other path as it is."""
    return path.parent if SAFE.fullmatch(path.name) or MTL.fullmatch(path.name) else path


def describe_tree(source: str, tree: Tree) -> Describe:
    """The reader for a product, by its metadata file."""
    names = tree.names()
    if any(SAFE.fullmatch(name) for name in names):
        return describe_safe
    if any(MTL.fullmatch(name) for name in names):
        return describe_landsat
    if source.rstrip("/").lower().endswith((".safe", ".safe.zip")):
        raise InputError(
            f"{source} has no MTD_MSIL1C.xml or MTD_MSIL2A.xml, so it is no Sentinel-2 product or an incomplete one; "
            "fetch it again"
        )
    return describe_folder
