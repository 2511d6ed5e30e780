"""What the commands share: errors as one sentence, output as JSON lines or text, options used by several."""

from __future__ import annotations

import functools
import json
import os
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
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


LEAKED = ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH", "GDAL_PAM_PROXY_DIR")


def protect_environment() -> None:
    """Drop leaked variables where rasterio carries its own projection data; must run before it is imported."""
    spec = find_spec("rasterio")
    if spec is None or spec.origin is None or not (Path(spec.origin).parent / "proj_data").is_dir():
        return
    for name in LEAKED:
        os.environ.pop(name, None)
    for message in ("Dataset has no geotransform", "The given matrix is equal to Affine.identity"):
        warnings.filterwarnings("ignore", message=message)  # the commands say so themselves


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
