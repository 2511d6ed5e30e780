"""Write rasters row by row and copy them to cloud-optimised GeoTIFFs (COG); and write the sidecars of a mask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.shutil import copy
from rasterio.windows import Window as RasterioWindow

from geocloud.classes import NO_VALUES, Colour, classes_of, written_classes
from geocloud.errors import OutputError
from geocloud.raster import Georef
from geocloud.writers.staging import NO_ROOM, check_readable, write_reason

BLOCK, TALL = 512, 128
"""Side of the tiles of a COG; height of the tiles of a plain file, which is lower because few rows come at a time."""
COPY_CACHE = 32 << 20
"""Bytes of GDAL's block cache while copying; tall rasters fill its default, a share of the machine's memory."""
SCORE_SCALE = 0.004
"""P(cloud) = DN * 0.004, DN 0-250, 255 nodata."""


@dataclass(frozen=True, slots=True)
class RasterFormat:
    """The kind of raster to write."""

    resampling: str
    """Resampling of overviews: `MODE` for codes, `AVERAGE` for numbers."""
    predictor: str
    """`YES` or `NO`: whether TIFF takes differences before compression."""
    dtype: str = "uint8"
    nodata: float | None = 255
    bands: int = 1
    scale: float = 1.0
    codes: tuple[int, ...] = ()
    """Class codes of the palette; empty for numbers."""
    names: tuple[str, ...] = ()
    """Names of the bands; empty: none."""
    domains: bool = False
    """Whether to copy tags in domains of their own; GDAL's COG driver then drops statistics and plain tags of bands."""


MASK_FORMAT = RasterFormat("MODE", "NO", codes=(0, 1, 255), names=("cloud mask",))
SCORE_FORMAT = RasterFormat("AVERAGE", "YES", scale=SCORE_SCALE, names=("P(cloud)",))
SPREAD_SCALE = 0.002
"""Standard deviation of P(cloud) = DN * 0.002, DN 0-250, 255 nodata."""
UNCERTAINTY_FORMAT = RasterFormat("AVERAGE", "YES", scale=SPREAD_SCALE, names=("standard deviation of P(cloud)",))
REFLECTANCE_SCALE = 1e-4
"""Reflectance = DN * 0.0001, DN 1-65535, 0 nodata, as in Sentinel-2 L2A products."""


@contextmanager
def raster_errors(path: Path) -> Iterator[None]:
    """Turn errors of GDAL and of the system while writing into OutputError."""
    try:
        yield
    except (RasterioError, CPLE_BaseError, OSError) as error:
        raise OutputError(
            f"{path} cannot be written ({write_reason(path, error)}); choose another folder or make room"
        ) from error


class RowWriter:
    """Writes full-width rows of a raster to a plain tiled GeoTIFF, from the top.

    Rows are kept until they fill tiles, so that each tile is written once. GDAL may lose a part of a tile that is
    written in parts, if reads by another thread evict the tile from the cache that all files share.
    """

    def __init__(self, path: Path, georef: Georef, product: RasterFormat, tags: Mapping[str, str]) -> None:
        """Create the file.

        Raises:
            OutputError: it cannot be created.
        """
        self.path, self._product = path, product
        profile: dict[str, Any] = {
            "driver": "GTiff", "dtype": product.dtype, "count": product.bands, "nodata": product.nodata,
            "height": georef.shape[0], "width": georef.shape[1],
            "tiled": True, "blockxsize": BLOCK, "blockysize": TALL,
            "bigtiff": "if_safer", "interleave": "pixel", **_quick(product),
        }  # fmt: skip
        self._row = 0
        self._kept: NDArray[Any] = np.zeros((product.bands, 0, georef.shape[1]), product.dtype)
        with raster_errors(path):
            self._file = rasterio.open(path, "w+", **profile, **location(georef))
            self._describe(tags)

    def _describe(self, tags: Mapping[str, str]) -> None:
        """Set tags, band names, scales and colours."""
        self._file.update_tags(**tags)
        if self._product.names:
            self._file.descriptions = self._product.names
        if self._product.scale != 1.0:
            self._file.scales = (self._product.scale,) * self._product.bands
        if self._product.codes:
            self._file.write_colormap(1, colormap(self._product.codes))
            self._file.colorinterp = [ColorInterp.palette]

    def add_tags(self, tags: Mapping[str, str]) -> None:
        """Add tags that become known while rows are written."""
        with raster_errors(self.path):
            self._file.update_tags(**tags)

    def write(self, row: int, rows: NDArray[Any]) -> None:
        """Write rows (h, width) or (band, h, width) from the raster's row `row` on; OutputError if that fails."""
        cube = rows if rows.ndim == 3 else rows[None]
        if row != self._row + self._kept.shape[1]:
            self._flush()
            self._row = row
        kept = np.concatenate([self._kept, cube], axis=1)
        end = self._row + kept.shape[1]
        complete = kept.shape[1] if end == self._file.height else max(0, end - end % TALL - self._row)
        self._put(kept[:, :complete])
        self._row, self._kept = self._row + complete, kept[:, complete:].copy()

    def _flush(self) -> None:
        """Write the rows that are kept."""
        self._put(self._kept)
        self._row, self._kept = self._row + self._kept.shape[1], self._kept[:, :0]

    def _put(self, cube: NDArray[Any]) -> None:
        """Write rows (band, h, width) at the current row."""
        if cube.size:
            with raster_errors(self.path):
                self._file.write(cube, window=RasterioWindow(0, self._row, cube.shape[2], cube.shape[1]))

    def read(self, row: int, height: int) -> NDArray[Any]:
        """Read rows (h, width) of the first band that were written before."""
        self._flush()
        with raster_errors(self.path):
            rows: NDArray[Any] = self._file.read(1, window=RasterioWindow(0, row, self._file.width, height))
        return rows

    def close(self) -> None:
        """Write the remaining rows and close the file."""
        try:
            self._flush()
        finally:
            with raster_errors(self.path):
                self._file.close()


