"""Which kind of scene a path or URL is, by plain signs; the reader for it; and the files it is made of."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Union
from urllib.parse import urlsplit

from rasterio.errors import RasterioError

from geocloud.errors import GeocloudError, InputError, UsageError
from geocloud.progress import tell
from geocloud.readers.bands.spec import SceneInfo
from geocloud.readers.files.opening import open_quietly, open_raster
from geocloud.readers.files.paths import (
    archive_prefix,
    check_name,
    files_within,
    is_netcdf,
    is_remote,
    is_virtual,
    is_vrt,
    local_path,
    resolve,
    scene_name,
)
from geocloud.readers.files.tree import Tree, is_litter, open_tree
from geocloud.readers.files.vrt import named_files
from geocloud.readers.products.band_folder import (
    RASTER,
    describe_folder,
    is_band_set,
    join_tiles,
    lone_raster,
    rasters_of,
)
from geocloud.readers.products.geotiff import describe_raster
from geocloud.readers.products.landsat import describe_landsat
from geocloud.readers.products.mosaic import join
from geocloud.readers.products.mtl import MTL_FILE
from geocloud.readers.products.sentinel2 import SAFE_METADATA, describe_safe
from geocloud.readers.products.stac import describe_item
from geocloud.readers.products.stac_item import load_item
from geocloud.readers.reader import SceneOptions, SceneReader
from geocloud.readers.scenes.raster_scene import RasterScene, with_retries
from geocloud.readers.scenes.xarray_store import open_netcdf_scene, open_zarr_scene

if TYPE_CHECKING:
    import xarray

Describe = Callable[[str, Tree, SceneOptions], SceneInfo]
Source = Union[str, os.PathLike[str], SceneReader, "xarray.DataArray", "xarray.Dataset"]
"""What a user may give as a scene: a path or URL, an xarray object, or a reader already open."""
_ZARR_SIGNS = ("zarr.json", ".zgroup", ".zmetadata", ".zarray")


def open_scene(source: Source, options: SceneOptions | None = None) -> SceneReader:
    """A reader of a scene; only metadata is read yet. A reader that is given is returned as it is.

    `docs/scenes.md` lists the kinds, `open_path` the signs they are recognised by. What had to be assumed is in the
    reader's `notes`, and is logged (`geocloud.scenes`): guesses as warnings, which Python shows.

    Raises:
        InputError: it cannot be used as a scene; the message says why and what to do.
        UsageError: an option does not fit the scene.
        MissingExtraError: a kind that needs an optional package.
    """
    scene = open_silently(source, options)
    if scene is not source:
        tell(scene.source, scene.notes)
    return scene


def open_silently(source: Source, options: SceneOptions | None = None) -> SceneReader:
    """As `open_scene`, for those who pass the notes on themselves."""
    options = options or SceneOptions()
    if isinstance(source, str | os.PathLike):
        return open_path(local_path(check_name(os.fspath(source))), options)
    if isinstance(source, SceneReader):
        return source
    from geocloud.readers.scenes.xarray_scene import open_array

    return open_array(source, options)


def open_path(source: str, options: SceneOptions) -> SceneReader:
    """A reader of the scene at a path or URL.

    | sign | read as |
    |---|---|
    | a folder or archive with MTD_MSIL1C.xml or MTD_MSIL2A.xml, or that file | Sentinel-2 SAFE |
    | a folder or archive with ..._MTL.txt, .xml or .json, or that file | Landsat |
    | any other folder or archive | band files, else the one raster of several bands in it, or tiles of one |
    | .json, .geojson, or a URL with /items/ in it | STAC item |
    | .zarr, or a folder that holds zarr.json, .zgroup or .zmetadata | Zarr |
    | netCDF or HDF5 with a variable per band | through xarray |
    | anything else | one raster, through rasterio |

    Raises:
        InputError: it cannot be used as a scene.
        UsageError: an option does not fit the scene.
        MissingExtraError: Zarr without the extra `xarray`.
    """
    if is_zarr(source):
        return open_zarr_scene(source, options)
    if options.time is not None and not is_netcdf(source):
        raise UsageError(f"--time goes with Zarr and netCDF, and {source} is neither; leave it out")
    if is_stac(source):
        return RasterScene(with_retries(lambda: describe_item(source, options)))
    root = product_root(source)
    if root is None:
        if is_netcdf(source) and not (options.allow_external and _band_count(source, allow_external=True)):
            return open_netcdf_scene(source, options)
        return RasterScene(with_retries(lambda: describe_raster(source, options)))
    return RasterScene(_describe_tree(source, root, options))


def _describe_tree(source: str, root: Path, options: SceneOptions) -> SceneInfo:
    """A product's folder or archive by its metadata; else band files, one raster, or tiles of one."""
    tree = open_tree(root)
    describe = product_reader(source, tree)
    if describe is not None:
        return describe(str(root), tree, options)
    names = rasters_of(tree) or lone_raster(tree)
    if not names:
        raise InputError(_no_raster(source, tree))
    paths = [path for name in names if (path := tree.find(name))]
    tiles = join_tiles(names)
    allow = options.allow_external
    if tiles:
        return _renamed(describe_raster(join(paths, tiles, allow_external=allow), options), str(root), tiles)
    if (options.bands and len(names) > 1) or is_band_set(names):
        return describe_folder(str(root), tree, options)
    whole = [path for path in paths if _band_count(path, allow_external=allow) >= 3]
    if len(whole) == 1:
        return _renamed(describe_raster(whole[0], options), str(root), scene_name(str(root)))
    if not whole:
        return describe_folder(str(root), tree, options)
    listed = ", ".join(Path(path).name for path in whole[:4])
    raise InputError(f"{source} holds {len(whole)} rasters of several bands ({listed}); give one of them")


