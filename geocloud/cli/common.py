"""Shared by all commands: printing of lines, notes, errors and JSON, and a clean environment."""

from __future__ import annotations

import _thread
import atexit
import ctypes
import errno
import io
import json
import logging
import math
import os
import re
import signal
import sys
import threading
import warnings
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from geocloud.errors import Cancelled, GeocloudError, too_long, without_secrets
from geocloud.progress import Warn


def examples(*lines: str) -> str:
    """The examples at the end of a command's help."""
    title = "Example" if len(lines) == 1 else "Examples"
    return f"\b\n{title}:\n" + "\n".join(f"  {line}" for line in lines)


_LOST: list[str] = []
"""Why stdout was lost; empty while it works."""


def say(text: str, *, err: bool = False) -> None:
    """Print a line for a person; a stream that fails does not stop the work.

    Colours are printed only on a terminal, and never with NO_COLOR.
    """
    try:
        click.echo(_harmless(text), err=err, color=False if os.environ.get("NO_COLOR") else None)
        if not err:
            sys.stdout.flush()
    except (OSError, ValueError) as error:
        if not err:
            lose_stdout(getattr(error, "strerror", None) or str(error))


_CONTROL = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")
"""Control characters except tabs, line ends and geocloud's own colours."""


def _harmless(text: str) -> str:
    """The text with control characters escaped: names from elsewhere must not control the terminal."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def lose_stdout(reason: str) -> None:
    """Continue without stdout, because it is closed or its disk is full; the exit code will say so."""
    _LOST.append(reason)
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the process ends
    with suppress(OSError):
        os.dup2(sys.stdout.fileno(), 1)  # otherwise flushing the old stream fails once more at exit


def lost_stdout() -> str:
    """Why results could not be printed; empty if they could."""
    return _LOST[0] if _LOST else ""


def mend_streams() -> None:
    """Make stdout and stderr safe to print any name to, also if stdout is closed; call it first."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # a damaged Zarr store logs tracebacks besides our error
    if sys.stdout is None:
        lose_stdout("it is closed")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def printable(text: str) -> str:
    """The text with everything unprintable escaped: names from elsewhere must not control the terminal."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "backslashreplace").decode()
        for letter in text
    )


def printable_lines(text: str) -> str:
    """The text with everything unprintable escaped, except line ends and tabs."""
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))


def short_name(scene: str) -> str:
    """The last part of a path or URL, without the query of a signed URL."""
    plain = without_secrets(scene) if "://" in scene else scene
    return os.path.basename(plain.rstrip("/"))  # noqa: PTH119 - also of URLs


def note_line(text: str, name: str = "") -> str:
    """A note as printed, a warning yellow and an assumption dim; indented, or after the `name` of its scene."""
    prefix = f"{printable(name)}: " if name else "  "
    if isinstance(text, Warn):
        return prefix + click.style(f"warning: {printable(text)}", fg="yellow")
    return click.style(f"{prefix}note: {printable(text)}", dim=True)


class StoppableGroup(click.Group):
    """A group whose commands a signal ends in one way, also while they are still being imported."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own value
        """Run the command; exit code 130 if it is interrupted."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print_error(Cancelled("cancelled"))
            sys.exit(Cancelled.exit_code)


_STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def _already(number: int, frame: FrameType | None) -> None:
    """A further signal, while the first one is obeyed."""


def hear_signals() -> None:
    """A first signal stops the run, which then clears up undisturbed; what the starter ignores (nohup) stays so."""
    heard = [number for number in _STOPPING if signal.getsignal(number) is not signal.SIG_IGN]

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signal has it
        for other in heard:
            signal.signal(other, _already)  # not SIG_IGN: Python complains of one that is on its way
        raise KeyboardInterrupt

    for number in heard:
        signal.signal(number, stop)


def _strike(number: signal.Signals) -> None:
    """Send a signal to the main thread, so that what it waits for is interrupted too."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        _thread.interrupt_main(number)


def repeat_lost_signals() -> None:
    """Stop the run also if its signal comes in a destructor, where Python drops what is raised; called once."""
    report = sys.unraisablehook

    def repeat(dropped: sys.UnraisableHookArgs) -> None:
        if not isinstance(dropped.exc_value, KeyboardInterrupt):
            report(dropped)
            return
        hear_signals()
        number = next((number for number in _STOPPING if signal.getsignal(number) is not signal.SIG_IGN), None)
        if number is not None:
            threading.Timer(0.01, _strike, [number]).start()  # once the destructor is done

    sys.unraisablehook = repeat


