"""`survey`: measure a model's training domain and the thresholds of its classes, and write them into its card.

It draws training scenes as the recipe does, and reads no labels. Prototypes of their pixels, and limits of whole
scenes, are needed to warn of scenes unlike the training data. Simulated veils and shadows are needed for the thresholds
of thin cloud, haze or smoke, dust and shadow. It also measures how much of the masks is the same in bfloat16.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geocloud.errors import InputError, UsageError
from geocloud.metrics.class_thresholds import ColourSamples, ShadowSamples, choose_class_thresholds
from geocloud.models.registry import load_scorer, model_folder
from geocloud.pipeline.domain_check import BAND_SETS, DomainCheck, DomainStats
from geocloud.pipeline.layers import BatchLayers
from geocloud.pipeline.scoring import scored_rows
from geocloud.progress import Progress, no_progress
from geocloud.raster import BoolArray, FloatArray, Georef, Parts, PatchBatch, Raster, Window
from geocloud.readers import MemoryScene
from geocloud.readers.dispatch import local_files
from geocloud.scorers.card import (
    CARD_FILE,
    ModelCard,
    Prototypes,
    TrainingDomain,
    check_unchanged,
    read_card,
    write_card,
)
from geocloud.scorers.contract import Unmixer, require_unmixer
from geocloud.training.prototypes import fit_prototypes
from geocloud.writers.staging import check_outputs, staged, write_errors

if TYPE_CHECKING:
    from torch import Generator

    from geocloud.training.unmix.batches import UnmixBatch
    from geocloud.training.unmix.recipe import UnmixConfig
    from geocloud.training.unmix.scenes import TrainingScene
    from geocloud.training.unmix.shadow import ShadowBatch
    from geocloud.training.unmix.simulator import Veil

RECIPE_FOLDER = Path(__file__).parent.parent / "training" / "unmix" / "recipes"
SHADOW_RECIPE = RECIPE_FOLDER / "unmix-shadow.toml"
PIXEL_STEP = 8
"""Every so many pixels, along rows and columns of a crop, one is kept."""
MAX_PROTOTYPE_PIXELS = 12_000
"""Pixels that prototypes are fitted to."""
CENTRE_SIDE = 512
"""Side in pixels of the central part of each training scene that the limits are measured on."""
CHANNELS = ("blue", "green", "red", "nir", "swir16", "swir22", "cirrus")
"""Bands of training scenes."""


@dataclass(frozen=True, slots=True)
class SurveyOptions:
    """Which training scenes to survey, and how many batches of them."""

    recipe: str | os.PathLike[str] = "unmix"
    """The recipe that names the training scenes: one that ships with geocloud, by name, or a TOML file."""
    batches: int = 150
    """Training batches to draw."""
    without: frozenset[str] = frozenset()
    """Names of scenes that were held out in training."""
    seed: int = 0
    """Of the batches."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `mps`."""

    def __post_init__(self) -> None:
        """UsageError for fewer than one batch."""
        if self.batches < 1:
            raise UsageError(f"batches {self.batches} must be at least 1")


def survey(
    data: Path, model: str, out: Path, options: SurveyOptions | None = None, *, progress: Progress = no_progress
) -> ModelCard:
    """Measure domain and class thresholds, and write them into the card of `out`, the model's folder or a copy.

    Args:
        data: folder with the subfolders `labelled` and `scenes`, as in training.
        model: name or folder of a model that unmixes.
        out: folder of the card; it must hold the model's weights.
        options: which training scenes, and how many batches; None: the defaults.
        progress: called after each batch and scene.

    Returns:
        The card that was written.

    Raises:
        ModelError: the model does not unmix.
        InputError: `out` holds other weights, or training scenes are missing.
        OutputError: the card cannot be written.
    """
    from geocloud.models.network_scorer import load_network
    from geocloud.training.bf16 import bf16_agreement
    from geocloud.training.unmix.recipe import load
    from geocloud.training.unmix.trainer import middle, read_recipe, recipe_path

    options = options or SurveyOptions()
    recipe = recipe_path(options.recipe)
    config = read_recipe(recipe)
    before, found = read_card(model_folder(model)), read_card(out)
    if found.sha256 != before.sha256:
        raise InputError(f"{out} holds other weights than {model}; copy the model folder there first")
    read = chain(local_files(str(data)), [str(recipe)])
    check_outputs([out / CARD_FILE], read, overwrite=True)
    scorer = require_unmixer(load_scorer(model, options.device), "class thresholds")
    try:
        scenes = load(config, data, options.without)
    except OSError as error:
        raise InputError(f"{data} lacks training scenes of {recipe.name} ({error})") from error
    samples = _Samples(scorer)
    _draw(samples, scenes, config, options, progress)
    score_threshold = scorer.card.calibration.score_threshold
    prototypes = samples.prototypes(score_threshold, options.seed)
    domain = _with_limits(TrainingDomain(*prototypes, median=0.0, brightest=0.0), scorer, scenes, progress)
    agreement = bf16_agreement(load_network(model_folder(model), before), before, map(middle, scenes))
    thresholds = choose_class_thresholds(samples.veils(), samples.shadows(score_threshold), score_threshold)
    card = replace(found, class_thresholds=thresholds, domain=domain, bf16_agreement=agreement)
    with staged(out.resolve().name) as staging:
        with write_errors(out):
            write_card(card, staging.path(out / CARD_FILE).parent)
        staging.commit(last=out / CARD_FILE, retired=partial(check_unchanged, out, found))
    return card


