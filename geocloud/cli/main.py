"""The `geocloud` program: a group whose commands are imported only when called, so that help is quick."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import cast

import click

from geocloud.cli.common import examples, print_error, protect_environment, shortage
from geocloud.pipeline.parallel import bound_heaps
from geocloud.version import __version__

COMMANDS = {
    "detect": "geocloud.cli.detect:detect",
    "batch": "geocloud.cli.batch:batch",
    "train": "geocloud.cli.train:train",
    "calibrate": "geocloud.cli.calibrate:calibrate",
    "evaluate-classes": "geocloud.cli.evaluate_classes:evaluate_classes",
    "classify": "geocloud.cli.classify:classify",
    "survey": "geocloud.cli.survey:survey",
    "evaluate": "geocloud.cli.evaluate:evaluate",
    "patches": "geocloud.cli.patches:patches",
    "polygonize": "geocloud.cli.polygonize:polygonize",
    "apply-mask": "geocloud.cli.apply_mask:apply_mask",
    "models": "geocloud.cli.models:models",
    "info": "geocloud.cli.info:info",
    "version": "geocloud.cli.version:version",
    "completion": "geocloud.cli.completion:completion",
    "doctor": "geocloud.cli.doctor:doctor",
}
SUMMARIES = {
    "detect": "Find the clouds of scenes: mask, polygons, score.",
    "batch": "Find the clouds of thousands of scenes, on Dask.",
    "train": "Train a model on pictures or scenes.",
    "calibrate": "Choose a model's threshold by a rule.",
    "evaluate-classes": "Measure a mask's further classes.",
    "classify": "Say of pictures whether they are cloudy.",
    "survey": "Measure what a model has seen and where its classes are cut.",
    "evaluate": "Measure a model on labelled data.",
    "patches": "Write a scene's 64x64 patches as GeoTIFFs.",
    "polygonize": "Turn a mask into polygons.",
    "apply-mask": "Write a scene with its clouds as nodata.",
    "models": "List the models, show a model card.",
    "info": "Show what geocloud understands of a scene.",
    "version": "Show versions and the device.",
    "completion": "Print a script for the shell's Tab key.",
    "doctor": "Test this installation, for a bug report.",
}


class LazyGroup(click.Group):
    """Imports a command's module when the command is called, not when the list is shown."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order of a walk through the program."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command itself, or None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        return cast("click.Command", getattr(import_module(module), name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list with its one-line summaries, importing nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUMMARIES[name]) for name in COMMANDS])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples("geocloud detect scene.tif --out clouds", "geocloud info scene.tif"),
)
@click.version_option(__version__, "--version", "-V", message="%(version)s")
def cli() -> None:
    """Find clouds in satellite scenes with an autoencoder.

    Each command shows its options and examples with --help.
    """


def main() -> None:
    """Entry point: defends against a leaked environment, then runs the command."""
    protect_environment()
    bound_heaps()
    try:
        cli(prog_name="geocloud")
    except Exception as error:
        problem = shortage(error)
        if problem is None:
            raise
        print_error(problem)
        sys.exit(problem.exit_code)
    sys.exit(0)
