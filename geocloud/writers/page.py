"""Pages with tables that a command fills in: between `<!-- table NAME -->` and `<!-- end -->`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from geocloud.errors import InputError

_PLACE = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def refill(text: str, tables: Mapping[str, str]) -> str:
    """The text with each place of a known name filled; other places stay as they are.

    Raises:
        InputError: it has no place for any of the tables.
    """
    if not set(tables) & {match.group(2) for match in _PLACE.finditer(text)}:
        wanted = ", ".join(f"<!-- table {name} -->" for name in tables)
        raise InputError(f"the page has no place for a table; write {wanted}, each closed by <!-- end -->")

    def fill(match: re.Match[str]) -> str:
        begin, name, end = match.groups()
        return f"{begin}\n{tables[name].strip()}\n\n{end}" if name in tables else match.group(0)

    return _PLACE.sub(fill, text)


def refill_page(path: Path, tables: Mapping[str, str]) -> None:
    """Fill the page in place, whole or not at all; InputError where it cannot be read or has no place."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no page that can be read ({error})") from error
    try:
        filled = refill(text, tables)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    staged.write_text(filled, encoding="utf-8")
    staged.replace(path)
