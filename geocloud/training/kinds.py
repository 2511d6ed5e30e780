"""What differs between the kinds that are trained on patches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, cast

from geocloud.datasets.labels import Fit
from geocloud.models.networks import contrast, conv, features, gan, gmm
from geocloud.scorers.card import Level
from geocloud.training.options import Listener, TrainOptions, TrainRule

if TYPE_CHECKING:
    from torch import nn

    from geocloud.training.patches.data import Patches
    from geocloud.training.patches.loop import LoopOptions

    Fitter = Callable[[nn.Module, Patches, LoopOptions, Listener], list[float]]
    """(network, patches, options, listener) -> mean loss of each epoch or round; the network is fitted in place."""


@dataclass(frozen=True, slots=True)
class KindSettings:
    """One kind."""

    fitter: str
    """Module and function that fit the network."""
    arguments: tuple[str, ...]
    """Options that are passed on to the network's constructor where they are given."""
    unit: str
    """Of its raw score."""
    text: str
    """What a high score means, for the card."""
    level: Level = "pixel"
    block: int = 8
    halo: int = 0
    fit: Fit = "cut"
    rule: TrainRule = "quantile"
    both: bool = False
    """Trained on clear and on cloudy patches, each told by its tag."""

    def load_fitter(self) -> Fitter:
        """The function."""
        module, name = self.fitter.split(":")
        return cast("Fitter", getattr(import_module(module), name))


AUTOENCODER = "geocloud.training.patches.loop:fit_autoencoder"
SETTINGS = {
    "dense": KindSettings(
        AUTOENCODER,
        ("widths", "latent", "output"),
        "mean squared error",
        "Autoencoder of {normal} patches; its reconstruction error",
        level="patch",
        block=1,
        fit="resize",
        rule="paper",
    ),
    "conv": KindSettings(
        AUTOENCODER,
        ("widths", "latent", "output"),
        "mean squared error",
        "Convolutional autoencoder of {normal} patches; its reconstruction error, a pixel",
        halo=conv.HALO,
    ),
    "contrast": KindSettings(
        "geocloud.training.patches.contrast:fit_contrast",
        ("widths", "latent"),
        "log ratio of errors, clear over cloudy",
        "Two autoencoders, of clear and of cloudy patches; the log ratio of their errors",
        halo=contrast.HALO,
        rule="equal",
        both=True,
    ),
    "gan": KindSettings(
        "geocloud.training.patches.gan:fit_gan",
        ("widths", "latent"),
        "mean absolute difference of codes",
        "Adversarially trained autoencoder of {normal} patches (GANomaly); how far the code of what it draws lies off",
        halo=gan.HALO,
    ),
    "gmm": KindSettings(
        "geocloud.training.patches.gmm:fit_mixture",
        ("components", "on", "widths", "latent"),
        "negative log density",
        "Gaussian mixture of {normal} pixels; how unlikely a pixel is",
        halo=gmm.HALO,
    ),
    "features": KindSettings(
        "geocloud.training.patches.features:fit_features",
        ("components",),
        "mean squared error, standard deviations²",
        "Linear autoencoder of the features that a land cover classifier has for {normal} patches; its error",
        halo=features.HALO,
    ),
}


def architecture_of(options: TrainOptions) -> dict[str, object]:
    """The arguments of the network that were given, as JSON values."""
    given: dict[str, object] = {
        "widths": list(options.widths),
        "latent": options.latent,
        "output": options.output,
        "components": options.components,
        "on": options.on,
    }
    return {name: given[name] for name in SETTINGS[options.kind].arguments if given[name]}
