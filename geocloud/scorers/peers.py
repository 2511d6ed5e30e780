"""Other people's cloud detectors as scorers, run by their own packages, which are imported only when asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from geocloud.calibration import Calibration
from geocloud.classes import SHADOW, ClassName
from geocloud.errors import InputError, MissingExtraError, ModelError
from geocloud.raster import CLEAR, CLOUD, BoolArray, ByteArray, FloatArray, PatchBatch, Raster
from geocloud.readers.files.opening import open_raster, read_errors
from geocloud.scorers.card import ModelCard, TrainingRecord, require_bands

ProductLevel = Literal["l1c", "l2a"]
"""Top-of-atmosphere or surface reflectance."""
CLOUD_CLASS, SHADOW_CLASS = 1, 2
"""Classes of ukis-csmask; 0 is background."""

_INFRARED = ("swir16", "swir22")
_CARD = ModelCard(
    "ukis-csmask",
    "peer",
    ("blue", "green", "red", "nir"),
    _INFRARED,
    block=6,
    halo=64,  # a quarter of the 256 pixels of its tiles
    min_resolution=20.0,  # its authors: about 30 m
    calibration=Calibration(0.5, unit="class"),
    training=TrainingRecord("S"),
)


@dataclass(frozen=True, slots=True)
class UkisMask:
    """ukis-csmask (Wieland, Fichtner, Martinis 2022): a supervised U-Net; it gives classes, not probabilities."""

    mask_of: Callable[..., Any]
    """Its constructor CSmask."""
    product_level: ProductLevel
    card: ModelCard = _CARD
    classes: tuple[ClassName, ...] = ("cloud", "shadow")

    def choose_bands(self, available: Sequence[str]) -> tuple[str, ...]:
        """The four required bands, and both infrared ones if the scene has both."""
        six = _INFRARED if set(_INFRARED) <= set(available) else ()
        return require_bands(self.card.name, available, self.card.bands, six)

    def score(self, batch: PatchBatch) -> FloatArray:
        """(n, height, width) 1 where its class is cloud, else 0."""
        return np.stack([_inner(self._cloud(block, batch.bands), self.card.halo) for block in batch.data])

    def score_classes(self, batch: PatchBatch) -> tuple[FloatArray, dict[ClassName, FloatArray]]:
        """What `score` gives, and for cloud and shadow 1 where its class is that one, else 0."""
        classes = np.stack([_inner(self._classes(block, batch.bands), self.card.halo) for block in batch.data])
        cloud, shadow = (np.asarray(classes == number, dtype=np.float32) for number in (CLOUD_CLASS, SHADOW_CLASS))
        return cloud, {"cloud": cloud, "shadow": shadow}

    def score_whole(self, raster: Raster, bands: tuple[str, ...]) -> FloatArray:
        """(h, w) 1 where its class is cloud, else 0; the whole scene at once, as its users call it."""
        return self._cloud(np.where(raster.valid, raster.data, np.float32(0)), bands)

    def codes_whole(self, raster: Raster, bands: tuple[str, ...]) -> ByteArray:
        """(h, w) mask codes of clear, cloud and cloud shadow; the whole scene at once."""
        classes = self._classes(np.where(raster.valid, raster.data, np.float32(0)), bands)
        return np.select([classes == CLOUD_CLASS, classes == SHADOW_CLASS], [CLOUD, SHADOW], CLEAR).astype(np.uint8)

    def _cloud(self, data: FloatArray, bands: tuple[str, ...]) -> FloatArray:
        """(h, w) 1 where its class is cloud, else 0, from (band, h, w) reflectance."""
        return np.asarray(self._classes(data, bands) == CLOUD_CLASS, dtype=np.float32)

    def _classes(self, data: FloatArray, bands: tuple[str, ...]) -> NDArray[Any]:
        """(h, w) its class of each pixel, from (band, h, w) reflectance."""
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # it warns of each scene below 256 pixels
            mask = self.mask_of(
                np.ascontiguousarray(np.moveaxis(data, 0, -1), dtype=np.float32),
                band_order=list(bands),
                product_level=self.product_level,
                providers=["CPUExecutionProvider"],
                intra_op_num_threads=1,  # parallelism is over segments
            )
        classes: NDArray[Any] = mask.csm[:, :, 0]
        return classes


def ukis_csmask(product_level: ProductLevel = "l1c") -> UkisMask:
    """The detector for one product level; MissingExtraError if it is not installed."""
    try:
        from ukis_csmask.mask import CSmask
    except ImportError as error:
        raise MissingExtraError("ukis-csmask", "bench", "--peer ukis-csmask") from error
    return UkisMask(CSmask, product_level)


def ukis_csmask_l2a() -> UkisMask:
    """The detector for surface reflectance; MissingExtraError if it is not installed."""
    return ukis_csmask("l2a")


def _inner(layer: FloatArray, halo: int) -> FloatArray:
    """(h, w) of a layer without its halo."""
    return layer[halo : layer.shape[0] - halo, halo : layer.shape[1] - halo]


PEERS = {"ukis-csmask": ukis_csmask}
"""Name -> constructor, for tables of `evaluate`."""

Reference = Literal["s2cloudless"]
L1C_BANDS = 13
THRESHOLD, AVERAGE, DILATION = 0.4, 4, 2
"""Settings of s2cloudless, as its authors choose them (sentinelhub, s2cloudless: S2PixelCloudDetector)."""


def require_reference() -> None:
    """MissingExtraError if s2cloudless is not installed."""
    if find_spec("s2cloudless") is None:
        raise MissingExtraError("s2cloudless", "bench", "agreement with s2cloudless")


def reference_mask(path: Path) -> BoolArray:
    """(h, w) True where s2cloudless finds cloud in a raster of reflectance with all 13 L1C bands, B01 to B12 in order.

    Raises:
        InputError: the raster has other bands, or cannot be read. MissingExtraError: s2cloudless is not installed.
    """
    require_reference()
    from s2cloudless import S2PixelCloudDetector

    with open_raster(str(path)) as raster, read_errors(str(path)):
        data = raster.read().astype(np.float32)
    if len(data) != L1C_BANDS:
        raise InputError(f"{path} has {len(data)} bands; s2cloudless takes the {L1C_BANDS} of Sentinel-2 L1C")
    detector = S2PixelCloudDetector(threshold=THRESHOLD, average_over=AVERAGE, dilation_size=DILATION, all_bands=True)
    mask: BoolArray = detector.get_cloud_masks(np.moveaxis(data, 0, -1)[None])[0] > 0
    return mask


_TEN = ("coastal", "blue", "red", "rededge", "nir", "b8a", "b09", "cirrus", "swir16", "swir22")
"""Bands 1, 2, 4, 5, 8, 8A, 9, 10, 11, 12 of Sentinel-2, in the order of s2cloudless."""

_S2CLOUDLESS = ModelCard(
    "s2cloudless",
    "peer",
    _TEN,
    block=4,
    halo=AVERAGE,
    min_resolution=60.0,  # that of its most telling bands; its authors use 160
    calibration=Calibration(THRESHOLD, unit="probability of cloud"),
    training=TrainingRecord("S"),
)


@dataclass(frozen=True, slots=True)
class S2Cloudless:
    """s2cloudless (Zupanc 2017): boosted trees on ten bands of Sentinel-2 L1C, pixel by pixel, then smoothed."""

    detector: Any
    """An S2PixelCloudDetector."""
    card: ModelCard = _S2CLOUDLESS

    def choose_bands(self, available: Sequence[str]) -> tuple[str, ...]:
        """All ten bands; ModelError if one is missing."""
        return require_bands(self.card.name, available, self.card.bands)

    def score(self, batch: PatchBatch) -> FloatArray:
        """(n, height, width) its probability of cloud, smoothed as it does for its own mask."""
        import cv2

        order = [batch.bands.index(band) for band in self.card.bands]
        blocks = np.ascontiguousarray(np.moveaxis(batch.data[:, order], 1, -1))
        maps = self.detector.get_cloud_probability_maps(blocks)
        smooth = [cv2.filter2D(one, -1, self.detector.conv_filter, borderType=cv2.BORDER_REFLECT) for one in maps]
        return np.stack([_inner(np.asarray(one, dtype=np.float32), self.card.halo) for one in smooth])


def s2cloudless() -> S2Cloudless:
    """The detector; MissingExtraError if it is not installed."""
    require_reference()
    from s2cloudless import S2PixelCloudDetector

    return S2Cloudless(S2PixelCloudDetector(threshold=THRESHOLD, average_over=AVERAGE, all_bands=False))


_OMNI = ModelCard(
    "omnicloudmask",
    "peer",
    ("red", "green", "nir"),
    block=11,
    halo=148,  # its own tiles have 1000 pixels and overlap by 300
    min_resolution=10.0,
    calibration=Calibration(0.5, curve=((0.0, 0.0), (1.0, 1.0)), unit="probability of thick or thin cloud"),
    training=TrainingRecord("S"),
)


@dataclass(frozen=True, slots=True)
class OmniCloudMask:
    """OmniCloudMask (Wright et al. 2025): supervised networks on red, green and near infrared, 10 to 50 m."""

    predict: Callable[..., Any]
    """Its function predict_from_array."""
    networks: Any = None
    """A network, or several, to use instead of its own, which it downloads."""
    card: ModelCard = _OMNI
    classes: tuple[ClassName, ...] = ("cloud", "thin", "shadow")

    def choose_bands(self, available: Sequence[str]) -> tuple[str, ...]:
        """Its three bands; ModelError if one is missing."""
        return require_bands(self.card.name, available, self.card.bands)

    def score(self, batch: PatchBatch) -> FloatArray:
        """(n, height, width) its probability of thick cloud plus that of thin cloud."""
        return self.score_classes(batch)[0]

    def score_classes(self, batch: PatchBatch) -> tuple[FloatArray, dict[ClassName, FloatArray]]:
        """What `score` gives, and its probabilities of thick cloud (as `cloud`), thin cloud and shadow."""
        order, halo = [batch.bands.index(band) for band in self.card.bands], self.card.halo
        blocks = [self._probabilities(block[order])[:, halo:-halo, halo:-halo] for block in batch.data]
        thick, thin, shadow = np.stack(blocks, axis=1)
        return np.clip(thick + thin, 0, 1), {"cloud": thick, "thin": thin, "shadow": shadow}

    def _probabilities(self, data: FloatArray) -> FloatArray:
        """(3, h, w) probabilities from (3, h, w) reflectance; ModelError if its networks cannot be fetched or run."""
        side = max(data.shape[1:])
        square = np.pad(data, [(0, 0), *((0, side - size) for size in data.shape[1:])], mode="reflect")
        try:
            planes = self.predict(
                square, patch_size=side, patch_overlap=0, batch_size=1, inference_device="cpu", mosaic_device="cpu",
                export_confidence=True, softmax_output=True, no_data_value=_NO_VALUE, apply_no_data_mask=False,
                custom_models=self.networks,
            )  # fmt: skip
        except Exception as error:
            raise ModelError(f"omnicloudmask cannot be run here ({type(error).__name__}: {error})") from error
        return np.asarray(planes[1:4, : data.shape[1], : data.shape[2]], dtype=np.float32)


_NO_VALUE = -9999.0
"""A value that no pixel has, since nodata was filled before."""


def omnicloudmask(networks: Any = None) -> OmniCloudMask:  # noqa: ANN401 - torch is not imported here
    """The detector; MissingExtraError if it is not installed.

    Args:
        networks: torch modules with the same inputs and outputs to use instead of its own; None: its own.
    """
    if find_spec("omnicloudmask") is None:
        raise MissingExtraError("omnicloudmask", "omnicloudmask", "model omnicloudmask")
    from omnicloudmask import predict_from_array

    return OmniCloudMask(predict_from_array, networks)
