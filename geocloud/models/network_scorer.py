"""A network and its card as a scorer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows

from geocloud.models.networks import Network
from geocloud.models.networks.cells import to_grid
from geocloud.models.networks.fold import with_absent
from geocloud.models.networks.snow import find_snow
from geocloud.models.networks.unmix import WAVELENGTHS, UnmixNet
from geocloud.raster import FloatArray, PatchBatch
from geocloud.scorers.card import ModelCard
from geocloud.scorers.contract import Parts, Unmixer, require_bands

SURELY_CLEAR = 2.0
"""Logits below the threshold from which a white pixel in RGB is called snow."""


@dataclass(frozen=True, slots=True)
class NetworkScorer:
    """Runs a network over blocks. Threads may share it: it is never changed after loading."""

    network: torch.nn.Module
    card: ModelCard
    device: torch.device
    bf16: bool = False
    """Run in bfloat16 where an operator allows it."""

    def choose_bands(self, available: Sequence[str]) -> tuple[str, ...]:
        """The card's bands that the scene has; ModelError where a required one is missing."""
        return require_bands(self.card.name, available, self.card.bands, self.card.optional_bands)

    def score(self, batch: PatchBatch) -> FloatArray:
        """(n, height, width) a pixel or a patch, float32, higher = cloudier."""
        if self.device.type == "cpu" and torch.get_num_threads() != 1:
            torch.set_num_threads(1)  # parallelism is over segments: threads of one operator wait for each other
        x, present = self._channels(batch)
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            raw = cast("Network", self.network).raw_score(x, present)
        halo = self.card.halo if self.card.level == "pixel" else 0
        rows, columns = (slice(halo, size - halo) for size in raw.shape[-2:])
        score: FloatArray = raw.float()[:, rows, columns].cpu().numpy() * np.float32(self.card.calibration.sign)
        return score

    def _channels(self, batch: PatchBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """The batch's bands in channel order, and which of the channels they are; a view where that is their order."""
        present = torch.tensor([band in batch.bands for band in self.card.channels])
        order = [batch.bands.index(band) for band in self.card.channels if band in batch.bands]
        data = batch.data if order == list(range(len(batch.bands))) else batch.data[:, order]
        return torch.from_numpy(data).to(self.device), present.to(self.device)


@dataclass(frozen=True, slots=True)
class UnmixScorer(NetworkScorer):
    """Scores as any network; `unmix` runs all its heads."""

    def unmix(self, batch: PatchBatch) -> Parts:
        """Score, slope, shadow, snow and surface of a batch; see Unmixer."""
        if self.device.type == "cpu" and torch.get_num_threads() != 1:
            torch.set_num_threads(1)
        shown, present = self._channels(batch)
        height, width = shown.shape[-2:]
        x = with_absent(to_grid(shown), present)
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            network, there = cast("UnmixNet", self.network), present.to(x.dtype).expand(len(x), -1)
            parts = network(x, there)
            shadow = network.shadow_logit(x, there)
        halo = self.card.halo
        inner = slice(halo, height - halo), slice(halo, width - halo)

        def bare(part: torch.Tensor) -> FloatArray:
            found: FloatArray = part[..., *inner].float().cpu().numpy()
            return found

        slope = bare(visible_slope(x))[:, 0]
        index = [self.card.channels.index(band) for band in batch.bands]
        score = bare(parts.logit)[:, 0] * np.float32(self.card.calibration.sign)
        dark = None if shadow is None else bare(shadow)[:, 0]
        snow = bare(find_snow(x, there).evidence)[:, 0]
        if not {"nir", "swir16"} & set(batch.bands):
            snow *= score < np.float32(self.card.calibration.score_threshold - SURELY_CLEAR)
        return Parts(score, slope, dark, snow, bare(parts.surface[:, index]))


def visible_slope(x: torch.Tensor) -> torch.Tensor:
    """(n, 1, h, w) exponent of the colour over wavelength, by least squares on the logarithms of blue, green and red.

    It is read from the pixels as they are, means of 5x5 of them, not from the network's own slope: under a veil that a
    mask finds at all, the veil's light outweighs the ground's, and the network's estimate, learned from few coloured
    veils, is all but constant.
    """
    smooth = F.avg_pool2d(F.pad(x[:, :3].float(), (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    axis = torch.tensor(WAVELENGTHS[:3], device=x.device).log()
    axis = (axis - axis.mean()).view(1, 3, 1, 1)
    return (smooth.clamp(min=1e-3).log() * axis).sum(1, keepdim=True) / axis.square().sum()


def _kind(scorer: UnmixScorer) -> Unmixer:
    """Type assertion: an UnmixScorer is an Unmixer."""
    return scorer
