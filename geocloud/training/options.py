"""Options of a training run, and what comes out of one."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from geocloud.datasets.folder import PICTURE_BANDS
from geocloud.datasets.labels import Fit, LabelCodes, Tag
from geocloud.errors import UsageError
from geocloud.metrics.histogram import ScoreHistogram
from geocloud.models.kinds import KINDS, LastLayer, On, TrainRule, kind_of
from geocloud.progress import Progress, no_progress
from geocloud.readers import SceneOptions
from geocloud.scorers.card import ModelCard, check_model_name

CHECKPOINT_FILE, RECIPE_FILE, LOG_FILE = "checkpoint.safetensors", "recipe.toml", "log.csv"
"""Files that a training writes as it goes, so that a run that is stopped can go on."""
TRAINING = "training"
"""What a training is called while it goes on: one at a time in a folder."""
UNDER_WAY = "under-way"
"""Where they lie until the model is whole: a folder in the model's, whose own files are those of the model before."""

PICTURES = ("loss.png", "errors.png")
"""Of a training that is done."""
OLDER = (CHECKPOINT_FILE, RECIPE_FILE, LOG_FILE, *PICTURES)
"""What of an earlier training goes with its model, beside weights and card."""

EpochReport = Callable[[int, float], None]
"""Called with the epoch, from 1, and its mean loss."""


def no_report(epoch: int, loss: float) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Options of `train`; those that are None take the kind's own value."""

    kind: str = "dense"
    """A key of geocloud.models.kinds.KINDS."""
    normal: Tag = "clear"
    """What the training data show. `clear`: a high error is cloud. `cloudy`: a low error is cloud."""
    folders: tuple[str, ...] = ()
    """Subfolders to use. Empty: with labels all; else those of the normal tag, or all where none is named as cloud."""
    cloudy: tuple[str, ...] = ()
    """Subfolders that show cloud; empty: those whose name begins with `cloud`."""
    labels: str | os.PathLike[str] | None = None
    """Folder of label rasters that tag the patches of scenes; None: `labels` beside a folder `images`."""
    codes: LabelCodes = field(default_factory=LabelCodes)
    epochs: int = 10
    batch_size: int = 32
    lr: float = 1e-3
    """Adam's step size."""
    seed: int = 0
    """Fixes weights, batches, patches and the split."""
    held_out: float = 0.3
    """Share of the files that is kept from training, for the threshold and for `evaluate --part held-out`."""
    rule: TrainRule | None = None
    """`paper`: 0.02. `quantile`: that quantile of held-out normal scores. `equal`: 0, where both autoencoders of
    contrast draw alike. None: paper for dense, equal for contrast, quantile for the others."""
    quantile: float = 0.99
    latent: int | None = None
    """Size of the code."""
    widths: tuple[int, ...] = ()
    """Hidden widths; empty: the network's own."""
    output: LastLayer | None = None
    """Last layer."""
    components: int | None = None
    """Gaussians of gmm, principal components of features."""
    on: On | None = None
    """What gmm is a mixture of."""
    bands: tuple[str, ...] = PICTURE_BANDS
    optional_bands: tuple[str, ...] = ()
    """Bands a scene may lack; of kinds that can do without."""
    fit: Fit | None = None
    """How pictures become patches."""
    max_patches: int = 10_000
    without: tuple[str, ...] = ()
    """Names of files that are kept from training, and from the threshold, such as those an evaluation is held on."""
    recipe: str | os.PathLike[str] | None = None
    """unmix only: a recipe file, or the name of one that ships; None: unmix."""
    start: str | os.PathLike[str] | None = None
    """unmix only: name of a model, or a model folder, to go on from."""
    scene: SceneOptions = field(default_factory=SceneOptions)
    device: str = "auto"
    resume: bool = False
    """Go on from the folder's checkpoint: of a training that was broken off, else of the model that is there."""
    overwrite: bool = False
    """Replace a model that is there."""
    name: str = ""
    """The card's name; empty: the folder's."""
    licence: str = ""
    """Licence of the data, for the card."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        positive = {
            "epochs": self.epochs,
            "batch-size": self.batch_size,
            "lr": self.lr,
            "max-patches": self.max_patches,
            "latent": 1 if self.latent is None else self.latent,
            "components": 1 if self.components is None else self.components,
        }
        for option, value in positive.items():
            if not 0 < value < float("inf"):
                raise UsageError(f"--{option} {value} must be above 0")
        if not 0 < self.held_out < 1:
            raise UsageError(f"--held-out {self.held_out:g} must lie between 0 and 1: a threshold needs unseen files")
        if not 0 < self.quantile < 1:
            raise UsageError(f"--quantile {self.quantile:g} must lie between 0 and 1")
        try:
            check_model_name(self.name or "model")
        except ValueError as error:
            raise UsageError(f"--{error}") from error
        self._check_kind()

    def _check_kind(self) -> None:
        """UsageError for what the kind does not take."""
        kind = kind_of(self.kind)
        if kind.whole_bands and self.optional_bands:
            raise UsageError(f"kind {self.kind} needs all its bands; use --kind conv for optional ones")
        if kind.bands and self.bands != kind.bands:
            raise UsageError(f"kind {self.kind} takes the bands {', '.join(kind.bands)} alone")
        if self.rule and self.rule not in kind.rules:
            fitting = ", ".join(name for name, other in KINDS.items() if self.rule in other.rules)
            raise UsageError(f"rule {self.rule} cannot choose a threshold of kind {self.kind}; it is for {fitting}")
        if not kind.by_recipe and (self.recipe or self.start):
            raise UsageError(f"kind {self.kind} has no recipe; --kind unmix has")
        if kind.both and self.normal != "clear":
            raise UsageError(f"kind {self.kind} learns both tags; leave out --normal")


@dataclass(frozen=True, slots=True)
class Listener:
    """Whom to tell how far a run is; the library itself prints nothing."""

    progress: Progress = no_progress
    """(done, total, stage)."""
    epoch: EpochReport = no_report
    """After each epoch."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A network after training."""

    network: torch.nn.Module
    card: ModelCard
    """Without the weights' hash."""
    losses: tuple[float, ...]
    """Mean loss of each epoch, or of each round of a fit without epochs."""
    errors: ScoreHistogram | None = None
    """Raw scores of held-out patches: of normal ones all under `clear`; None where there is nothing to draw."""
    dtype: torch.dtype = torch.float32
    """What the weights are stored as."""
