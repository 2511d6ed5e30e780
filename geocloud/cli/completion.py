"""`geocloud completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from geocloud.cli.common import examples
from geocloud.cli.main import Command

SHELLS = ("bash", "zsh", "fish")


@click.command(cls=Command, epilog=examples('eval "$(geocloud completion bash)"', "geocloud completion fish"))
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script for SHELL that completes commands, options and model names with the Tab key."""
    kind = get_completion_class(shell)
    if kind is not None:
        click.echo(kind(context.find_root().command, {}, "geocloud", "_GEOCLOUD_COMPLETE").source())
