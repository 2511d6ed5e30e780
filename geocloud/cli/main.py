"""The `geocloud` program: a group whose commands are imported only when called, so that help is quick."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import cast

import click

from geocloud.cli.common import bound_heaps, examples, print_error, protect_environment, shortage
from geocloud.cli.shell import Group
from geocloud.version import __version__

SECTIONS = {
    "Clouds": {
        "detect": "Find the clouds of scenes: mask, polygons, score.",
        "batch": "Find the clouds of thousands of scenes, on Dask.",
        "search": "List the scenes that a STAC API has of a place and time.",
        "classify": "Tell whether pictures are cloudy.",
        "polygonize": "Turn a mask into polygons.",
        "apply-mask": "Write a scene with its clouds as nodata.",
        "series": "Mask cloud and shadow in several dates of one place.",
        "composite": "Write one cloud-free image of several dates.",
        "cover": "Measure the cloud cover of fields or other zones.",
    },
    "Models": {
        "models": "List the models, show a model card.",
        "train": "Train a model on pictures or scenes.",
        "adapt": "Fit the default model to your own scenes.",
        "calibrate": "Choose a model's threshold by a rule.",
        "threshold": "Choose a threshold by eye, on a page of scenes.",
        "evaluate": "Measure a model on labelled data.",
        "evaluate-classes": "Measure the further classes of a mask.",
        "survey": "Record a model's training range and class thresholds in its card.",
    },
    "Help": {
        "info": "Show what geocloud understands of a scene.",
        "patches": "Write a scene's 64x64 patches as GeoTIFFs.",
        "doctor": "Test this installation, for a bug report.",
        "version": "Show versions and the device.",
        "completion": "Print a script for the shell's Tab key.",
    },
}
"""Headings of the list of commands, and their one-line summaries."""
COMMANDS = [name for section in SECTIONS.values() for name in section]


class LazyGroup(Group):
    """Imports a command's module when the command is called, not when the list is shown."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order of SECTIONS."""
        return COMMANDS

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command itself, or None for an unknown name; it stands under its own name in its own module."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        return cast("click.Command", getattr(import_module(f"geocloud.cli.{name}"), name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The lists with their one-line summaries, importing nothing."""
        for title, summaries in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(summaries.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples("geocloud detect scene.tif", "geocloud info scene.tif"),
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
        problem = shortage(error)  # while a command's own module was imported
        if problem is None:
            raise
        print_error(problem)
        sys.exit(problem.exit_code)
    sys.exit(0)
