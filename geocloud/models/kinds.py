"""The table of model kinds: inputs, outputs and where the code of each is. It is read without importing torch.

A new kind is three files: its network, its training, and an entry here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from geocloud.datasets.folder import PICTURE_BANDS
from geocloud.datasets.labels import Fit
from geocloud.errors import UsageError
from geocloud.scorers.card import Level

TrainRule = Literal["paper", "quantile", "equal"]
"""How training chooses a threshold; see TrainOptions.rule."""
LastLayer = Literal["sigmoid", "linear"]
"""Last layer of an autoencoder."""
On = Literal["bands", "codes"]
"""What a Gaussian mixture is fitted to."""
_PATCHES = "geocloud.training.patches.trainer:train_on_patches"
_AUTOENCODER = "geocloud.training.patches.loop:fit_autoencoder"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. Code is named `module:name`; `pkgutil.resolve_name` imports it when it is needed."""

    help: str
    """A short description for `geocloud train --help`."""
    network: str
    """Its class; see geocloud.models.networks. Empty: this kind does not score cloud."""
    trainer: str = _PATCHES
    """(data, folder, options, listener) -> Trained."""
    fitter: str = _AUTOENCODER
    """For a kind trained on patches: (network, patches, options, listener) -> mean loss of each epoch."""
    arguments: tuple[str, ...] = ()
    """Training options that, if given, are passed to the network's constructor."""
    text: str = ""
    """The card's description of the score; `{normal}` is the tag of the training data."""
    unit: str = ""
    """Unit of its raw score."""
    level: Level = "pixel"
    block: int = 8
    halo: int = 0
    """Context around a block in pixels, a multiple of the network's stride."""
    min_resolution: float = 0.0
    """Pixel size in metres: smaller pixels are averaged to this size before they are scored; 0: never."""
    fit: Fit = "cut"
    """How pictures are made into patches."""
    rules: tuple[TrainRule, ...] = ("quantile",)
    """Rules that can choose its threshold, the default first; a kind trained by a recipe has none."""
    bands: tuple[str, ...] = ()
    """The only bands it takes; empty: any."""
    whole_bands: bool = False
    """Whether every scene must have all its bands."""
    both: bool = False
    """Whether it is trained on clear and cloudy patches together."""
    by_recipe: bool = False
    """Whether a recipe file holds its options; such a kind writes its own log."""


KINDS = {
    "dense": Kind(
        "the paper's network.",
        "geocloud.models.networks.dense:DenseAutoencoder",
        arguments=("widths", "latent", "output"),
        text="Autoencoder of {normal} patches; its reconstruction error",
        unit="mean squared error",
        level="patch",
        block=1,
        fit="resize",
        rules=("paper", "quantile"),
        whole_bands=True,
    ),
    "conv": Kind(
        "convolutional, an error per pixel.",
        "geocloud.models.networks.conv:ConvAutoencoder",
        arguments=("widths", "latent", "output"),
        text="Convolutional autoencoder of {normal} patches; its reconstruction error, per pixel",
        unit="mean squared error",
        halo=32,  # a pixel depends on codes up to two strides of 8 away, each of which sees 15 pixels further: 31
        rules=("quantile", "paper"),
    ),
    "contrast": Kind(
        "two of them, of clear and cloudy.",
        "geocloud.models.networks.contrast:ContrastNetwork",
        fitter="geocloud.training.patches.contrast:fit_contrast",
        arguments=("widths", "latent"),
        text="Two autoencoders, of clear and of cloudy patches; the log ratio of their errors",
        unit="log ratio of errors, clear over cloudy",
        halo=40,  # 31 of each autoencoder and half a window of at most 17 pixels
        rules=("equal",),
        both=True,
    ),
    "gan": Kind(
        "adversarially trained.",
        "geocloud.models.networks.alternatives.gan:GanAutoencoder",
        fitter="geocloud.training.alternatives.gan:fit_gan",
        arguments=("widths", "latent"),
        text="Adversarially trained autoencoder of {normal} patches (GANomaly); "
        "distance between the codes of input and reconstruction",
        unit="mean absolute difference of codes",
        halo=64,  # 8 of the interpolation, 15 of the second encoder, 31 of what it reads
    ),
    "gmm": Kind(
        "Gaussian mixture.",
        "geocloud.models.networks.alternatives.gmm:GaussianMixture",
        fitter="geocloud.training.alternatives.gmm:fit_mixture",
        arguments=("components", "on", "widths", "latent"),
        text="Gaussian mixture of {normal} pixels; how unlikely a pixel is",
        unit="negative log density",
        halo=32,  # of codes; band vectors need none
        whole_bands=True,
    ),
    "features": Kind(
        "linear, on features of a land cover classifier.",
        "geocloud.models.networks.alternatives.features:FeatureAutoencoder",
        fitter="geocloud.training.alternatives.features:fit_features",
        arguments=("components",),
        text="Linear autoencoder of the features that a land cover classifier has for {normal} patches; its error",
        unit="mean squared error, standard deviations²",
        halo=48,  # 31 that the third level sees, 8 and 4 of the two interpolations
        bands=PICTURE_BANDS,
        whole_bands=True,
    ),
    "backbone": Kind(
        "that classifier, which does not score cloud.",
        "",
        trainer="geocloud.training.alternatives.backbone:train_backbone",
        rules=(),
        whole_bands=True,
    ),
    "unmix": Kind(
        "the default's kind, by a recipe.",
        "geocloud.models.networks.unmix:UnmixNet",
        trainer="geocloud.training.unmix.trainer:train_by_recipe",
        halo=32,  # twice as much changes at most one pixel of 500 for a quarter more time
        min_resolution=20.0,  # on chips of 10 m, scoring at 20 m loses a point (docs/ablation.md)
        rules=(),
        by_recipe=True,
    ),
}
"""Name to kind, as `--kind` takes it."""


def kind_of(name: str) -> Kind:
    """The kind of this name; UsageError lists the names."""
    if name not in KINDS:
        raise UsageError(f"kind {name!r} is unknown; there are {', '.join(KINDS)}")
    return KINDS[name]
