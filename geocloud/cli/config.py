"""`--config FILE.toml`: read options from a file; those on the command line take precedence."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click


def read_config(context: click.Context, _option: click.Parameter, path: Path | None) -> None:
    """Make the values in the file the command's defaults; click calls it before it reads the other options.

    Options may be at the top level of the file, or in a table with the name of the command.
    """
    if path is None:
        return
    table = _table(path)
    table = table.get(context.command.name or "", table)
    known = {name: parameter for parameter in context.command.params for name in _names(parameter)}
    unknown = [key for key in table if _plain(key) not in known]
    if unknown:
        options = ", ".join(sorted(_names(p)[0] for p in context.command.params if isinstance(p, click.Option)))
        raise click.BadParameter(f"{path} has {unknown[0]!r}, which is no option; there are {options}")
    context.default_map = {
        **(context.default_map or {}),
        **{str(known[_plain(key)].name): _value(value) for key, value in table.items()},
    }


def read_recipe_or_config(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """The path of a recipe of unmix; a file of options is read as by `read_config`, and gives None.

    A recipe is a file with `steps` or `extends`, or the name of one that ships with geocloud.
    """
    from geocloud.errors import InputError
    from geocloud.training.unmix.trainer import recipe_path

    if path is None:
        return None
    try:
        file = recipe_path(path)
    except InputError as error:
        raise click.BadParameter(f"{path} is neither a TOML file nor a shipped recipe", param=option) from error
    if {"steps", "extends"} & set(_table(file)):
        return file
    read_config(context, option, file)
    return None


def _table(path: Path) -> dict[str, Any]:
    """The contents of a TOML file; click's usage error if it cannot be read."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (OSError, ValueError, RecursionError) as error:
        raise click.BadParameter(f"{path} is no TOML file that can be read ({error})") from error


def _names(parameter: click.Parameter) -> list[str]:
    """The names of a parameter, without leading dashes."""
    return [_plain(name) for name in parameter.opts]


def _plain(name: str) -> str:
    """The name without leading dashes and with - for _, so that `--batch-size` and `batch_size` are the same."""
    return name.lstrip("-").replace("_", "-")


def _value(value: Any) -> Any:  # noqa: ANN401 - any TOML value
    """A TOML value as click takes it: numbers as text, which click checks; lists and booleans as they are."""
    return value if isinstance(value, bool | list) else str(value)


recipe_option = click.option(
    "--config",
    "recipe",
    type=click.Path(path_type=Path),
    callback=read_recipe_or_config,
    is_eager=True,
    help="unmix: its recipe, a TOML file or the name of a shipped one [unmix]. Other kinds: a TOML file of options, "
    "by their names; the command line takes precedence.",
)
