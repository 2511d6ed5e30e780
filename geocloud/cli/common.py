"""What the commands share: errors as one sentence, output as JSON lines or text, options used by several."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import click

from geocloud.errors import GeocloudError

P = ParamSpec("P")
R = TypeVar("R")


def examples(*lines: str) -> str:
    """The end of a command's help."""
    return "\b\nExample" + "s" * (len(lines) > 1) + ":\n" + "\n".join(f"  {line}" for line in lines)


def one_sentence(function: Callable[P, R]) -> Callable[P, R]:
    """Turn a GeocloudError into its sentence on stderr and its exit code; other errors keep their traceback."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except GeocloudError as error:
            print_error(error)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("cancelled", err=True)
            sys.exit(130)

    return wrapper


def print_error(error: Exception) -> None:
    """One line on stderr, with the hint on a second where there is one."""
    click.echo(f"error: {error}", err=True)
    hint = getattr(error, "hint", "")
    if hint:
        click.echo(f"  {hint}", err=True)


def print_json(record: dict[str, Any]) -> None:
    """One JSON object on one line of stdout, flushed; NaN is written as null."""
    click.echo(json.dumps(_plain(record), ensure_ascii=False))
    sys.stdout.flush()


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """NaN and infinities as None, tuples as lists, paths as strings."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if abs(value) != float("inf") and value == value else None  # noqa: PLR0124 - NaN
    return value if value is None or isinstance(value, str | int | bool) else str(value)
