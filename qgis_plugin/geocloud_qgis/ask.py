"""Runs commands of the program that print one JSON value to stdout. Imports no qgis."""

from __future__ import annotations

import json
import os
import subprocess  # nosec B404 - running the installed program is what this plugin does
from pathlib import Path
from typing import Any, Mapping, Sequence

from .runner import ProgramError
from .speech import field_titles, in_our_words
from .texts import tr

SECONDS = 120
"""Time limit; the first start after an installation is slow, since torch alone has hundreds of megabytes."""


def ask(program: Path, environ: Mapping[str, str], arguments: Sequence[str], seconds: float = SECONDS) -> Any:  # noqa: ANN401
    """The last JSON value that the program prints.

    Raises:
        ProgramError: the program does not start, does not answer in time, or fails.
    """
    try:
        done = subprocess.run(  # nosec B603 - a list of arguments, never a shell
            [str(program), *arguments],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
            creationflags=subprocess.CREATE_NO_WINDOW if os.name == "nt" else 0,
        )
    except subprocess.TimeoutExpired as error:
        raise ProgramError(
            tr("{program} did not answer within {seconds} seconds").format(program=program, seconds=f"{seconds:g}")
        ) from error
    except OSError as error:
        raise ProgramError(
            tr("{program} cannot be started ({reason})").format(program=program, reason=error.strerror or error)
        ) from error
    answer = _last_value(done.stdout.decode("utf-8", "replace"))
    if done.returncode != 0 or answer is None:
        raise ProgramError(_sentence(done.stderr.decode("utf-8", "replace"), program))
    return answer


def _sentence(stderr: str, program: Path) -> str:
    """The program's error message; without one, a message of the plugin and the last line of stderr."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    own = [line for line in lines if line.lower().startswith("error: ")]
    if own:
        return in_our_words(own[-1][len("error: ") :], field_titles())
    text = tr("{program} is not a working geocloud").format(program=program)
    return f"{text}: {lines[-1]}" if lines else text


def _last_value(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value of the last line that is JSON; None if there is none."""
    values = (_value(line) for line in reversed(text.splitlines()))
    return next((value for value in values if value is not None), None)


def _value(line: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value of a line; None if it is not JSON."""
    try:
        return json.loads(line)
    except ValueError:
        return None
