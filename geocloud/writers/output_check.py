"""May outputs be written where they are asked for? Asked before anything starts, by every verb."""

from __future__ import annotations

import mmap
import os
import stat
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from geocloud.errors import UsageError

Identity = tuple[object, ...]
_TAGS = (b"GEOCLOUD_VERSION", b"geocloud:version")
"""One of these stands in every file that geocloud writes for a scene, but in a mask's sidecars."""


def check_outputs(outputs: Iterable[Path], inputs: Iterable[str | os.PathLike[str]] = (), *, overwrite: bool) -> None:
    """Check the paths of all that will be written.

    Files are told apart by what they are, not by how they are spelt: links, mounts and letter case lead to one file.

    Args:
        outputs: every file of the run.
        inputs: every file that is read: the scene's, the mask, the model's; URLs are passed over. They are looked at
            only where an output exists.
        overwrite: whether outputs may exist; also then none may be an input or stand twice.

    Raises:
        UsageError: one is an input, is named twice, is no plain file, exists without `overwrite`, or has a name that
            no file can have.
    """
    outputs = list(outputs)
    modes = {path: _mode(path) for path in outputs}
    check_not_read(outputs, inputs)
    written: dict[Identity, Path] = {}
    for path in outputs:
        mode, at = modes[path], _on_disk(path)
        for identity in {_place(path), at or _place(path)}:
            if identity in written:
                raise UsageError(f"{written[identity]} and {path} are one file; give each output a path of its own")
            written[identity] = path
        if mode is not None and not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
            raise UsageError(f"{path} is no plain file, so no output can take its place; choose another path")
        if mode is not None and not overwrite:
            raise UsageError(f"{path} exists; pass --overwrite to replace it, or choose another path")


def check_not_read(outputs: Iterable[Path], inputs: Iterable[str | os.PathLike[str]]) -> None:
    """UsageError where an output is an input."""
    there = {identity: path for path in outputs if (identity := _on_disk(path)) is not None}
    for path in inputs if there else ():
        found = there.get(_on_disk(path) or ())
        if found is not None:
            raise UsageError(f"{found} is the input {os.fspath(path)}, which is never replaced; choose another path")


def has_tags(path: Path) -> bool:
    """True for a plain file that holds one of geocloud's tags."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return any(content.find(tag) >= 0 for tag in _TAGS)
    except (OSError, ValueError):  # absent or empty
        return False


def _mode(path: Path) -> int | None:
    """What stands at a path, a link taken as it is; None for nothing. UsageError for a name that cannot be."""
    try:
        os.fspath(path).encode("utf-8")
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise UsageError(f"{_readable(path)} cannot be a file ({reason}); choose another name") from error


def _readable(path: Path) -> str:
    """A path as a text that every stream takes."""
    return ascii(os.fspath(path))[1:-1] if not str(path).isprintable() else str(path)


def _on_disk(path: str | os.PathLike[str]) -> Identity | None:
    """Device and number of the file that a path leads to; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - also texts that are no paths
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _place(path: Path) -> Identity:
    """Where a name stands, existing or not: its folder, and the name as file systems without letter case have it."""
    folder = Path(os.path.realpath(path.parent))
    name = unicodedata.normalize("NFC", path.name).casefold()
    return _on_disk(folder) or (unicodedata.normalize("NFC", str(folder)).casefold(),), name
