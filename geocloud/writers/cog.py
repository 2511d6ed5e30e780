"""Rasters on the scene's grid, written row by row and copied to a cloud-optimised GeoTIFF; and a mask's sidecars."""

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
"""Sides of a COG's tiles; height of a plain file's, as rows come a few at a time."""
COPY_CACHE = 32 << 20
"""Bytes of GDAL's block cache while copying; its default, a share of the machine's memory, fills with height."""
SCORE_SCALE = 0.004
"""P(cloud) = DN * 0.004, DN 0-250, 255 nodata."""


@dataclass(frozen=True, slots=True)
class RasterFormat:
    """What kind of raster is written."""

    resampling: str
    """Of overviews: `MODE` for codes, `AVERAGE` for numbers."""
    predictor: str
    """`NO` or `YES`, TIFF's differencing before compression."""
    dtype: str = "uint8"
    nodata: float | None = 255
    bands: int = 1
    scale: float = 1.0
    codes: tuple[int, ...] = ()
    """Class codes to give a palette; empty for numbers."""
    names: tuple[str, ...] = ()
    """Of the bands; empty: they have none."""
    domains: bool = False
    """Copy tags of domains of their own; GDAL's COG driver then drops statistics and the bands' plain tags."""


MASK_FORMAT = RasterFormat("MODE", "NO", codes=(0, 1, 255), names=("cloud mask",))
SCORE_FORMAT = RasterFormat("AVERAGE", "YES", scale=SCORE_SCALE, names=("P(cloud)",))
SPREAD_SCALE = 0.002
"""Standard deviation of P(cloud) = DN * 0.002, DN 0-250, 255 nodata."""
UNCERTAINTY_FORMAT = RasterFormat("AVERAGE", "YES", scale=SPREAD_SCALE, names=("standard deviation of P(cloud)",))
REFLECTANCE_SCALE = 1e-4
"""Reflectance = DN * 0.0001, DN 1-65535, 0 nodata: as Sentinel-2 L2A products have it."""


@contextmanager
def raster_errors(path: Path) -> Iterator[None]:
    """Turn GDAL's and the system's failures to write into one sentence."""
    try:
        yield
    except (RasterioError, CPLE_BaseError, OSError) as error:
        raise OutputError(
            f"{path} cannot be written ({write_reason(path, error)}); choose another folder or make room"
        ) from error


class RowWriter:
    """Writes full-width rows of a raster to a plain tiled GeoTIFF, from the top.

    Rows are held until they fill tiles, so that each tile is written once: of one that is written in parts GDAL may
    lose a part, where another thread's reading puts it out of the cache that all files share.
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
        self._held: NDArray[Any] = np.zeros((product.bands, 0, georef.shape[1]), product.dtype)
        with raster_errors(path):
            self._file = rasterio.open(path, "w+", **profile, **location(georef))
            self._describe(tags)

    def _describe(self, tags: Mapping[str, str]) -> None:
        self._file.update_tags(**tags)
        if self._product.names:
            self._file.descriptions = self._product.names
        if self._product.scale != 1.0:
            self._file.scales = (self._product.scale,) * self._product.bands
        if self._product.codes:
            self._file.write_colormap(1, colormap(self._product.codes))
            self._file.colorinterp = [ColorInterp.palette]

    def add_tags(self, tags: Mapping[str, str]) -> None:
        """Tags that are known only when rows are written."""
        with raster_errors(self.path):
            self._file.update_tags(**tags)

    def write(self, row: int, rows: NDArray[Any]) -> None:
        """Rows (h, width) or (band, h, width), beginning at the raster's row `row`."""
        cube = rows if rows.ndim == 3 else rows[None]
        if row != self._row + self._held.shape[1]:
            self._flush()
            self._row = row
        held = np.concatenate([self._held, cube], axis=1)
        end = self._row + held.shape[1]
        whole = held.shape[1] if end == self._file.height else max(0, end - end % TALL - self._row)
        self._put(held[:, :whole])
        self._row, self._held = self._row + whole, held[:, whole:].copy()

    def _flush(self) -> None:
        """Write what is held."""
        self._put(self._held)
        self._row, self._held = self._row + self._held.shape[1], self._held[:, :0]

    def _put(self, cube: NDArray[Any]) -> None:
        if cube.size:
            with raster_errors(self.path):
                self._file.write(cube, window=RasterioWindow(0, self._row, cube.shape[2], cube.shape[1]))

    def read(self, row: int, height: int) -> NDArray[Any]:
        """Rows (h, width) of the first band already written."""
        self._flush()
        with raster_errors(self.path):
            rows: NDArray[Any] = self._file.read(1, window=RasterioWindow(0, row, self._file.width, height))
        return rows

    def close(self) -> None:
        """Flush the file."""
        try:
            self._flush()
        finally:
            with raster_errors(self.path):
                self._file.close()


def copy_to_cog(source: Path, target: Path, product: RasterFormat, squares: int = 1) -> None:
    """Copy a GeoTIFF to a COG with overviews and statistics; OutputError where it cannot be written.

    `squares`: the side of the squares of one value each that it is made of. Where it is even, the first overview needs
    neither mode nor mean, which take most of the time: the source is given it, and those below it, beforehand.
    """
    check_stored(source)
    with raster_errors(target), rasterio.Env(GDAL_CACHEMAX=COPY_CACHE):
        if squares % 2 == 0:
            _add_overviews(source, product)
        tags = {"copy_src_mdd": "YES"} if product.domains else {"statistics": "YES"}
        _to_cog(source, target, product, predictor=product.predictor, **tags)


