"""The unmixing network as a scorer that also gives the parts of its mixture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows

from geocloud.models.networks.absent import with_absent
from geocloud.models.networks.cells import to_grid
from geocloud.models.networks.unmix import WAVELENGTHS, UnmixNet
from geocloud.models.scorer import NetworkScorer
from geocloud.raster import FloatArray, PatchBatch
from geocloud.scorers.unmixer import Parts, Unmixer
from geocloud.veils import VeilCuts


@dataclass(frozen=True, slots=True)
class UnmixScorer(NetworkScorer):
    """Scores as any network; `unmix` runs all its heads."""

    @property
    def cuts(self) -> VeilCuts | None:
        """The card's, without shadow where there is no network that tells it."""
        cuts, tells = self.card.cuts, cast("UnmixNet", self.network).shadow is not None
        return cuts if cuts is None or tells else replace(cuts, shadow=None)

    def unmix(self, batch: PatchBatch) -> Parts:
        """Score, slope, shadow and surface of a batch; see Unmixer."""
        if self.device.type == "cpu" and torch.get_num_threads() != 1:
            torch.set_num_threads(1)
        shown, present = self._channels(batch)
        height, width = shown.shape[-2:]
        x = with_absent(to_grid(shown), present)
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            network, there = cast("UnmixNet", self.network), present.to(x.dtype).expand(len(x), -1)
            parts = network(x, there)
            shadow = network.shadow_logit(x, there)
        inner = slice(self.halo, height - self.halo), slice(self.halo, width - self.halo)

        def bare(part: torch.Tensor) -> FloatArray:
            found: FloatArray = part[..., *inner].float().cpu().numpy()
            return found

        slope = bare(visible_slope(x))[:, 0]
        index = [self.channels.index(band) for band in batch.bands]
        score = bare(parts.logit)[:, 0] * np.float32(self.calibration.sign)
        return Parts(score, slope, None if shadow is None else bare(shadow)[:, 0], bare(parts.surface[:, index]))


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
