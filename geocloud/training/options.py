"""Options and result of a training run, and the names of its files."""

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
"""Files that a training writes as it goes, so that an interrupted run can continue."""
TRAINING = "training"
"""Name of the staging of a training; only one can run in a folder."""
UNDER_WAY = "under-way"
"""Folder of those files inside the model folder until the model is complete; beside it are the files of the model that
was there before."""

PICTURES = ("loss.png", "errors.png")
"""Plots of a finished training."""
OLDER = (CHECKPOINT_FILE, RECIPE_FILE, LOG_FILE, *PICTURES)
"""Files of a training, besides weights and card, that are removed when its model is replaced."""

EpochReport = Callable[[int, float], None]
"""Called with the epoch, from 1, and its mean loss."""


def no_report(epoch: int, loss: float) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Options of `train`; None means the default of the kind."""

    kind: str = "dense"
    """A key of geocloud.models.kinds.KINDS."""
    normal: Tag = "clear"
    """Tag of the training data. `clear`: a high error is cloud. `cloudy`: a low error is cloud."""
    folders: tuple[str, ...] = ()
    """Subfolders to use. Empty: all if there are labels; else those of the normal tag, or all if none is cloudy."""
    cloudy: tuple[str, ...] = ()
    """Subfolders of cloudy pictures; empty: those whose name begins with `cloud`."""
    labels: str | os.PathLike[str] | None = None
    """Folder of label rasters that tag the patches of scenes; None: `labels` beside a folder `images`."""
    codes: LabelCodes = field(default_factory=LabelCodes)
    """Which values of label rasters are cloud, and which are ignored."""
    epochs: int = 10
    """Passes over the data."""
    batch_size: int = 32
    """Patches per step."""
    lr: float = 1e-3
    """Learning rate of Adam."""
    seed: int = 0
    """Of weights, batches, patches and the split."""
    held_out: float = 0.3
    """Share of the files that is not used for training but for the threshold, and by `evaluate --part held-out`."""
    rule: TrainRule | None = None
    """Rule of the threshold. `paper`: 0.02. `quantile`: a quantile of held-out normal scores. `equal`: 0, where both
    autoencoders of contrast have the same error. None: paper for dense, equal for contrast, quantile for the others."""
    quantile: float = 0.99
    """Of the rule `quantile`."""
    latent: int | None = None
    """Size of the code."""
    widths: tuple[int, ...] = ()
    """Hidden widths; empty: the default of the network."""
    output: LastLayer | None = None
    """Last layer."""
    components: int | None = None
    """Number of Gaussians of gmm, or of principal components of features."""
    on: On | None = None
    """What gmm is fitted to."""
    bands: tuple[str, ...] = PICTURE_BANDS
    """Bands to train on."""
    optional_bands: tuple[str, ...] = ()
    """Further bands that a scene may lack; only for kinds that accept missing bands."""
    fit: Fit | None = None
    """How pictures become patches."""
    max_patches: int = 10_000
    """Patches kept in memory at most."""
    without: tuple[str, ...] = ()
    """Names of files that are used neither for training nor for the threshold, such as those of an evaluation."""
    recipe: str | os.PathLike[str] | None = None
    """unmix only: a recipe file, or the name of a shipped one; None: unmix."""
    start: str | os.PathLike[str] | None = None
    """unmix only: name of a model, or a model folder, to start from."""
    scene: SceneOptions = field(default_factory=SceneOptions)
    """How scenes are read."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `mps`."""
    resume: bool = False
    """Continue from the checkpoint of an interrupted training in the folder, or else from that of its model."""
    overwrite: bool = False
    """Replace the folder's model."""
    name: str = ""
    """Name on the card; empty: that of the folder."""
    licence: str = ""
    """Licence of the data, for the card."""

    def __post_init__(self) -> None:
        """UsageError for values out of range, and for options that do not fit the kind."""
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
        """UsageError for options that the kind does not take."""
        kind = kind_of(self.kind)
        if kind.whole_bands and self.optional_bands:
            raise UsageError(f"kind {self.kind} needs all its bands; use --kind conv for optional ones")
        if kind.bands and self.bands != kind.bands:
            raise UsageError(f"kind {self.kind} takes the bands {', '.join(kind.bands)} alone; leave out --channels")
        if self.rule and self.rule not in kind.rules:
            fitting = ", ".join(name for name, other in KINDS.items() if self.rule in other.rules)
            raise UsageError(f"rule {self.rule} cannot choose a threshold of kind {self.kind}; it is for {fitting}")
        if not kind.by_recipe and (self.recipe or self.start):
            raise UsageError(f"kind {self.kind} has no recipe; --kind unmix has")
        if kind.both and self.normal != "clear":
            raise UsageError(f"kind {self.kind} learns both tags; leave out --normal")


@dataclass(frozen=True, slots=True)
class Listener:
    """The callbacks of a training; the library itself prints nothing."""

    progress: Progress = no_progress
    """Called after each step with (done, total, stage)."""
    epoch: EpochReport = no_report
    """Called after each epoch."""


@dataclass(frozen=True, slots=True)
class Trained:
    """The result of a training."""

    network: torch.nn.Module
    card: ModelCard
    """Its card, without the hash of the weights."""
    losses: tuple[float, ...]
    """Mean loss of each epoch, or of each iteration of a fit without epochs."""
    errors: ScoreHistogram | None = None
    """Raw scores of held-out patches, those of normal ones under `clear`; None if there are none to plot."""
    dtype: torch.dtype = torch.float32
    """The type in which the weights are stored."""
