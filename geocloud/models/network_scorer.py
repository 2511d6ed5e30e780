"""Networks as scorers: weights are read from a model folder, layers folded, and batches scored on a device."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, TypeVar, cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from geocloud.errors import ModelError, UsageError
from geocloud.models.kinds import KINDS
from geocloud.models.networks import Network
from geocloud.models.networks.cells import ExactConv2d, to_grid, with_absent
from geocloud.models.networks.snow import fine_enough
from geocloud.models.networks.unmix import WAVELENGTHS, UnmixNet
from geocloud.raster import FloatArray, Parts, PatchBatch
from geocloud.scorers.card import ModelCard, Precision, read_card, require_bands
from geocloud.scorers.contract import Scorer, Unmixer

CPU = torch.device("cpu")
LEAST_AGREEMENT = 0.999
"""Share of a mask's pixels that must be the same in bfloat16 as in fp32 for `auto` to choose bfloat16."""


def has_bf16(place: torch.device = CPU) -> bool:
    """Whether the device has instructions for bfloat16; without them, bfloat16 is many times slower than fp32."""
    if place.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported())  # noqa: SLF001 - torch has no public function for it
    return place.type == "cuda"


def runs_bf16(precision: Precision, card: ModelCard, place: torch.device) -> bool:
    """Whether to run in bfloat16: `auto` does if the card allows it and the device has instructions for it."""
    if precision != "auto":
        return precision == "bf16"
    return (card.bf16_agreement or 0) >= LEAST_AGREEMENT and has_bf16(place)


WEIGHTS_FILE = "weights.safetensors"
MAX_WEIGHTS_BYTES = 4 << 30


def save_weights(network: torch.nn.Module, folder: Path, dtype: torch.dtype = torch.float32) -> str:
    """Write the network's tensors into the folder, those of floats as `dtype`; returns the sha256 of the file."""
    tensors = {
        name: (tensor.to(dtype) if tensor.is_floating_point() else tensor).contiguous().cpu()
        for name, tensor in network.state_dict().items()
    }
    content = save(tensors)
    (folder / WEIGHTS_FILE).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def load_weights(network: torch.nn.Module, folder: Path, sha256: str) -> None:
    """Load the folder's weights into the network; ModelError if hash, names or shapes do not fit."""
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise ModelError(f"{folder} has a card but no {WEIGHTS_FILE}; copy the whole model folder")
    size = path.stat().st_size
    if size > MAX_WEIGHTS_BYTES:
        raise ModelError(f"{path} has {size} bytes, weights have at most {MAX_WEIGHTS_BYTES}")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ModelError(
            f"{path} has sha256 {found[:12]}…, its card says {sha256[:12]}…: the weights are damaged or of another "
            "model; fetch or train the model again"
        )
    try:
        tensors = load(content)
        network.load_state_dict(
            {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()},
            assign=True,
        )
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path} does not fit the network its card names ({reason})") from error


