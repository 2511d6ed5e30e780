"""Which files are held out: a property of the file's name, so that it never depends on the other files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

from geocloud.datasets.folder import DataFile
from geocloud.errors import UsageError

Part = Literal["all", "train", "held-out"]


def is_held_out(name: str, fraction: float, seed: int) -> bool:
    """True for about `fraction` of all names, the same ones for a seed on every machine and in every order."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < fraction * 2**64


def choose_part(files: Sequence[DataFile], part: Part, fraction: float, seed: int) -> tuple[DataFile, ...]:
    """The files of one part; splitting by file keeps neighbouring patches of a scene together.

    Raises:
        UsageError: the fraction is not within 0..1, or the part is empty.
    """
    if not 0 <= fraction < 1:
        raise UsageError(f"held-out fraction {fraction:g} must be at least 0 and below 1")
    if part == "all":
        return tuple(files)
    chosen = tuple(f for f in files if is_held_out(f.name, fraction, seed) == (part == "held-out"))
    if not chosen:
        raise UsageError(
            f"none of {len(files)} files falls into the part {part!r} at a held-out fraction of {fraction:g} and seed "
            f"{seed}; use another --held-out or --seed, or more files"
        )
    return chosen