def _draw(
    samples: _Samples, scenes: Sequence[TrainingScene], config: UnmixConfig, options: SurveyOptions, progress: Progress
) -> None:
    """Draw training batches, veils of every colour over their ground, and clouds with their shadows."""
    import torch

    from geocloud.training.unmix.batches import UnmixBatches
    from geocloud.training.unmix.recipe import UnmixConfig
    from geocloud.training.unmix.shadow import ShadowBatches

    rng, shadow_rng = (torch.Generator().manual_seed(options.seed) for _ in range(2))
    batches = UnmixBatches(list(scenes), replace(config, batch=4), rng)
    shadow_config = replace(UnmixConfig.read(SHADOW_RECIPE), batch=4, size=config.size)
    shadows = ShadowBatches(list(scenes), shadow_config, shadow_rng)
    for number in range(options.batches):
        batch = batches.draw()
        samples.add(batch, coloured_veil(len(batch.x), config.size, rng))
        samples.add_shadows(shadows.draw())
        progress(number + 1, options.batches + len(scenes), "drawing")


def coloured_veil(n: int, size: int, rng: Generator) -> Veil:
    """Veils as in training, but with cloud, haze or smoke, and dust equally often, and always with shadows.

    Args:
        n: number of veils.
        size: pixels per side.
        rng: of all draws.
    """
    import torch
    import torch.nn.functional as F  # noqa: N812 - the name that every reader of torch code knows

    from geocloud.models.networks.unmix import REFERENCE_WAVELENGTH, WAVELENGTHS
    from geocloud.training.unmix.simulator import Veil, cloud_phase, displace, opacity_field, uniform

    opacity, kind = opacity_field(n, size, rng), torch.randint(0, 3, (n, 1, 1, 1), generator=rng)
    falling, rising = (uniform((n, 1, 1, 1), low, high, rng) for low, high in ((-1.8, -0.5), (0.5, 1.3)))
    flat = 0.12 * torch.randn((n, 1, 1, 1), generator=rng)
    slope = torch.where(kind == 0, flat, torch.where(kind == 1, falling, rising))
    bright = torch.where(kind == 0, uniform((n, 1, 1, 1), 0.4, 1.0, rng), uniform((n, 1, 1, 1), 0.2, 0.6, rng))
    ratio = torch.tensor(WAVELENGTHS).view(1, -1, 1, 1) / REFERENCE_WAVELENGTH
    cloud = (bright * ratio**slope * cloud_phase(n, rng).dimming).expand(-1, -1, size, size)
    rows, columns = (int(v) for v in torch.randint(-24, 25, (2,), generator=rng))
    shade = uniform((n, 1, 1, 1), 0.3, 0.8, rng) * F.avg_pool2d(displace(opacity, rows, columns), 5, 1, padding=2)
    return Veil(opacity.expand(-1, len(WAVELENGTHS), -1, -1), cloud, slope, shade)


