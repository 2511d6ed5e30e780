"""Recognises the kind of scene at a path or URL, opens it with the right reader, and lists the files of a scene."""

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
from geocloud.readers.bands.choosing import last_name
from geocloud.readers.bands.sensors import no_scene
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
"""What a user can pass as a scene: a path or URL, an xarray object, or an open reader."""
_ZARR_SIGNS = ("zarr.json", ".zgroup", ".zmetadata", ".zarray")


def open_scene(source: Source, options: SceneOptions | None = None) -> SceneReader:
    """Open a scene for reading. Only metadata is read; if `source` is a reader, it is returned unchanged.

    `docs/scenes.md` lists the kinds of scenes, and `open_path` how each is recognised. All assumptions are in the
    reader's `notes` and are logged (`geocloud.scenes`); guesses are logged as warnings, which Python shows by default.

    Raises:
        InputError: `source` cannot be used as a scene; the message says why and what to do.
        UsageError: an option does not fit the scene.
        MissingExtraError: this kind of scene needs an optional package that is not installed.
    """
    scene = open_silently(source, options)
    if scene is not source:
        tell(scene.source, scene.notes)
    return scene


def open_silently(source: Source, options: SceneOptions | None = None) -> SceneReader:
    """Like `open_scene`, but nothing is logged: the caller reports the notes."""
    options = options or SceneOptions()
    if isinstance(source, str | os.PathLike):
        return open_path(local_path(check_name(os.fspath(source))), options)
    if isinstance(source, SceneReader):
        return source
    from geocloud.readers.scenes.xarray_scene import open_array

    return open_array(source, options)


def open_path(source: str, options: SceneOptions) -> SceneReader:
    """Open the scene at a path or URL. The first row of the table that matches decides how it is read.

    | path or URL | read as |
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
        MissingExtraError: Zarr needs the extra `xarray`.
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
    """Describe a folder or archive: a product with metadata, or band files, one raster, or the tiles of one raster."""
    tree = open_tree(root)
    describe = product_reader(source, tree)
    if describe is not None:
        return describe(str(root), tree, options)
    names = rasters_of(tree) or lone_raster(tree)
    if not names:
        raise InputError(_no_raster_message(source, tree))
    paths = [path for name in names if (path := tree.find(name))]
    mosaic_name = join_tiles(names)
    allow = options.allow_external
    if mosaic_name:
        mosaic = join(paths, mosaic_name, allow_external=allow)
        return replace(describe_raster(mosaic, options), source=str(root), name=mosaic_name)
    if (options.bands and len(names) > 1) or is_band_set(names):
        return describe_folder(str(root), tree, options)
    multiband = [path for path in paths if _band_count(path, allow_external=allow) >= 3]
    if len(multiband) == 1:
        return replace(describe_raster(multiband[0], options), source=str(root), name=scene_name(str(root)))
    if not multiband:
        return describe_folder(str(root), tree, options)
    listed = ", ".join(Path(path).name for path in multiband[:4])
    raise InputError(f"{source} holds {len(multiband)} rasters of several bands ({listed}); give one of them")


def _no_raster_message(source: str, tree: Tree) -> str:
    """The error message for a folder or archive without rasters, depending on what else it holds."""
    what = no_scene(last_name(source), files=[name.rpartition("/")[2] for name in tree.below()])
    if what:
        return f"by its names, {source} is {what}"
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


def _band_count(path: str, *, allow_external: bool) -> int:
    with open_raster(path, allow_external=allow_external) as dataset:
        return int(dataset.count)


def scenes_in(source: str) -> list[str]:
    """The paths of the scenes in a folder of several products or several multi-band rasters; else only `source`."""
    if is_virtual(source) or not os.path.isdir(source) or is_zarr(source):  # noqa: PTH112 - any text
        return [source]
    folder = Path(source)
    entries = sorted(entry for entry in folder.iterdir() if not is_litter(entry.name))
    if any(SAFE_METADATA.fullmatch(entry.name) or MTL_FILE.fullmatch(entry.name) for entry in entries):
        return [source]
    products = [entry for entry in entries if _is_product(entry)]
    if len(products) > 1 or (products and products[0].suffix.lower() != ".safe"):  # open_tree enters one inner SAFE
        return [str(entry) for entry in products]
    tree = open_tree(folder)
    top_level = [name for name in tree.names() if RASTER.fullmatch(name)]
    names = [name for name in rasters_of(tree) if name in top_level]
    if len(names) < 2 or join_tiles(names) or is_band_set(names):
        return [source]
    multiband = [str(folder / name) for name in names if _band_count(str(folder / name), allow_external=True) >= 3]
    return multiband if len(multiband) > 1 else [source]


def _is_product(path: Path) -> bool:
    """True if the name or the metadata file says Sentinel-2 or Landsat product (folder or archive) or Zarr store."""
    if path.name.lower().endswith((".safe", ".safe.zip", ".zarr")):
        return True
    if path.is_dir():
        return any(SAFE_METADATA.fullmatch(entry.name) or MTL_FILE.fullmatch(entry.name) for entry in path.iterdir())
    product = re.match(r"L[COTEM]0[1-9]_L|S2[A-D]_MSI", path.name)
    return bool(product) and bool(archive_prefix(path.name))


def is_single_raster(source: str) -> bool:
    """True for a file that rasterio opens directly: no product, STAC item or Zarr store."""
    return not is_zarr(source) and not is_stac(source) and product_root(source) is None


def is_zarr(source: str) -> bool:
    """True for the path or URL of a Zarr store."""
    bare = source.partition("?")[0].rstrip("/")
    if bare.lower().endswith(".zarr"):
        return True
    return not is_virtual(source) and any((Path(source) / sign).is_file() for sign in _ZARR_SIGNS)


def is_stac(source: str) -> bool:
    """True for the path or URL of a STAC item. Landsat's MTL.json is not one."""
    if MTL_FILE.fullmatch(re.split(r"[/\\]", source)[-1]):
        return False
    path = urlsplit(source).path if is_remote(source) else source
    return path.lower().endswith((".json", ".geojson")) or (is_remote(source) and "/items/" in path)


