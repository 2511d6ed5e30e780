"""Other people's cloud masks, to stand beside ours in a table; never needed, imported only when asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from geocloud.calibration import Calibration
from geocloud.errors import InputError, MissingExtraError
from geocloud.raster import CLEAR, CLOUD, SHADOW, BoolArray, ByteArray, FloatArray, PatchBatch, Raster
from geocloud.scorers.card import ModelCard, TrainingRecord, require_bands

ProductLevel = Literal["l1c", "l2a"]
"""Top of atmosphere, or surface reflectance."""
CLOUD_CLASS, SHADOW_CLASS = 1, 2
"""Of ukis-csmask; 0 is background."""

_INFRARED = ("swir16", "swir22")
_CARD = ModelCard(
    "ukis-csmask",
    "peer",
    ("blue", "green", "red", "nir"),
    _INFRARED,
    calibration=Calibration(0.5, unit="class"),
    training=TrainingRecord("S"),
)


@dataclass(frozen=True, slots=True)
class UkisMask:
    """ukis-csmask (Wieland, Fichtner, Martinis 2022): a supervised U-Net; it gives classes, no probability."""

    mask_of: Callable[..., Any]
    """Its class CSmask."""
    product_level: ProductLevel
    card: ModelCard = _CARD

    def choose_bands(self, available: Sequence[str]) -> tuple[str, ...]:
        """Four bands, six where both infrared ones are there."""
        six = _INFRARED if set(_INFRARED) <= set(available) else ()
        return require_bands(self.card.name, available, self.card.bands, six)

    def score(self, batch: PatchBatch) -> FloatArray:
        """(n, side, side) 1 where it says cloud, else 0."""
        return np.stack([self._cloud(block, batch.bands) for block in batch.data])

    def score_whole(self, raster: Raster, bands: tuple[str, ...]) -> FloatArray:
        """(h, w) the same of a scene at once, as its users call it."""
        return self._cloud(np.where(raster.valid, raster.data, np.float32(0)), bands)

    def codes_whole(self, raster: Raster, bands: tuple[str, ...]) -> ByteArray:
        """(h, w) codes of a mask of cloud and cloud shadow, of a scene at once."""
        found = self._classes(np.where(raster.valid, raster.data, np.float32(0)), bands)
        return np.select([found == CLOUD_CLASS, found == SHADOW_CLASS], [CLOUD, SHADOW], CLEAR).astype(np.uint8)

    def _cloud(self, data: FloatArray, bands: tuple[str, ...]) -> FloatArray:
        """(h, w) of (band, h, w) reflectance."""
        return np.asarray(self._classes(data, bands) == CLOUD_CLASS, dtype=np.float32)

    def _classes(self, data: FloatArray, bands: tuple[str, ...]) -> NDArray[Any]:
        """(h, w) its own classes of (band, h, w) reflectance."""
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # it tells of every scene below 256 pixels
            found = self.mask_of(
                np.ascontiguousarray(np.moveaxis(data, 0, -1), dtype=np.float32),
                band_order=list(bands),
                product_level=self.product_level,
                providers=["CPUExecutionProvider"],
            )
        classes: NDArray[Any] = found.csm[:, :, 0]
        return classes


def ukis_csmask(product_level: ProductLevel) -> UkisMask:
    """The peer, for one product level; MissingExtraError where it is not installed."""
    try:
        from ukis_csmask.mask import CSmask
    except ImportError as error:
        raise MissingExtraError("ukis-csmask", "bench", "--peer ukis-csmask") from error
    return UkisMask(CSmask, product_level)


PEERS = {"ukis-csmask": ukis_csmask}
"""Names to constructors."""

Reference = Literal["s2cloudless"]
L1C_BANDS = 13
THRESHOLD, AVERAGE, DILATION = 0.4, 4, 2
"""As its makers set them (sentinelhub, s2cloudless: S2PixelCloudDetector)."""


def require_reference() -> None:
    """MissingExtraError where s2cloudless is not installed."""
    try:
        import s2cloudless  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("s2cloudless", "bench", "agreement with s2cloudless") from error


def reference_mask(path: Path) -> BoolArray:
    """(h, w) True where s2cloudless sees cloud in a raster of all 13 L1C bands as reflectance, B01 to B12 in order.

    Raises:
        InputError: it is no such raster. MissingExtraError: s2cloudless is not installed.
    """
    require_reference()
    from s2cloudless import S2PixelCloudDetector

    try:
        with rasterio.open(path) as raster:
            data = raster.read().astype(np.float32)
    except RasterioError as error:
        raise InputError(f"{path} is no raster that can be read ({str(error).splitlines()[0]})") from error
    if len(data) != L1C_BANDS:
        raise InputError(f"{path} has {len(data)} bands; s2cloudless takes the {L1C_BANDS} of Sentinel-2 L1C")
    detector = S2PixelCloudDetector(threshold=THRESHOLD, average_over=AVERAGE, dilation_size=DILATION, all_bands=True)
    mask: BoolArray = detector.get_cloud_masks(np.moveaxis(data, 0, -1)[None])[0] > 0
    return mask
