"""The unmixing network as a scorer that also gives the parts of its mixture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows

from geocloud.models.networks.unmix import BRIGHTEST, GRID, Unmixed
from geocloud.models.scorer import NetworkScorer
from geocloud.raster import FloatArray, PatchBatch
from geocloud.scorers.unmixer import Parts, Unmixer
from geocloud.veils import VeilCuts


@dataclass(frozen=True, slots=True)
class UnmixScorer(NetworkScorer):
    """Scores as any network; `unmix` runs all its heads."""

    @property
    def cuts(self) -> VeilCuts | None:
        """The card's."""
        return self.card.cuts

    def unmix(self, batch: PatchBatch) -> Parts:
        """Score, slope, shadow and surface of a batch; see Unmixer."""
        if self.device.type == "cpu" and torch.get_num_threads() != 1:
            torch.set_num_threads(1)
        x, present = self._channels(batch)
        height, width = x.shape[-2:]
        padding = (0, -width % GRID, 0, -height % GRID)
        x = F.pad(x.clamp(0, BRIGHTEST), padding, mode="replicate") if any(padding) else x.clamp(0, BRIGHTEST)
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            parts = cast("Unmixed", self.network(x, present.to(x.dtype).expand(len(x), -1)))
        inner = slice(self.halo, height - self.halo), slice(self.halo, width - self.halo)

        def bare(part: torch.Tensor) -> FloatArray:
            found: FloatArray = part[..., *inner].float().cpu().numpy()
            return found

        shown = [self.channels.index(band) for band in batch.bands]
        score = bare(parts.logit)[:, 0] * np.float32(self.calibration.sign)
        return Parts(score, bare(parts.slope)[:, 0], bare(parts.shadow)[:, 0], bare(parts.surface[:, shown]))


def _kind(scorer: UnmixScorer) -> Unmixer:
    """Type assertion: an UnmixScorer is an Unmixer."""
    return scorer