def _kept(layer: FloatArray) -> FloatArray:
    """(h, w) the pixels of a layer (1, H, W) that are kept."""
    return layer[0, PIXEL_STEP // 2 :: PIXEL_STEP, PIXEL_STEP // 2 :: PIXEL_STEP]


class _Samples:
    """Pixels of training crops, as drawn and under simulated veils and shadows, with the results of the model."""

    def __init__(self, scorer: Unmixer) -> None:
        self.scorer = scorer
        self.channels = scorer.choose_bands(CHANNELS)
        self._veils: list[FloatArray] = []  # (4, n): score, estimated slope, true opacity, true slope
        self._pixels: list[FloatArray] = []  # (band, n) reflectance, NaN in bands that the crop lacks
        self._scores: list[FloatArray] = []  # (n,) of those pixels
        self._shadows: list[FloatArray] = []  # (4, n): score, shadow logit, shaded, weight

    def add(self, batch: UnmixBatch, veil: Veil) -> None:
        """Take all crops of a batch: as drawn for the domain, under the veil for the thresholds."""
        present_bands = batch.present[..., None, None]
        veiled = (veil.over(batch.clean).clamp(0, 1.5) * present_bands).numpy()
        opacity = veil.opacity[:, :3].mean(1)
        for i, present in enumerate(batch.present.bool().numpy()):
            x = batch.x[i].numpy()
            pixels = self._inner(x).copy()
            pixels[~present] = np.nan
            self._pixels.append(pixels.reshape(len(pixels), -1))
            self._scores.append(_kept(self._unmix(x, present).score).ravel())
            parts = self._unmix(veiled[i], present)
            score, slope = _kept(parts.score), _kept(parts.slope)
            colour = np.full(score.shape, float(veil.slope[i]))
            rows = np.stack([score, slope, self._inner(opacity[i].numpy()), colour]).astype(np.float32)
            self._veils.append(rows[:, self._inner(batch.known_clear[i, 0].numpy()) > 0])

    def add_shadows(self, batch: ShadowBatch) -> None:
        """Take all crops of a batch of clouds with shadows, if the model detects shadows."""
        for i, present in enumerate(batch.present.bool().numpy()):
            parts = self._unmix(batch.x[i].numpy(), present)
            if parts.shadow is not None:
                truth = [self._inner(layer[i, 0].numpy()) for layer in (batch.shaded, batch.weight)]
                rows = np.stack([_kept(parts.score), _kept(parts.shadow), *truth]).astype(np.float32)
                self._shadows.append(rows[:, truth[1] > 0])

    def _unmix(self, x: FloatArray, present: BoolArray) -> Parts:
        """The model's parts of a crop (band, h, w) without its halo; `present` (band,) are the bands that it has."""
        bands = tuple(band for band, there in zip(self.channels, present, strict=True) if there)
        size = x.shape[-1] - 2 * self.scorer.card.halo
        valid = np.ones((1, *x.shape[1:]), dtype=bool)
        return self.scorer.unmix(PatchBatch((Window(0, 0, size, size),), x[None, present], valid, bands))

    def _inner(self, layer: FloatArray) -> FloatArray:
        """(..., h, w) the pixels of a layer of a crop that are kept, without the halo."""
        part = slice(self.scorer.card.halo, -self.scorer.card.halo or None)
        return layer[..., part, part][..., PIXEL_STEP // 2 :: PIXEL_STEP, PIXEL_STEP // 2 :: PIXEL_STEP]

    def veils(self) -> ColourSamples:
        """Pixels under veils over ground that is known to be clear."""
        return ColourSamples(*np.concatenate(self._veils, axis=1))

    def shadows(self, threshold: np.float32) -> ShadowSamples | None:
        """Pixels in and out of shadow that the model calls clear; None if it detects no shadows."""
        if not self._shadows:
            return None
        score, predicted, shaded, _ = np.concatenate(self._shadows, axis=1)
        return ShadowSamples(predicted[score < threshold], shaded[score < threshold] > 0)

    def prototypes(self, threshold: np.float32, seed: int) -> tuple[tuple[Prototypes, ...], tuple[Prototypes, ...]]:
        """Prototypes of pixels called clear, and of those called cloud, per set of bands that enough crops have."""
        cloudy = np.concatenate(self._scores) >= threshold
        pixels = np.concatenate(self._pixels, axis=1).T
        clear, cloud = (self._fit(pixels[side], seed) for side in (~cloudy, cloudy))
        return clear, cloud

    def _fit(self, pixels: FloatArray, seed: int) -> tuple[Prototypes, ...]:
        fitted = []
        for bands in BAND_SETS:
            values = pixels[:, [self.channels.index(band) for band in bands]]
            values = values[~np.isnan(values).any(axis=1)]
            if len(values) >= MAX_PROTOTYPE_PIXELS // 10:
                chosen = np.random.default_rng(seed).permutation(len(values))[:MAX_PROTOTYPE_PIXELS]
                fitted.append(fit_prototypes(values[chosen], bands, seed))
        return tuple(fitted)


def _with_limits(
    domain: TrainingDomain, scorer: Unmixer, scenes: Sequence[TrainingScene], progress: Progress
) -> TrainingDomain:
    """The domain with limits of whole scenes, 15 % beyond the darkest training scenes."""
    stats = []
    for number, scene in enumerate(scenes):
        stats.append(_scene_stats(scorer, domain, scene))
        progress(number + 1, len(scenes), "scenes")
    median, brightest = (np.array([getattr(one, name) for one in stats]) for name in ("median", "brightest"))
    return replace(
        domain,
        median=float(0.85 * np.nanmin(median)),
        brightest=float(0.85 * np.nanmin(brightest)),
    )


def _scene_stats(scorer: Unmixer, domain: TrainingDomain, scene: TrainingScene) -> DomainStats:
    """The figures of the domain check for the central part of a training scene."""
    data = scene.data[:, : CENTRE_SIDE * 2, : CENTRE_SIDE * 2].float().numpy()
    top, left = (max(0, (side - CENTRE_SIDE) // 2) for side in data.shape[1:])
    data = data[:, top : top + CENTRE_SIDE, left : left + CENTRE_SIDE]
    bands = scorer.choose_bands(CHANNELS)[: len(data)]
    shape = data.shape[1], data.shape[2]
    part = MemoryScene(Raster(data, np.ones(shape, dtype=bool)), bands, Georef(shape))
    check = DomainCheck(domain)
    layers = BatchLayers(scorer, scorer.card.calibration, domain=check)
    for _ in scored_rows(part, scorer, threads=1, maps=layers):
        pass  # the layers count the pixels
    return check.stats()
