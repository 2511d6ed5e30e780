"""Options that take several values, repeated or with commas between."""

from __future__ import annotations

from collections.abc import Sequence

import click


def names(_context: click.Context, _option: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    """`a,b` and `c` as ("a", "b", "c")."""
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


def numbers(_context: click.Context, option: click.Parameter, value: str | None) -> tuple[int, ...]:
    """`192,255` as (192, 255); none as ()."""
    try:
        return tuple(int(part) for part in (value or "").split(",") if part.strip())
    except ValueError as error:
        raise click.BadParameter(f"{value!r} must be whole numbers with commas between", param=option) from error
