"""A network of the user's own: an ONNX file with a TOML card beside it, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geocloud.classes import CLOUDS, CODES, ClassName
from geocloud.errors import MissingExtraError, ModelError, UsageError
from geocloud.raster import FloatArray, PatchBatch
from geocloud.scorers.card import ModelCard, require_bands
from geocloud.scorers.onnx_card import CARD_SUFFIX, Layout, OnnxCard, model_card, read_onnx_card
from geocloud.scorers.onnx_check import check_onnx
from geocloud.scorers.onnx_cost import Shape

SLACK = 0.01
"""By how much probabilities may lie outside 0 to 1, since networks in half precision round."""


@dataclass(frozen=True, slots=True)
class OnnxScorer:
    """Runs an ONNX network on one tile at a time. Threads may share it."""

    card: ModelCard
    own: OnnxCard
    """The TOML card, from which `card` was made."""
    session: Any
    """onnxruntime.InferenceSession."""

    def choose_bands(self, available: Sequence[str]) -> tuple[str, ...]:
        """The card's bands; ModelError where one is missing."""
        return require_bands(self.card.name, available, self.card.bands)

    def score(self, batch: PatchBatch) -> FloatArray:
        """(n, height, width) float32, higher = cloudier."""
        return np.stack([self._score(tile) for tile in self._planes(batch)])

    @property
    def classes(self) -> tuple[ClassName, ...]:
        """Those of the card's classes that geocloud has; all others count as clear ground."""
        return tuple(name for name in self.own.classes if name in CODES)

    def score_classes(self, batch: PatchBatch) -> tuple[FloatArray, dict[ClassName, FloatArray]]:
        """(n, height, width) scores, and the probability of each class in the same shape."""
        tiles = self._planes(batch)
        planes = np.stack([self._probabilities(tile) for tile in tiles], axis=1)  # (class, n, height, width)
        probabilities = {name: plane for name, plane in zip(self.own.classes, planes, strict=True) if name in CODES}
        return np.stack([self._score(tile) for tile in tiles]), probabilities

    def _planes(self, batch: PatchBatch) -> list[FloatArray]:
        """The network's output for each block, without the halo: (planes, height, width) each."""
        order = [batch.bands.index(band) for band in self.card.bands]
        height, width = (size - 2 * self.card.halo for size in batch.data.shape[-2:])
        blocks = []
        for data in batch.data[:, order]:
            planes = self._run(data)
            edge = (self.own.patch - planes.shape[-1]) // 2  # a network without padding leaves out its own edge
            top = self.card.halo - edge
            inner = planes[:, top : top + height, top : top + width]
            if not np.isfinite(inner).all():
                raise ModelError(
                    f"model {self.card.name} gives values that are not finite on this scene; check scale, mean and "
                    f"std in {self.card.name}{CARD_SUFFIX}"
                )
            self._check_values(inner)
            blocks.append(inner)
        return blocks

    def _check_values(self, planes: FloatArray) -> None:
        """ModelError if the values are not of the kind of output that the card says."""
        own, low, high = self.own, float(planes.min()), float(planes.max())
        if own.output == "probability" and not -SLACK <= low <= high <= 1 + SLACK:
            raise ModelError(
                f"model {self.card.name} gives {low:.3g} to {high:.3g}, but its card says probabilities: "
                "is output = 'logits' or 'score' meant?"
            )
        if own.output == "classes" and (low < 0 or high >= len(own.classes) or (planes != np.rint(planes)).any()):
            raise ModelError(
                f"model {self.card.name} gives {low:.3g} to {high:.3g}, but its card names the classes 0 to "
                f"{len(own.classes) - 1}: check classes and output"
            )

    def _run(self, data: FloatArray) -> FloatArray:
        """The network's output, (planes, side, side), for a tile (band, h, w) with its halo.

        A tile at the scene's edge, which may be smaller, is filled up with its mirror image.
        """
        own = self.own
        short = [(0, 0), *((0, own.patch - size) for size in data.shape[1:])]
        x = np.pad(data, short, mode="symmetric") * np.float32(own.scale)
        if own.normalise == "tile":
            x = (x - x.mean(axis=(1, 2), keepdims=True)) / np.maximum(x.std(axis=(1, 2), keepdims=True), 1e-6)
        for numbers, change in ((own.mean, np.subtract), (own.std, np.divide)):
            if numbers:
                with np.errstate(over="ignore"):  # infinite values are refused in the output
                    x = change(x, np.array(numbers, dtype=np.float32)[:, None, None])
        x = x if own.layout == "nchw" else np.moveaxis(x, 0, -1)
        node = self.session.get_inputs()[0]
        dtype = {"tensor(float16)": np.float16, "tensor(double)": np.float64}.get(node.type, np.float32)
        output_name = own.output_name or self.session.get_outputs()[0].name
        try:
            (raw,) = self.session.run([output_name], {node.name: x[None].astype(dtype)})
        except Exception as error:  # onnxruntime has exceptions of its own
            raise ModelError(f"model {self.card.name} fails on this scene ({_reason(error)})") from error
        planes = np.asarray(raw, dtype=np.float32)
        return as_planes(planes, own.layout, own.planes)

    def _score(self, planes: FloatArray) -> FloatArray:
        """(h, w) score, higher = cloudier, from the network's output (planes, h, w)."""
        own = self.own
        score: FloatArray
        if own.output == "classes":
            cloud_numbers = [own.classes.index(name) for name in own.classes if name in CLOUDS]
            return np.isin(planes[0], cloud_numbers).astype(np.float32)
        if own.output == "score":
            score = planes[0] * np.float32(self.card.calibration.sign)
            return score
        if len(planes) == 1:
            score = planes[0]
            return score
        cloud = np.array([name in CLOUDS for name in own.classes])
        if own.output == "probability":
            return np.asarray(planes[cloud].sum(axis=0), dtype=np.float32)
        return np.asarray(_log_sum(planes[cloud]) - _log_sum(planes[~cloud]), dtype=np.float32)

    def _probabilities(self, planes: FloatArray) -> FloatArray:
        """(class, h, w) probabilities from the network's output (planes, h, w)."""
        own, probabilities = self.own, planes
        if own.output == "classes":
            probabilities = np.stack([planes[0] == number for number in range(len(own.classes))])
        elif own.output == "logits":
            probabilities = np.exp(planes - _log_sum(planes))
        return probabilities.astype(np.float32)


