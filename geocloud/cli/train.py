"""`geocloud train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args

import click

from geocloud.cli.common import examples, one_sentence, print_json
from geocloud.cli.config import config_option
from geocloud.cli.data_options import device_option
from geocloud.cli.lists import names, numbers
from geocloud.cli.options import scene_options, take_scene_options
from geocloud.readers.pictures import PICTURE_BANDS
from geocloud.training.data import Fit
from geocloud.training.options import Kind, Listener, Normal, TrainOptions, TrainRule
from geocloud.verbs.train import TrainResult
from geocloud.verbs.train import train as train_model


@click.command(
    epilog=examples(
        "geocloud train pictures.zip --classes cloudy --normal cloudy --out my-model",
        "geocloud train clear-scenes --kind conv --channels blue,green,red,nir --out my-model",
    )
)
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", "folder", required=True, type=click.Path(path_type=Path), help="Model folder to write.")
@click.option(
    "--kind",
    type=click.Choice(get_args(Kind)),
    default="dense",
    show_default=True,
    help="dense: the paper's network. conv: convolutional, an error a pixel.",
)
@click.option(
    "--normal",
    type=click.Choice(get_args(Normal)),
    default="clear",
    show_default=True,
    help="What the data show; a high error is then cloud (clear) or clear sky (cloudy).",
)
@click.option("--classes", multiple=True, callback=names, metavar="NAME,...", help="Subfolders to train on [all].")
@click.option("--epochs", type=int, default=10, show_default=True, help="Passes over the data.")
@click.option("--batch-size", type=int, default=32, show_default=True, help="Patches a step.")
@click.option("--lr", type=float, default=1e-3, show_default=True, help="Step size of Adam.")
@click.option("--seed", type=int, default=0, show_default=True, help="Fixes weights, batches and the split.")
@click.option("--held-out", type=float, default=0.3, show_default=True, help="Share of files kept from training.")
@click.option(
    "--rule",
    type=click.Choice(get_args(TrainRule)),
    default=None,
    help="Threshold: 0.02, or a quantile of held-out errors [dense: paper, conv: quantile].",
)
@click.option("--quantile", type=float, default=0.99, show_default=True, help="See --rule.")
@click.option("--latent", type=int, default=None, help="Size of the code [dense: 128, conv: 16 for each 8x8 pixels].")
@click.option("--widths", callback=numbers, metavar="N,...", help="Hidden widths [dense: 512, conv: 24,48,96].")
@click.option(
    "--output",
    type=click.Choice(["sigmoid", "linear"]),
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
    help="Bands a scene may lack (conv).",
)
@scene_options
@click.option(
    "--fit",
    type=click.Choice(get_args(Fit)),
    default=None,
    help="Pictures resized to one patch, or cut into patches [dense: resize, conv: cut].",
)
@click.option("--max-patches", type=int, default=10_000, show_default=True, help="Most patches kept in memory.")
@device_option
@click.option("--name", default="", help="Name on the card [the folder's].")
@click.option("--licence", default="", help="Licence of the data, for the card.")
@click.option("--resume", is_flag=True, help="Go on from the folder's checkpoint.")
@click.option("--overwrite", is_flag=True, help="Replace the model that is there.")
@config_option
@one_sentence
def train(data: Path, folder: Path, **options: Any) -> None:  # noqa: ANN401 - checked by TrainOptions
    """Train a model on DATA: a folder or zip of pictures, or scenes."""
    scene = take_scene_options(options)
    channels, optional = options.pop("channels") or PICTURE_BANDS, options.pop("optional_channels")
    listener = Listener(epoch=lambda epoch, loss: click.echo(f"Epoch:{epoch}, Loss:{loss:.4f}"))
    chosen = TrainOptions(bands=channels, optional_bands=optional, scene=scene, **options)
    _print(train_model(data, folder, chosen, listener))


def _print(result: TrainResult) -> None:
    """The last line: text on a terminal, else JSON."""
    calibration = result.card.calibration
    if not sys.stdout.isatty():
        print_json(
            {
                "model": str(result.folder),
                "kind": result.card.kind,
                "losses": list(result.losses),
                "threshold": calibration.threshold,
                "rule": str(calibration.rule),
                "cloud_is": calibration.cloud_is,
                "figure": calibration.rule.figure,
            }
        )
        return
    click.echo(
        f"{result.folder}: threshold {calibration.threshold:.4g} ({calibration.rule}; {calibration.rule.figure})"
    )
