"""`--config FILE.toml`: options from a file; those on the command line win."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click


def read_config(context: click.Context, _option: click.Parameter, path: Path | None) -> None:
    """Make the file's values the command's defaults; called by click before the other options are read."""
    if path is None:
        return
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"{path} is no TOML file that can be read ({error})") from error
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


def _names(parameter: click.Parameter) -> list[str]:
    """The names a parameter goes by, without dashes."""
    return [_plain(name) for name in parameter.opts]


def _plain(name: str) -> str:
    """`--batch-size` and `batch_size` are one name."""
    return name.lstrip("-").replace("_", "-")


def _value(value: Any) -> Any:  # noqa: ANN401 - any TOML value
    """Numbers as text, for click to check; lists stay lists."""
    return value if isinstance(value, bool | list) else str(value)


config_option = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    callback=read_config,
    is_eager=True,
    expose_value=False,
    help="Options from a TOML file, by their names; the command line wins.",
)