def copy_to_cog(source: Path, target: Path, product: RasterFormat, squares: int = 1) -> None:
    """Copy a GeoTIFF to a COG with overviews and statistics.

    Args:
        source: the GeoTIFF.
        target: the COG.
        product: the kind of raster.
        squares: side of the squares of one value, in pixels, that the source consists of. If it is even, the first
            overview is made by picking pixels, without computing modes or means, which take most of the time.

    Raises:
        OutputError: the source is incomplete, or the COG cannot be written.
    """
    check_stored(source)
    with raster_errors(target), rasterio.Env(GDAL_CACHEMAX=COPY_CACHE):
        if squares % 2 == 0:
            _add_overviews(source, product)
        tags = {"copy_src_mdd": "YES"} if product.domains else {"statistics": "YES"}
        _to_cog(source, target, product, predictor=product.predictor, **tags)


def _add_overviews(source: Path, product: RasterFormat) -> None:
    """Write the overviews of a GeoTIFF that consists of 2x2 squares of one value to a file beside it (`.ovr`).

    The first overview has one pixel per square; the others are computed from it. They are made by writing and copying
    files, because rasterio holds Python's global lock while it builds overviews.
    """
    half = source.with_suffix(".half.tif")
    with rasterio.open(source) as full:
        height, width = (-(-side // 2) for side in full.shape)
        if max(full.shape) <= BLOCK:
            return
        with rasterio.open(half, "w", **full.profile | {"height": height, "width": width} | _quick(product)) as reduced:
            for row in range(0, height, TALL):
                rows = min(TALL, height - row)
                squares = RasterioWindow(0, 2 * row, full.width, min(2 * rows, full.height - 2 * row))
                pixels = full.read(window=squares, out_shape=(full.count, rows, width))
                reduced.write(pixels, window=RasterioWindow(0, row, width, rows))
    check_stored(half)
    _to_cog(half, Path(f"{source}.ovr"), product, level="1")


def _quick(product: RasterFormat) -> dict[str, Any]:
    """Fast compression of temporary files, as profile options: run lengths for codes, deflate for numbers."""
    return {"compress": "packbits"} if product.codes else {"compress": "deflate", "zlevel": 1}


def _to_cog(source: Path, target: Path, product: RasterFormat, **options: str) -> None:
    """Copy a GeoTIFF to a COG, and make overviews if it has none.

    It uses one thread: if one of GDAL's threads has no memory to compress a block of an overview, it reports no error
    and the block is blank.
    """
    copy(
        str(source), str(target), driver="COG", compress="DEFLATE", overview_resampling=product.resampling,
        bigtiff="IF_SAFER", blocksize=BLOCK, num_threads="1", **options,
    )  # fmt: skip
    check_readable(target)


def quantise(p: NDArray[np.float32]) -> NDArray[np.uint8]:
    """P(cloud) 0..1 as 0-250, NaN as 255; rounded down, so that values >= 125 are exactly P(cloud) >= 0.5."""
    return np.where(np.isnan(p), np.float32(255), np.floor(p * np.float32(250))).astype(np.uint8)


def mask_product(codes: tuple[int, ...]) -> RasterFormat:
    """Format of a mask that can hold these codes."""
    return replace(MASK_FORMAT, codes=codes)


def class_score_product(names: Sequence[str]) -> RasterFormat:
    """Format of the probabilities of these classes, one band per class."""
    return replace(SCORE_FORMAT, bands=len(names), names=tuple(f"P({name})" for name in names))


def quantise_spread(deviation: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Standard deviations of P(cloud), 0..0.5, as 0-250, NaN as 255."""
    return np.where(np.isnan(deviation), np.float32(255), np.rint(deviation / np.float32(SPREAD_SCALE))).astype(
        np.uint8
    )


def clear_sky_product(bands: Sequence[str]) -> RasterFormat:
    """Format of a cloud-free estimate of these bands."""
    return RasterFormat("AVERAGE", "YES", "uint16", 0, len(bands), REFLECTANCE_SCALE, names=tuple(bands))


def reflectance_counts(reflectance: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Reflectance as uint16 DN at REFLECTANCE_SCALE, at least 1: 0 is nodata."""
    counts: NDArray[np.uint16] = (reflectance / np.float32(REFLECTANCE_SCALE)).round().clip(1, 65535).astype(np.uint16)
    return counts


def location(georef: Georef) -> dict[str, Any]:
    """CRS and transform, or CRS and GCPs, as entries of a rasterio profile."""
    crs = CRS.from_wkt(georef.crs_wkt) if georef.crs_wkt else None
    if georef.gcps:
        points = [GroundControlPoint(row=r, col=c, x=x, y=y, z=z) for r, c, x, y, z in georef.gcps]
        return {"gcps": points, "crs": crs}
    return {"crs": crs, "transform": georef.transform}


def colormap(codes: tuple[int, ...]) -> dict[int, Colour]:
    """The palette of a TIFF. It has no alpha: clear is drawn dark, and only styles make it transparent."""
    return {entry.code: (*entry.colour[:3], 255) for entry in classes_of(codes)}


def write_attribute_table(path: Path, codes: tuple[int, ...], values: Mapping[int, int] = NO_VALUES) -> None:
    """Write the class names and colours of a mask to GDAL's sidecar file (PAM), whose name ends with `.tif.aux.xml`.

    `values` maps geocloud's codes to the values of another encoding.
    """
    fields = (
        ("Value", 0, 5),
        ("Class", 2, 2),
        ("Red", 0, 6),
        ("Green", 0, 7),
        ("Blue", 0, 8),
        ("Alpha", 0, 9),
    )
    lines = [
        "<PAMDataset>",
        '  <PAMRasterBand band="1">',
        '    <GDALRasterAttributeTable tableType="thematic">',
    ]
    for index, (name, kind, usage) in enumerate(fields):
        lines.append(
            f'      <FieldDefn index="{index}"><Name>{name}</Name><Type>{kind}</Type><Usage>{usage}</Usage></FieldDefn>'
        )
    for index, entry in enumerate(written_classes(codes, values)):
        cells = "".join(f"<F>{value}</F>" for value in (entry.code, entry.name, *entry.colour))
        lines.append(f'      <Row index="{index}">{cells}</Row>')
    lines += ["    </GDALRasterAttributeTable>", "  </PAMRasterBand>", "</PAMDataset>", ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def write_qgis_style(path: Path, codes: tuple[int, ...], values: Mapping[int, int] = NO_VALUES) -> None:
    """Write a QGIS layer style (`.qml`) with named classes, clear being transparent; `values` as above."""
    entries = "\n".join(
        f'        <paletteEntry value="{entry.code}" color="#{entry.colour[0]:02x}{entry.colour[1]:02x}'
        f'{entry.colour[2]:02x}" alpha="{entry.colour[3]}" label={quoteattr(entry.name)}/>'
        for entry in written_classes(tuple(code for code in codes if code != 255), values)
    )
    path.write_text(_QML.format(entries=entries), encoding="utf-8")


_QML = """<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22.16" styleCategories="Symbology|Transparency" hasScaleBasedVisibilityFlag="0">
  <pipe>
    <provider>
      <resampling enabled="false" zoomedInResamplingMethod="nearestNeighbour" \
zoomedOutResamplingMethod="nearestNeighbour" maxOversampling="2"/>
    </provider>
    <rasterrenderer type="paletted" band="1" opacity="1" alphaBand="-1" nodataColor="">
      <rasterTransparency/>
      <minMaxOrigin>
        <limits>None</limits>
        <extent>WholeRaster</extent>
        <statAccuracy>Estimated</statAccuracy>
      </minMaxOrigin>
      <colorPalette>
{entries}
      </colorPalette>
    </rasterrenderer>
    <brightnesscontrast brightness="0" contrast="0" gamma="1"/>
    <huesaturation colorizeOn="0" grayscaleMode="0" saturation="0"/>
    <rasterresampler maxOversampling="2"/>
    <resamplingStage>resamplingFilter</resamplingStage>
  </pipe>
  <blendMode>0</blendMode>
</qgis>
"""


def check_stored(path: Path) -> None:
    """OutputError if a block of a plain GeoTIFF is missing, which would be read as nodata, or truncated."""
    size = path.stat().st_size
    with rasterio.open(path) as dataset:
        bands = dataset.indexes if str(dataset.profile.get("interleave", "band")).lower() == "band" else [1]
        for band in bands:
            for (row, col), _ in dataset.block_windows(band):
                offset = dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=band)
                length = dataset.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", bidx=band)
                if offset is None or int(offset) + int(length or 0) > size:
                    raise OutputError(f"{path} cannot be written; {NO_ROOM}")
