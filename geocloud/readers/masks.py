"""A mask file, ours or a sensor's own, read row by row as our codes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from geocloud.classes import CODES, ENCODINGS, PERCENT_TAG, TAG, EncodingName, MaskEncoding, decode
from geocloud.errors import InputError
from geocloud.raster import CLEAR, CLOUD, NODATA, ByteArray, FloatArray, Georef
from geocloud.readers.files.opening import check_size, crs_name, open_raster, raster_georef, read_errors, same_crs
from geocloud.version import __version__

STRIP = 512
_WHOLE = ("uint8", "int8", "uint16", "int16", "uint32", "int32")
_FOREIGN = ("binary", "omnicloudmask")


def mask_folder(path: str | os.PathLike[str]) -> Path:
    """A folder of masks; InputError if there is none."""
    if not Path(path).is_dir():
        raise InputError(f"{os.fspath(path)} is no folder of masks; give a folder that holds NAME_cloudmask.tif")
    return Path(path)


class MaskFile:
    """A mask that is open for reading."""

    def __init__(self, path: str | os.PathLike[str], encoding: MaskEncoding | None = None) -> None:
        """Open it: a file or a URL.

        `encoding` None: as its tags say, else geocloud's own codes, which `read` then checks.

        Raises:
            InputError: it is no raster of one band of whole numbers.
        """
        self.path = path = os.fspath(path)
        self._dataset = open_raster(path)
        count, dtype = self._dataset.count, self._dataset.dtypes[0]
        if count != 1 or dtype not in _WHOLE:
            self._dataset.close()
            raise InputError(
                f"{path} holds {count} band{'s' if count != 1 else ''} of {dtype}; a mask is one band of whole "
                "numbers, 0 clear, 1 cloud, 255 nodata: make one, as with gdal_translate -ot Byte"
            )
        self.tags: dict[str, str] = self._dataset.tags()
        tagged = self.tags.get(TAG, "geocloud")
        self.encoding: MaskEncoding = encoding or cast("EncodingName", tagged if tagged in ENCODINGS else "geocloud")
        ours = any(key.startswith("GEOCLOUD_") for key in self.tags) or self._dataset.nodata == NODATA
        self._unstated = encoding is None and not ours
        self.georef: Georef = raster_georef(self._dataset, path)
        check_size(path, self.georef.shape)

    @property
    def provenance(self) -> dict[str, str]:
        """Tags that geocloud wrote: the model, its threshold, the source; of another's mask only its path."""
        own = {key: text for key, text in self.tags.items() if key.startswith("GEOCLOUD_") and key != TAG}
        own = {key: text for key, text in own.items() if not key.endswith(PERCENT_TAG)}  # of these pixels alone
        return own or {"GEOCLOUD_VERSION": __version__, "GEOCLOUD_MASK": self.path}

    def read(self, row: int, height: int, col: int = 0, width: int | None = None) -> ByteArray:
        """Rows (height, width) of our codes; `width` None: all columns from `col` on."""
        window = RasterioWindow(col, row, width or self._dataset.width - col, height)
        with read_errors(self.path):
            values = self._dataset.read(1, window=window)
        codes = decode(values, self.encoding)
        nodata = self._dataset.nodata
        own = self.encoding == "geocloud"
        if own:
            self._check(values, (CLEAR, CLOUD) if self._unstated else (CLEAR, *CODES.values(), NODATA))
        if (own or self.encoding in _FOREIGN) and nodata not in (None, CLEAR):
            codes[values == nodata] = NODATA
        return codes

    def _check(self, values: NDArray[Any], known: tuple[int, ...]) -> None:
        """InputError for codes that no mask of ours has, or that mean something else in other programs' masks."""
        strange = np.setdiff1d(values, (*known, *(() if self._dataset.nodata is None else (self._dataset.nodata,))))
        if strange.size:
            raise InputError(
                f"{self.path} holds the code {strange[0]} and does not say whose codes they are; say it with "
                "--encoding: binary (0 clear, all else cloud), omnicloudmask, scl, qa_pixel, or geocloud"
            )

    def strips(self, rows: int = STRIP) -> Iterator[tuple[int, ByteArray]]:
        """(first row, codes) from the top, so many rows at once."""
        for row in range(0, self.georef.shape[0], rows):
            yield row, self.read(row, min(rows, self.georef.shape[0] - row))

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


class ScoreFile:
    """P(cloud) of a scene, open for reading."""

    def __init__(self, path: str | os.PathLike[str], georef: Georef) -> None:
        """Open it; InputError if it is not on the given grid."""
        self.path = path = os.fspath(path)
        self._dataset = open_raster(path)
        own = raster_georef(self._dataset, path)
        shape = own.shape
        placed = own.located and georef.located
        if placed and not (same_crs(own, georef) and own.transform.almost_equals(georef.transform, 1e-6)):
            self._dataset.close()
            raise InputError(
                f"{path} does not lie on the grid of its mask ({crs_name(own)}, the mask {crs_name(georef)}); "
                "give the score that was written beside the mask"
            )
        if shape != georef.shape:
            self._dataset.close()
            raise InputError(
                f"{path} has {shape[1]}x{shape[0]} pixels, its mask {georef.shape[1]}x{georef.shape[0]}; "
                "give the score that was written beside the mask"
            )

    def read(self, row: int, height: int, col: int = 0, width: int | None = None) -> FloatArray:
        """Rows (height, width) of P(cloud) 0..1, NaN where nodata; `width` None: all columns from `col` on."""
        window = RasterioWindow(col, row, width or self._dataset.width - col, height)
        with read_errors(self.path):
            values = self._dataset.read(1, window=window, masked=True)
        p = values.astype(np.float32) * np.float32(self._dataset.scales[0])
        return np.asarray(p.filled(np.nan), dtype=np.float32)

    def close(self) -> None:
        """Close the file."""
        self._dataset.close()