def product_root(source: str) -> Path | None:
    """The folder or archive of a product, also if `source` is its metadata file; None for a single raster.

    Raises:
        InputError: a SAFE or an archive that is not on this machine's disk.
    """
    path = source.removeprefix("/vsizip/").removeprefix("/vsitar/") if archive_prefix(source) else source
    if is_virtual(path):
        if path.rstrip("/").lower().endswith(".safe") or archive_prefix(path):
            raise InputError(f"{source} is a product that is not on a disk here; download it, or give its STAC item")
        return None
    folder = _of_metadata_file(Path(path))
    return folder if folder.is_dir() or (archive_prefix(path) and folder.is_file()) else None


def _of_metadata_file(path: Path) -> Path:
    """The product's folder if the path is its metadata file; otherwise the path itself."""
    return path.parent if SAFE_METADATA.fullmatch(path.name) or MTL_FILE.fullmatch(path.name) else path


def product_reader(source: str, tree: Tree) -> Describe | None:
    """The function that describes this product, chosen by its metadata file; None if there is no such file.

    Raises:
        InputError: the name ends in `.SAFE`, but there is neither a metadata file nor a set of bands.
    """
    names = tree.names()
    if any(SAFE_METADATA.fullmatch(name) for name in names):
        return describe_safe
    if any(MTL_FILE.fullmatch(name) for name in names):
        return describe_landsat
    if source.rstrip("/").lower().endswith((".safe", ".safe.zip")) and not is_band_set(rasters_of(tree)):
        what = no_scene(last_name(source))
        if what:
            raise InputError(f"by its names, {source} is {what}")
        raise InputError(
            f"{source} has no MTD_MSIL1C.xml or MTD_MSIL2A.xml, so it is no Sentinel-2 product or an incomplete one; "
            "fetch it again"
        )
    return None


MAX_FILES = 100_000
"""Most files of one scene that `protected_files` lists."""
BESIDE = (".aux.xml", ".ovr", ".msk")
"""Suffixes that GDAL appends to a raster's name for its sidecar files."""


def local_files(source: str) -> list[str]:
    """The paths on disk of the files that a scene consists of; `source` itself if nothing more is known."""
    return [file for path in _scene_paths(local_path(source)) for file in files_within(path)]


def _scene_paths(source: str) -> Iterable[str]:
    """The files of a scene; a path can be GDAL's name (`/vsizip/...`) of a file in an archive."""
    if is_stac(source):
        return [source, *_asset_paths(source)]
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


def _asset_paths(source: str) -> list[str]:
    """The resolved paths or URLs of a STAC item's assets; assets that cannot be resolved are left out."""
    paths = []
    with suppress(GeocloudError):
        for asset in load_item(source)["assets"].values():
            with suppress(GeocloudError, KeyError, TypeError):
                paths.append(resolve(source, asset["href"], allow_external=True))
    return sorted(paths)


def protected_files(source: str) -> list[str]:
    """All files that reading a scene can touch: those no output may overwrite.

    They are `local_files`, the sidecar files that GDAL reads, and the files that VRTs name, at any depth. The scene
    must have been opened before, because opening checks what its documents name.
    """
    files: dict[str, None] = {}  # a dict keeps the order
    if is_single_raster(source):
        _collect(local_path(source), files)
    for path in local_files(source):
        _collect(path, files)
    return list(files)


def _world_files(path: Path) -> list[Path]:
    """Where the world file of a raster may stand, also if its own georeference comes first."""
    letters = path.suffix[1:]
    return [path.with_suffix(f".{end}") for end in ("wld", f"{letters[:1]}{letters[-1:]}w", f"{letters}w") if letters]


def _collect(path: str, files: dict[str, None]) -> None:
    """Add to `files` a file, its sidecar files, and the files that it names."""
    if path in files or len(files) > MAX_FILES:
        return
    files[path] = None
    files.update((f"{path}{suffix}", None) for suffix in (*BESIDE, *files_within(path)))
    files.update((os.fspath(world), None) for world in _world_files(Path(path)))
    if is_vrt(path):
        with suppress(GeocloudError, OSError):
            for target in named_files(path, Path(path).read_bytes()):
                _collect(target, files)
    elif is_single_raster(path) and Path(path).is_file():
        with suppress(RasterioError), open_quietly(path) as dataset:
            files.update((member, None) for member in dataset.files)
