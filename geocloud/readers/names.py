"""Lists of scenes: a text file with a name a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from geocloud.errors import InputError
from geocloud.readers.pictures import DataFile


def read_names(path: Path) -> tuple[str, ...]:
    """The names, without suffix and folders; empty lines and what follows a # are left out.

    Raises:
        InputError: it cannot be read as text, or names nothing.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no text file of scene names, a line each ({error})") from error
    names = tuple(Path(line).stem for line in (line.split("#")[0].strip() for line in lines) if line)
    if not names:
        raise InputError(f"{path} names no scene; write a name a line")
    return names


def choose_names(
    files: Sequence[DataFile], only: Sequence[str] = (), without: Sequence[str] = ()
) -> tuple[DataFile, ...]:
    """The files whose stem is among `only`, where that is given, and not among `without`.

    Raises:
        InputError: none is left.
    """
    kept, dropped = frozenset(only), frozenset(without)
    chosen = tuple(f for f in files if (not kept or f.stem in kept) and f.stem not in dropped)
    if not chosen:
        raise InputError(
            f"none of {len(files)} scenes is left after --only and --without; their names are like {files[0].stem}"
            if files
            else "there are no scenes to choose from"
        )
    return chosen
