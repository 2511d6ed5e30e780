"""Text files that list something, one per line, as whatever program of the user's wrote them."""

from __future__ import annotations

import codecs
import sys
from pathlib import Path

from geocloud.readers.files.paths import check_plain

_OF_A_SHELL = ("/dev/stdin", "/dev/fd/", "/proc/")
"""How the places of pipes begin that a shell holds open, as of `<(ls)`: they end."""


def read_lines(path: str) -> list[str]:
    """The lines; `-` is standard input. UTF-16 where the text begins so, as Windows PowerShell writes, else UTF-8.

    Bytes of names that are no UTF-8 are kept as Python does.

    Raises:
        InputError: it is a device, or a pipe that no shell holds open.
        OSError, ValueError: it cannot be read.
    """
    if path != "-" and not path.startswith(_OF_A_SHELL):
        check_plain(path)
    text = sys.stdin.read() if path == "-" else _decoded(Path(path).read_bytes())
    return text.removeprefix("\ufeff").splitlines()  # Windows begins texts with it


def _decoded(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    return content.decode("utf-8", "surrogateescape")