def _no_raster(source: str, tree: Tree) -> str:
    """What to say of a folder or archive that holds none, by what it holds instead."""
    endings = {name.lower().rpartition(".")[2] for name in tree.below()}
    if endings & {"nc", "hdf", "h5", "he5"}:
        return (
            f"{source} holds no raster but netCDF or HDF files; give one of them if it has a variable per band, else "
            "bring the bands to a grid and to GeoTIFF, as SNAP does for Sentinel-3, and give their folder"
        )
    if endings & {"zip", "tar", "tgz"}:
        return f"{source} holds no raster but other archives; unpack it, and give one of them"
    if endings & {"png", "jpg", "jpeg", "webp"}:
        return f"{source} holds several pictures, or previews; give one of them, or the folder where the bands are"
    return (
        f"{source} holds no raster; give a Sentinel-2 or Landsat product, or the folder or archive where the bands are "
        "(GeoTIFF, JP2, VRT or IMG)"
    )


def _renamed(info: SceneInfo, source: str, name: str) -> SceneInfo:
    """A raster found in what the user named."""
    return replace(info, source=source, name=name)


def _band_count(path: str, *, allow_external: bool) -> int:
    with open_raster(path, allow_external=allow_external) as dataset:
        return int(dataset.count)


def scenes_in(source: str) -> list[str]:
    """The scenes in a folder that holds several products or rasters of several bands; else the path itself alone."""
    if is_virtual(source) or not os.path.isdir(source) or is_zarr(source):  # noqa: PTH112 - any text
        return [source]
    folder = Path(source)
    entries = sorted(entry for entry in folder.iterdir() if not is_litter(entry.name))
    if any(SAFE_METADATA.fullmatch(entry.name) or MTL_FILE.fullmatch(entry.name) for entry in entries):
        return [source]
    inner = [entry for entry in entries if _is_product(entry)]
    if len(inner) > 1 or (inner and inner[0].suffix.lower() != ".safe"):  # a folder round one SAFE stands for it
        return [str(entry) for entry in inner]
    tree = open_tree(folder)
    own = [name for name in tree.names() if RASTER.fullmatch(name)]
    names = [name for name in rasters_of(tree) if name in own]
    if len(names) < 2 or join_tiles(names) or is_band_set(names):
        return [source]
    whole = [str(folder / name) for name in names if _band_count(str(folder / name), allow_external=True) >= 3]
    return whole if len(whole) > 1 else [source]


def _is_product(path: Path) -> bool:
    """True for a Sentinel-2 or Landsat product, folder or archive, or a Zarr store, by its name or metadata."""
    if path.name.lower().endswith((".safe", ".safe.zip", ".zarr")):
        return True
    if path.is_dir():
        return any(SAFE_METADATA.fullmatch(entry.name) or MTL_FILE.fullmatch(entry.name) for entry in path.iterdir())
    product = re.match(r"L[COTEM]0[1-9]_L|S2[A-D]_MSI", path.name)
    return bool(product) and bool(archive_prefix(path.name))


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
    if MTL_FILE.fullmatch(re.split(r"[/\\]", source)[-1]):
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
    return path.parent if SAFE_METADATA.fullmatch(path.name) or MTL_FILE.fullmatch(path.name) else path


def product_reader(source: str, tree: Tree) -> Describe | None:
    """The reader for a product, by its metadata file; None for a folder without one.

    Raises:
        InputError: it is called SAFE, and holds neither metadata nor bands.
    """
    names = tree.names()
    if any(SAFE_METADATA.fullmatch(name) for name in names):
        return describe_safe
    if any(MTL_FILE.fullmatch(name) for name in names):
        return describe_landsat
    if source.rstrip("/").lower().endswith((".safe", ".safe.zip")) and not is_band_set(rasters_of(tree)):
        raise InputError(
            f"{source} has no MTD_MSIL1C.xml or MTD_MSIL2A.xml, so it is no Sentinel-2 product or an incomplete one; "
            "fetch it again"
        )
    return None


MAX_FILES = 100_000
"""Files of one scene."""
BESIDE = (".aux.xml", ".ovr", ".msk")
"""GDAL's sidecars, by what they add to a raster's name."""


def local_files(source: str) -> list[str]:
    """The local files a scene is made of, or the path itself."""
    return [file for path in _parts(local_path(source)) for file in files_within(path)]


def _parts(source: str) -> Iterable[str]:
    """The same, of files in archives their names in GDAL."""
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
        _add(local_path(source), found)
    for path in local_files(source):
        _add(path, found)
    return list(found)


def _add(path: str, found: dict[str, None]) -> None:
    """A file, those beside it, and those it names."""
    if path in found or len(found) > MAX_FILES:
        return
    found[path] = None
    found.update((f"{path}{end}", None) for end in (*BESIDE, *files_within(path)))
    if is_vrt(path):
        with suppress(GeocloudError, OSError):
            for target in named_files(path, Path(path).read_bytes()):
                _add(target, found)
    elif is_single_raster(path) and Path(path).is_file():
        with suppress(RasterioError), open_quietly(path) as dataset:
            found.update((member, None) for member in dataset.files)