def choose_device(name: str) -> torch.device:
    """The device of a name; `auto`: a GPU if there is one, else the CPU. UsageError for a device that is missing."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if available[kind]))
    if not available.get(name, False):
        usable = ", ".join(kind for kind, there in available.items() if there)
        raise UsageError(f"device {name!r} is not available here; use auto or one of {usable}")
    return torch.device(name)


def build_network(kind: str, channels: int, architecture: dict[str, Any]) -> torch.nn.Module:
    """A network with new weights; ModelError for an unknown kind, one that does not score, or unsuitable arguments."""
    if kind not in KINDS or not KINDS[kind].network:
        scoring = ", ".join(name for name, entry in KINDS.items() if entry.network)
        raise ModelError(f"kind {kind!r} is unknown; the kinds that score clouds are {scoring}")
    constructor = resolve_name(KINDS[kind].network)
    try:
        return cast("torch.nn.Module", constructor(channels=channels, **architecture))
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"the {kind} network cannot be built from {architecture} ({error})") from error


def load_model(folder: Path, device: str = "auto", precision: Precision = "auto") -> Scorer:
    """The scorer of a model folder, on `device`: `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        ModelError: card or weights are missing, damaged or do not fit each other.
        UsageError: the device is not available.
    """
    place = choose_device(device)
    card = read_card(folder)
    with one_thread():
        network = fold(load_network(folder, card))
        return _scorer_of(network, card, place, bf16=runs_bf16(precision, card, place))


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch operators on one thread: for small tensors, more threads cost more processor time than they save."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def load_network(folder: Path, card: ModelCard) -> torch.nn.Module:
    """The network of a model folder as it was trained, on the CPU; ModelError if weights and card disagree.

    It is built on the meta device, so it takes neither time for random weights nor the memory that a card asks for; its
    tensors are those of the file.
    """
    with torch.device("meta"):
        network = build_network(card.kind, len(card.channels), card.architecture)
    values = sum(parameter.numel() for parameter in network.parameters())
    weights = folder / WEIGHTS_FILE
    if weights.is_file() and values > weights.stat().st_size:
        raise ModelError(
            f"{folder} names a network of {values} values in its card, but {WEIGHTS_FILE} cannot hold them; "
            "fetch or train the model again"
        )
    load_weights(network, folder, card.sha256)
    return network


def make_scorer(network: torch.nn.Module, card: ModelCard, device: torch.device, *, bf16: bool) -> NetworkScorer:
    """A scorer of a copy of a trained network."""
    return _scorer_of(folded(network), card, device, bf16=bf16)


def _scorer_of(network: torch.nn.Module, card: ModelCard, device: torch.device, *, bf16: bool) -> NetworkScorer:
    """A scorer of a folded network, which it changes and keeps."""
    network = network.requires_grad_(requires_grad=False).to(device)
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    if bf16:
        keep_in_bf16(network)
    if not isinstance(network, UnmixNet):
        return NetworkScorer(network, card, device, bf16)
    # Without a network for shadow, the threshold of shadow is of no use.
    if card.class_thresholds is not None and network.shadow is None:
        card = replace(card, class_thresholds=replace(card.class_thresholds, shadow=None))
    return UnmixScorer(network, card, device, bf16)


def keep_in_bf16(network: nn.Module) -> None:
    """Store in bfloat16 the weights of layers that autocast runs in it, which would cast them in each call."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) and not isinstance(layer, ExactConv2d):
            layer.to(torch.bfloat16)


AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)


def folded(network: AnyNetwork) -> AnyNetwork:
    """A folded copy of a network; see `fold`."""
    return fold(deepcopy(network))


def fold(network: AnyNetwork) -> AnyNetwork:
    """Change a network to evaluation mode, fold pairs of layers inside ``nn.Sequential`` into one, and return it.

    Pairs are a Conv2d with a BatchNorm2d, and an Upsample by 2 with a 3x3 Conv2d. Convolutions that pad by reflection
    pad with zeros from now on. That changes no score: padding affects only pixels of the halo, which is cut off.
    """
    network.eval()
    for part in network.modules():
        if isinstance(part, nn.Conv2d) and part.padding_mode == "reflect":
            part.padding_mode = "zeros"
    for part in network.modules():
        if isinstance(part, nn.Sequential):
            _fold_pairs(part)
    return network


def _fold_pairs(part: nn.Sequential) -> None:
    """Replace each pair of layers by one convolution and an identity."""
    for i in range(len(part) - 1):
        first, second = part[i], part[i + 1]
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            part[i], part[i + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
        elif _doubles(first) and isinstance(second, nn.Conv2d) and _keeps_size(second):
            part[i], part[i + 1] = doubling(second), nn.Identity()


def _doubles(layer: nn.Module) -> bool:
    """Whether the layer repeats each pixel 2x2."""
    return isinstance(layer, nn.Upsample) and layer.mode == "nearest" and layer.scale_factor == 2


def _keeps_size(conv: nn.Conv2d) -> bool:
    """Whether it is a plain 3x3 convolution with a stride of 1 and one pixel of padding."""
    geometry = conv.kernel_size, conv.stride, conv.padding, conv.dilation
    return geometry == ((3, 3), (1, 1), (1, 1), (1, 1)) and conv.groups == 1 and conv.padding_mode == "zeros"


def doubling(conv: nn.Conv2d) -> nn.ConvTranspose2d:
    """One layer that repeats each pixel 2x2 and then applies `conv`: 16 multiplications per pixel instead of 36.

    Repeating is a transposed convolution of stride 2 with a 2x2 kernel of ones. Two convolutions in a row are one,
    whose kernel is the convolution of their kernels, here 4x4.
    """
    # In one dimension, with the kernel (a, b, c):
    #
    #   pixels              p        q
    #   repeated          p   p    q   q
    #   convolved, p's part:  out[-1] = c p, out[0] = (b + c) p, out[1] = (a + b) p, out[2] = a p
    #
    # So the transposed kernel is (c, b + c, a + b, a), which is (c, b, a) convolved with (1, 1).
    channels, device = (conv.in_channels, conv.out_channels), conv.weight.device
    layer = nn.ConvTranspose2d(*channels, 4, stride=2, padding=1, bias=conv.bias is not None, device=device)
    with torch.no_grad():
        flipped = conv.weight.flip(2, 3).transpose(0, 1).reshape(-1, 1, 3, 3)
        layer.weight.copy_(F.conv2d(flipped, flipped.new_ones(1, 1, 2, 2), padding=1).view(*channels, 4, 4))
        if conv.bias is not None and layer.bias is not None:
            layer.bias.copy_(conv.bias)
    return layer


SURELY_CLEAR = 2.0
"""Logits below the threshold from which a white pixel in RGB is called snow."""


@dataclass(frozen=True, slots=True)
class NetworkScorer:
    """Runs a network over blocks. Threads can share it: it does not change after loading."""

    network: torch.nn.Module
    card: ModelCard
    device: torch.device
    bf16: bool = False
    """Whether to run in bfloat16 the operators that allow it."""

    def choose_bands(self, available: Sequence[str]) -> tuple[str, ...]:
        """The card's bands that the scene has; ModelError if a required one is missing."""
        return require_bands(self.card.name, available, self.card.bands, self.card.optional_bands)

    def score(self, batch: PatchBatch) -> FloatArray:
        """(n, height, width) per pixel or per patch, float32, higher = cloudier."""
        if self.device.type == "cpu" and torch.get_num_threads() != 1:
            torch.set_num_threads(1)  # segments run in parallel; threads within an operator would wait
        x, present = self._channels(batch)
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            raw = self._raw_score(x, present, batch.pixel_size)
        halo = self.card.halo if self.card.level == "pixel" else 0
        rows, columns = (slice(halo, size - halo) for size in raw.shape[-2:])
        score: FloatArray = raw.float()[:, rows, columns].cpu().numpy() * np.float32(self.card.calibration.sign)
        return score

    def _raw_score(self, x: torch.Tensor, present: torch.Tensor, pixel_size: float | None) -> torch.Tensor:  # noqa: ARG002
        """Raw score of a batch, in the shape of `Network.raw_score`; `pixel_size` in metres."""
        return cast("Network", self.network).raw_score(x, present)

    def _channels(self, batch: PatchBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, band, h, w) data in channel order, a view if possible, and (channel,) bool, which channels they are."""
        present = torch.tensor([band in batch.bands for band in self.card.channels])
        order = [batch.bands.index(band) for band in self.card.channels if band in batch.bands]
        data = batch.data if order == list(range(len(batch.bands))) else batch.data[:, order]
        return torch.from_numpy(data).to(self.device), present.to(self.device)


@dataclass(frozen=True, slots=True)
class UnmixScorer(NetworkScorer):
    """Scores like any network; `unmix` runs all its heads."""

    def _raw_score(self, x: torch.Tensor, present: torch.Tensor, pixel_size: float | None) -> torch.Tensor:
        return cast("UnmixNet", self.network).raw_score(x, present, fine=fine_enough(pixel_size))

    def unmix(self, batch: PatchBatch) -> Parts:
        """Score, slope, shadow, snow and surface of a batch; see Unmixer."""
        if self.device.type == "cpu" and torch.get_num_threads() != 1:
            torch.set_num_threads(1)
        data, present = self._channels(batch)
        height, width = data.shape[-2:]
        x = with_absent(to_grid(data), present)
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            network, flags = cast("UnmixNet", self.network), present.to(x.dtype).expand(len(x), -1)
            fine = fine_enough(batch.pixel_size)
            parts = network(x, flags, fine=fine)
            shadow = network.shadow_logit(x, flags)
        halo = self.card.halo
        inner = slice(halo, height - halo), slice(halo, width - halo)

        def without_halo(part: torch.Tensor) -> FloatArray:
            array: FloatArray = part[..., *inner].float().cpu().numpy()
            return array

        slope = without_halo(visible_slope(x))[:, 0]
        index = [self.card.channels.index(band) for band in batch.bands]
        score = without_halo(parts.logit)[:, 0] * np.float32(self.card.calibration.sign)
        shadow_logit = None if shadow is None else without_halo(shadow)[:, 0]
        snow = without_halo(network.snow_evidence(x, flags, fine=fine))[:, 0]
        if not {"nir", "swir16"} & set(batch.bands):
            snow *= score < np.float32(self.card.calibration.score_threshold - SURELY_CLEAR)
        return Parts(score, slope, shadow_logit, snow, without_halo(parts.surface[:, index]))


def visible_slope(x: torch.Tensor) -> torch.Tensor:
    """(n, 1, h, w) exponent of brightness over wavelength: least squares on the logarithms of blue, green and red.

    `x` (n, 3 or more, h, w) is reflectance; it is averaged over 5x5 pixels. The exponent is that of the pixels, not the
    slope that the network predicts: where a mask has cloud, its light outweighs that of the ground, and the network's
    slope is all but constant, for it was trained on few coloured clouds.
    """
    smooth = F.avg_pool2d(F.pad(x[:, :3].float(), (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    axis = torch.tensor(WAVELENGTHS[:3], device=x.device).log()
    axis = (axis - axis.mean()).view(1, 3, 1, 1)
    return (smooth.clamp(min=1e-3).log() * axis).sum(1, keepdim=True) / axis.square().sum()


def _kind(scorer: UnmixScorer) -> Unmixer:
    """For the type checker: an UnmixScorer is an Unmixer."""
    return scorer