def _add_overviews(source: Path, product: RasterFormat) -> None:
    """Overviews of a GeoTIFF made of squares of 2x2 pixels, beside it: the first of one pixel each, the others of that.

    By writing and copying files, for rasterio keeps Python's lock while it builds overviews.
    """
    half = source.with_suffix(".half.tif")
    with rasterio.open(source) as whole:
        height, width = (-(-side // 2) for side in whole.shape)
        if max(whole.shape) <= BLOCK:
            return
        with rasterio.open(half, "w", **whole.profile | {"height": height, "width": width} | _quick(product)) as picked:
            for row in range(0, height, TALL):
                rows = min(TALL, height - row)
                squares = RasterioWindow(0, 2 * row, whole.width, min(2 * rows, whole.height - 2 * row))
                pixels = whole.read(window=squares, out_shape=(whole.count, rows, width))
                picked.write(pixels, window=RasterioWindow(0, row, width, rows))
    check_stored(half)
    _to_cog(half, Path(f"{source}.ovr"), product, level="1")


def _quick(product: RasterFormat) -> dict[str, Any]:
    """How files that are soon read again and deleted are compressed: codes come in runs, numbers do not."""
    return {"compress": "packbits"} if product.codes else {"compress": "deflate", "zlevel": 1}


def _to_cog(source: Path, target: Path, product: RasterFormat, **options: str) -> None:
    """Copy a GeoTIFF to a COG, with overviews of its own where it has none.

    On one thread: where one of GDAL's own finds no memory to compress a block of an overview, it reports nothing and
    the block comes out blank.
    """
    copy(
        str(source), str(target), driver="COG", compress="DEFLATE", overview_resampling=product.resampling,
        bigtiff="IF_SAFER", blocksize=BLOCK, num_threads="1", **options,
    )  # fmt: skip
    check_readable(target)


def quantise(p: NDArray[np.float32]) -> NDArray[np.uint8]:
    """P(cloud) 0..1 as 0-250, NaN as 255; rounded down, so that 125 and more is exactly what the mask calls cloud."""
    return np.where(np.isnan(p), np.float32(255), np.floor(p * np.float32(250))).astype(np.uint8)


def mask_product(codes: tuple[int, ...]) -> RasterFormat:
    """A mask that may hold these codes."""
    return replace(MASK_FORMAT, codes=codes)


def class_score_product(names: Sequence[str]) -> RasterFormat:
    """The probability of each of these classes, a band each."""
    return replace(SCORE_FORMAT, bands=len(names), names=tuple(f"P({name})" for name in names))


def quantise_spread(deviation: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Standard deviations of P(cloud) 0..0.5 as 0-250, NaN as 255."""
    return np.where(np.isnan(deviation), np.float32(255), np.rint(deviation / np.float32(SPREAD_SCALE))).astype(
        np.uint8
    )


def clear_sky_product(bands: Sequence[str]) -> RasterFormat:
    """A cloud-free estimate of these bands."""
    return RasterFormat("AVERAGE", "YES", "uint16", 0, len(bands), REFLECTANCE_SCALE, names=tuple(bands))


def reflectance_counts(reflectance: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Reflectance as uint16 DN at REFLECTANCE_SCALE, at least 1: 0 is nodata."""
    counts: NDArray[np.uint16] = (reflectance / np.float32(REFLECTANCE_SCALE)).round().clip(1, 65535).astype(np.uint16)
    return counts


def location(georef: Georef) -> dict[str, Any]:
    """CRS with transform or GCPs, as rasterio's profile takes them."""
    crs = CRS.from_wkt(georef.crs_wkt) if georef.crs_wkt else None
    if georef.gcps:
        points = [GroundControlPoint(row=r, col=c, x=x, y=y, z=z) for r, c, x, y, z in georef.gcps]
        return {"gcps": points, "crs": crs}
    return {"crs": crs, "transform": georef.transform}


def colormap(codes: tuple[int, ...]) -> dict[int, Colour]:
    """A TIFF palette: it has no alpha, so clear is drawn dark there and only styles make it transparent."""
    return {entry.code: (*entry.colour[:3], 255) for entry in classes_of(codes)}


def write_attribute_table(path: Path, codes: tuple[int, ...], values: Mapping[int, int] = NO_VALUES) -> None:
    """Write GDAL's sidecar `.tif.aux.xml` at `path`: class names and colours of a mask (PAM, GDAL's data model).

    `values` maps codes to what is written for them in another encoding.
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
    """Write a QGIS layer style at `path` (`.qml`): named classes, clear transparent."""
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
    """OutputError where a plain GeoTIFF lacks a block, which would be read as nodata, or ends before one does."""
    size = path.stat().st_size
    with rasterio.open(path) as dataset:
        bands = dataset.indexes if str(dataset.profile.get("interleave", "band")).lower() == "band" else [1]
        for band in bands:
            for (row, col), _ in dataset.block_windows(band):
                place = dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=band)
                length = dataset.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", bidx=band)
                if place is None or int(place) + int(length or 0) > size:
                    raise OutputError(f"{path} cannot be written; {NO_ROOM}")
