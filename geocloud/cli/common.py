"""What the commands share: errors and notes as one line, JSON, and a clean environment."""

from __future__ import annotations

import ctypes
import errno
import io
import json
import logging
import math
import os
import re
import sys
import warnings
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from geocloud.errors import Cancelled, GeocloudError, without_secrets
from geocloud.progress import Warn


def examples(*lines: str) -> str:
    """The end of a command's help."""
    return "\b\nExample" + "s" * (len(lines) > 1) + ":\n" + "\n".join(f"  {line}" for line in lines)


_LOST: list[str] = []
"""Why stdout took no more."""


def say(text: str, *, err: bool = False) -> None:
    """A line for a person; colours only on a terminal, and none with NO_COLOR. A stream that fails stops no work."""
    try:
        click.echo(_harmless(text), err=err, color=False if os.environ.get("NO_COLOR") else None)
        if not err:
            sys.stdout.flush()
    except (OSError, ValueError) as error:
        if not err:
            lose_stdout(getattr(error, "strerror", None) or str(error))


_CONTROL = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")
"""Control characters but for tabs, ends of lines and our own colours."""


def _harmless(text: str) -> str:
    """A text that steers no terminal, whoever made the names in it."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def lose_stdout(reason: str) -> None:
    """Go on without stdout, which was closed or whose disk is full; the exit code tells in the end."""
    _LOST.append(reason)
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the process ends
    with suppress(OSError):
        os.dup2(sys.stdout.fileno(), 1)  # what the old one still holds would fail once more at the end


def lost_stdout() -> str:
    """Why results could not be printed; empty where they could."""
    return _LOST[0] if _LOST else ""


def mend_streams() -> None:
    """A stdout that is closed, streams that cannot write every name, and tasks' own tracebacks; call it first."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # of a damaged Zarr store, beside the sentence that tells
    if sys.stdout is None:
        lose_stdout("it is closed")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def printable(text: str) -> str:
    """A text with control characters, and what is no character, as escapes: names of others reach a terminal."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "backslashreplace").decode()
        for letter in text
    )


def printable_lines(text: str) -> str:
    """The same of a text of several lines and columns."""
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))


def short_name(scene: str) -> str:
    """The last part of a path or an address, without the keys of a signed one."""
    plain = without_secrets(scene) if "://" in scene else scene
    return os.path.basename(plain.rstrip("/"))  # noqa: PTH119 - also of URLs


def note_line(text: str, name: str = "") -> str:
    """A note as shown: a warning yellow, an assumption dim; under its result, or after the name of its scene."""
    before = f"{printable(name)}: " if name else "  "
    if isinstance(text, Warn):
        return before + click.style(f"warning: {printable(text)}", fg="yellow")
    return click.style(f"{before}note: {printable(text)}", dim=True)


class StoppableGroup(click.Group):
    """Commands that a signal ends in the same way from their first moment to the last, also before their own work."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own value
        """Run the command; exit code 130 where it is stopped."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print_error(Cancelled("cancelled"))
            sys.exit(Cancelled.exit_code)


def print_error(error: Exception | str) -> None:
    """One line on stderr; a cancelled run is no error."""
    if isinstance(error, Cancelled):
        say(printable(str(error)), err=True)
        return
    say(click.style("error: ", fg="red", bold=True) + printable(str(error)), err=True)


def arrow() -> str:
    """What stands between a scene and its output."""
    try:
        "→".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "->"
    return "→"


def print_json(record: dict[str, Any]) -> None:
    """One JSON object on one line of stdout, flushed; what is unknown (None, NaN) is left out.

    In ASCII where the stream has another encoding than UTF-8; bytes of names that are no UTF-8 become escapes.
    """
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(_plain(record), ensure_ascii=not utf8).encode("utf-8", "backslashreplace").decode("utf-8")
    say(re.sub(r"[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", text))  # JSON itself escapes those below


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Keys without a value left out, also of lists without any; tuples as lists, paths as strings.

    NaN and infinities in a list with other values are None.
    """
    if isinstance(value, dict):
        plain = {str(key): _plain(item) for key, item in value.items()}
        return {key: item for key, item in plain.items() if item is not None}
    if isinstance(value, list | tuple):
        items = [_plain(item) for item in value]
        return items if not items or any(item is not None for item in items) else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)


_SIGNS = (
    "can't allocate memory",
    "cannot allocate memory",
    "failed to map segment",
    "can't start new thread",
    "out of memory",
    "not enough memory",
    "unable to allocate",
    "bad_alloc",
    "memory allocation",
)


def shortage(error: BaseException, what: str = "this") -> GeocloudError | None:
    """The sentence for an error that means too little memory, or None for any other."""
    texts = [str(each).lower() for each in (error, error.__cause__, error.__context__) if each is not None]
    if not isinstance(error, MemoryError) and not any(sign in text for sign in _SIGNS for text in texts):
        return None
    return GeocloudError(f"{what} needs more memory than there is; use fewer --threads, or a machine with more")


def explained(error: BaseException) -> GeocloudError | None:
    """The sentence for an error that no verb foresees: little memory, a deleted current folder, too long a path."""
    if problem := shortage(error):
        return problem
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        path = str(error.filename)
        return GeocloudError(f"{path[:60]}… has {len(path)} letters, more than a path may have; give a shorter one")
    try:
        Path.cwd()
    except FileNotFoundError:
        return GeocloudError("the current folder was deleted; change to one that exists")
    return None


def unprinted(error: BaseException) -> GeocloudError | None:
    """The sentence where a text such as --help cannot be printed, stdout being full; None for any other error."""
    if not isinstance(error, OSError) or error.errno != errno.ENOSPC or error.filename is not None:
        return None
    lose_stdout(error.strerror or "full")
    return GeocloudError(f"the text cannot be printed ({error.strerror})")


LEAKED = ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH", "GDAL_PAM_PROXY_DIR")


def protect_environment() -> None:
    """Drop variables that belong to other programs; must run before rasterio and matplotlib are imported.

    Plots are only written to files: a notebook's MPLBACKEND may name a module that this environment does not have.
    Paths of projection data go where rasterio carries its own. Where Python was told that names are in another encoding
    than UTF-8, which GDAL takes them for, it is started again in UTF-8.
    """
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 # nosec B606 - itself
    os.environ.pop("MPLBACKEND", None)
    spec = find_spec("rasterio")
    if spec is None or spec.origin is None or not (Path(spec.origin).parent / "proj_data").is_dir():
        return
    for name in LEAKED:
        os.environ.pop(name, None)
    if "CPL_DEBUG" not in os.environ:
        os.environ.setdefault("CPL_LOG", os.devnull)  # what GDAL says beside the errors that it gives back
    for message in ("Dataset has no geotransform", "The given matrix is equal to Affine.identity"):
        warnings.filterwarnings("ignore", message=message)  # the commands say so themselves


M_ARENA_MAX = -8
"""glibc's mallopt parameter: number of heaps (malloc.h)."""


def bound_heaps() -> None:
    """One heap for all threads: glibc otherwise keeps what each thread has freed, some 100 MB here."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)


def check_projections() -> None:
    """EPSG:32633 must survive a round trip; EnvironmentProblem where projection data are broken."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    from geocloud.errors import EnvironmentProblem

    try:
        works = CRS.from_epsg(32633).to_epsg() == 32633
    except CRSError:
        works = False
    if not works:
        raise EnvironmentProblem(
            "projection data do not work here (EPSG:32633 is not found); "
            "unset PROJ_LIB and PROJ_DATA, or reinstall rasterio"
        )