def _reason(error: Exception) -> str:
    """The first line of an error of onnxruntime, in printable characters."""
    first = next(iter(str(error).splitlines()), type(error).__name__)
    return "".join(sign if sign.isprintable() else "?" for sign in first[:200])


def as_planes(raw: FloatArray, layout: Layout, planes: int) -> FloatArray:
    """A network's output as (planes, side, side); its shape was checked when the network was loaded."""
    if planes == 1:
        return raw.reshape(1, *(size for size in raw.shape if size != 1))
    return raw[0] if layout == "nchw" else np.moveaxis(raw[0], -1, 0)


def _log_sum(x: FloatArray) -> FloatArray:
    """Logarithm of the sum of exponentials over the first axis."""
    top = x.max(axis=0)  # subtracted so that no exponential overflows
    total: FloatArray = top + np.log(np.exp(x - top).sum(axis=0))
    return total


def load_onnx(path: Path, device: str = "auto") -> OnnxScorer:
    """The scorer of an ONNX file.

    Raises:
        ModelError: file or card is missing, damaged or hostile, or they do not fit each other.
        UsageError: the device is not available.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    card, own = model_card(path), read_onnx_card(path)
    content, shape = check_onnx(path, own.input_shape, own.output_name)
    _check_output(path, own, shape)
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "onnx", f"the model {path}") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # parallelism is over segments
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(content, options, providers=_providers(device, onnxruntime))
    except Exception as error:  # onnxruntime has exceptions of its own
        raise ModelError(f"{path} cannot be run by onnxruntime ({_reason(error)})") from error
    return OnnxScorer(card, own, session)


def _check_output(path: Path, own: OnnxCard, shape: Shape) -> None:
    """ModelError if the shape of the output is not what the card says."""
    inner = own.patch - 2 * own.margin
    planes = own.planes
    for side in {own.patch, inner}:  # with and without padding
        sides = (side, side)
        fitting = {(1, planes, *sides), (planes, *sides)} if own.layout == "nchw" else {(1, *sides, planes)}
        if planes == 1:
            fitting |= {sides, (1, *sides), (1, 1, *sides), (1, *sides, 1)}
        if shape in fitting and (planes == 1 or len(shape) == 4):
            return
    many = f"{planes} planes, one per class" if planes > 1 else "one plane"
    raise ModelError(
        f"{path} gives an output of the shape {list(shape)}, but by its card it is {many} of {own.patch} x {own.patch} "
        "pixels; check patch, classes and output"
    )


def _providers(device: str, onnxruntime: Any) -> list[str]:  # noqa: ANN401
    """Execution providers of onnxruntime for a device; UsageError if it is not available."""
    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device not in ("auto", "cpu") and not (device == "cuda" and has_cuda):
        raise UsageError(f"device {device!r} is not available to onnxruntime here; use auto or cpu")
    return [*(["CUDAExecutionProvider"] if has_cuda and device != "cpu" else []), "CPUExecutionProvider"]