def hear_no_more() -> None:
    """Ignore signals from now on, so that none changes the exit code."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN)


def leave(code: int) -> NoReturn:
    """End the process at once, when all files are closed.

    Python would first take all modules apart, for a second or so. A signal then would give another exit code, and a
    thread of GDAL or torch that is still busy could crash.
    """
    hear_no_more()
    atexit._run_exitfuncs()  # noqa: SLF001 - else Dask's processes leave semaphores, with a warning
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


def print_error(error: Exception | str) -> None:
    """Print one line to stderr; a cancelled run is not called an error."""
    if isinstance(error, Cancelled):
        say(printable(str(error)), err=True)
        return
    say(click.style("error: ", fg="red", bold=True) + printable(str(error)), err=True)


def arrow() -> str:
    """The arrow between a scene and its output, in ASCII if stdout cannot encode it."""
    try:
        "→".encode(_stdout_encoding())
    except UnicodeEncodeError:
        return "->"
    return "→"


def _stdout_encoding() -> str:
    """Of stdout itself: beside a live bar rich's proxy stands in its place, which names none."""
    stream = getattr(sys.stdout, "rich_proxied_file", sys.stdout)
    return stream.encoding or "ascii"


def print_json(record: dict[str, Any]) -> None:
    """Print one JSON object on one line of stdout, and flush; keys without a value (None, NaN) are left out.

    The line is ASCII unless stdout is UTF-8; bytes of names that are not UTF-8 become escapes.
    """
    utf8 = _stdout_encoding().lower().replace("-", "") == "utf8"
    text = json.dumps(_plain(record), ensure_ascii=not utf8).encode("utf-8", "backslashreplace").decode("utf-8")
    say(re.sub(r"[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", text))  # JSON itself escapes those below


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The value as JSON has it: lists for tuples, text for paths, no keys without a value.

    A list of nothing but unknown values counts as no value; NaN among others becomes None.
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


_MEMORY_MESSAGES = (
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
"""Parts of messages, in lower case, by which libraries report too little memory."""


def shortage(error: BaseException, what: str = "this") -> GeocloudError | None:
    """The error to show if `error` means too little memory for `what`; None for any other."""
    texts = [str(each).lower() for each in (error, error.__cause__, error.__context__) if each is not None]
    if not isinstance(error, MemoryError) and not any(part in text for part in _MEMORY_MESSAGES for text in texts):
        return None
    return GeocloudError(f"{what} needs more memory than there is; use fewer --threads, or a machine with more memory")


def explained(error: BaseException) -> GeocloudError | None:
    """The error to show for one that no verb raises: too little memory, a deleted current folder, too long a path.

    None for any other error.
    """
    if problem := shortage(error):
        return problem
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return GeocloudError(too_long(str(error.filename)))
    try:
        check_current_folder()
    except GeocloudError as problem:
        return problem
    return None


def check_current_folder() -> None:
    """GeocloudError if the current folder was deleted; torch's libraries would end the process in it."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise GeocloudError("the current folder was deleted; change to one that exists") from None


def unprinted(error: BaseException) -> GeocloudError | None:
    """The error to show if a text such as --help cannot be printed because stdout is full; None for any other."""
    if not isinstance(error, OSError) or error.errno != errno.ENOSPC or error.filename is not None:
        return None
    lose_stdout(error.strerror or "full")
    return GeocloudError(f"the text cannot be printed ({error.strerror})")


LEAKED = ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH", "GDAL_PAM_PROXY_DIR")
"""Variables of other GDAL installations that break a rasterio which brings its own data."""


def protect_environment() -> None:
    """Drop variables that belong to other programs; must run before rasterio and matplotlib are imported.

    MPLBACKEND of a notebook may name a module that is not installed here, and plots are only written to files. Paths of
    projection data are dropped if rasterio brings its own. GDAL takes file names for UTF-8, so if Python uses another
    encoding for them, it is started again in UTF-8.
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
        os.environ.setdefault("CPL_LOG", os.devnull)  # GDAL prints messages besides the errors that it returns
    for message in ("Dataset has no geotransform", "The given matrix is equal to Affine.identity", "Use `@` matmul"):
        warnings.filterwarnings("ignore", message=message)  # also if PYTHONWARNINGS makes them errors


M_ARENA_MAX = -8
"""glibc's mallopt parameter: number of heaps (malloc.h)."""


def bound_heaps() -> None:
    """Use one heap for all threads; otherwise glibc keeps the memory that each thread has freed, some 100 MB here."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)


def check_projections() -> None:
    """EnvironmentProblem if projection data are broken, so that EPSG:32633 is not found."""
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
