"""`geocloud train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from geocloud.cli.common import arrow, examples
from geocloud.cli.config import recipe_option
from geocloud.cli.main import Command, shell
from geocloud.cli.options import (
    ModelName,
    device_option,
    names,
    numbers,
    scene_options,
    tag_options,
    take_scene_options,
    without_option,
)
from geocloud.cli.reporter import Reporter
from geocloud.datasets.folder import PICTURE_BANDS
from geocloud.datasets.labels import Fit, LabelCodes, Tag
from geocloud.errors import UsageError
from geocloud.models.kinds import KINDS, LastLayer, On, TrainRule
from geocloud.training.options import TrainOptions
from geocloud.verbs.train import train as train_model


@click.command(
    cls=Command,
    epilog=examples(
        "geocloud train pictures.zip --folders cloudy --normal cloudy --out my-model",
        "geocloud train clear-scenes --kind conv --channels blue,green,red,nir --out my-model",
        "geocloud train scenes --labels labels --kind contrast --out my-contrast",
        "geocloud train $GEOCLOUD_DATA --kind unmix --config unmix --out my-unmix",
    ),
)
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", "folder", required=True, type=click.Path(path_type=Path), help="Model folder to write.")
@click.option(
    "--kind",
    type=click.Choice(list(KINDS)),
    default="dense",
    show_default=True,
    help=" ".join(f"{name}: {kind.help}" for name, kind in KINDS.items()),
)
@click.option(
    "--normal",
    type=click.Choice(get_args(Tag)),
    default="clear",
    show_default=True,
    help="Data to train on; a high error then means cloud (clear) or clear sky (cloudy).",
)
@click.option(
    "--folders",
    "folders",
    multiple=True,
    callback=names,
    metavar="NAME,...",
    help="Subfolders to train on [the normal ones].",
)
@tag_options
@click.option("--epochs", type=int, default=10, show_default=True, help="Passes over the data.")
@click.option("--batch-size", type=int, default=32, show_default=True, help="Patches per step.")
@click.option("--lr", type=float, default=1e-3, show_default=True, help="Step size of Adam.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of weights, batches and the split.")
@click.option("--held-out", type=float, default=0.3, show_default=True, help="Share of files kept from training.")
@click.option(
    "--rule",
    type=click.Choice(get_args(TrainRule)),
    default=None,
    help="Threshold: 0.02 (paper); a quantile of held-out scores; where both errors are equal [dense: paper, contrast: "
    "equal, others: quantile].",
)
@click.option("--quantile", type=float, default=0.99, show_default=True, help="See --rule.")
@click.option("--latent", type=int, default=None, help="Size of the code [dense: 128, conv: 16 for each 8x8 pixels].")
@click.option("--components", type=int, default=None, help="gmm: Gaussians [4; 1 is RX]. features: directions [16].")
@click.option(
    "--on",
    type=click.Choice(get_args(On)),
    default=None,
    help="gmm: fit to band vectors, or to an autoencoder's codes [bands].",
)
@click.option("--widths", callback=numbers, metavar="N,...", help="Hidden widths [dense: 512, conv: 24,48,96].")
@click.option(
    "--output",
    type=click.Choice(get_args(LastLayer)),
    default=None,
    help="Last layer [dense: sigmoid, conv: linear].",
)
@click.option(
    "--channels", multiple=True, callback=names, metavar="NAME,...", help="Bands to train on [blue,green,red]."
)
@click.option(
    "--optional-channels",
    multiple=True,
    callback=names,
    metavar="NAME,...",
    help="conv: bands that a scene may lack.",
)
@scene_options
@click.option(
    "--fit",
    type=click.Choice(get_args(Fit)),
    default=None,
    help="Resize pictures to one patch, or cut them into patches [dense: resize, conv: cut].",
)
@click.option("--max-patches", type=int, default=10_000, show_default=True, help="Most patches kept in memory.")
@without_option
@click.option("--start", type=ModelName(), help="unmix: name of a model, or a model folder, to start from.")
@device_option
@click.option("--name", default="", help="Name on the card [the folder's].")
@click.option("--licence", default="", help="Licence of the data, for the card.")
@click.option("--resume", is_flag=True, help="Continue from the checkpoint in --out.")
@click.option("--overwrite", is_flag=True, help="Replace a model in --out.")
@recipe_option
@shell(shares={})
def train(reporter: Reporter, data: Path, folder: Path, **options: Any) -> None:  # noqa: ANN401 - checked by TrainOptions
    """Train a model on DATA: a folder or zip of pictures, or scenes."""
    scene = take_scene_options(options)
    options["codes"] = LabelCodes(options.pop("cloud_codes"), options.pop("ignore_codes"))
    channels, optional = options.pop("channels") or PICTURE_BANDS, options.pop("optional_channels")
    chosen = TrainOptions(bands=channels, optional_bands=optional, scene=scene, **options)
    if KINDS[chosen.kind].by_recipe:
        _refuse_options_of_the_recipe()
    result = train_model(
        data,
        folder,
        chosen,
        progress=reporter.progress,
        on_epoch=lambda epoch, loss: reporter.line(f"Epoch:{epoch}, Loss:{loss:.4f}"),
    )
    calibration = result.card.calibration
    threshold, rule = calibration.threshold, calibration.rule
    record = {
        "model": str(result.folder),
        "kind": result.card.kind,
        "losses": list(result.losses),
        "threshold": threshold,
        "rule": str(rule),
        "cloud_is": calibration.cloud_is,
        "figure": rule.figure,
    }
    reporter.result(
        record, f"{result.card.name}: threshold {threshold:.4g} ({rule}; {rule.figure}) {arrow()} {result.folder}"
    )


def _refuse_options_of_the_recipe() -> None:
    """UsageError for an option on the command line that the recipe sets."""
    context = click.get_current_context()
    allowed = {"data", "folder", "kind", "recipe", "without", "start", "name", "resume", "overwrite"}
    for name in context.params.keys() - allowed:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} does not go with --kind unmix, which takes it from its recipe; set it there")
