"""Outputs appear whole or not at all: written into a hidden folder beside their place, then renamed into it."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import rasterio
from rasterio.errors import RasterioError

from geocloud.errors import OutputError

_ROOM = "the file is incomplete: make room on the disk, or choose another folder"


def check_stored(path: Path) -> None:
    """OutputError where a plain GeoTIFF lacks a block, which would be read as nodata, or ends before one does."""
    size = path.stat().st_size
    with rasterio.open(path) as dataset:
        bands = dataset.indexes if str(dataset.profile.get("interleave", "band")).lower() == "band" else [1]
        for band in bands:
            for (row, col), _ in dataset.block_windows(band):
                place = dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=band)
                length = dataset.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", bidx=band)
                if place is None or int(place) + int(length or 0) > size:
                    raise OutputError(f"{path} cannot be written; {_ROOM}")


def check_readable(path: Path) -> None:
    """OutputError where a block of a COG or of its overviews cannot be decoded; deflate's checksums tell."""
    try:
        with rasterio.open(path) as dataset:
            levels = len(dataset.overviews(1))
            _read_all(dataset)
        for level in range(levels):
            with rasterio.open(path, overview_level=level) as dataset:
                _read_all(dataset)
    except RasterioError as error:
        raise OutputError(f"{path} cannot be written; {_ROOM}") from error


def _read_all(dataset: rasterio.DatasetReader) -> None:
    for _, window in dataset.block_windows(1):
        dataset.read(window=window)


PREFIX = ".geocloud-"
NEW = ".geocloud+new-"
"""Prefix of a staging folder whose lock is not taken yet."""
FRESH_SECONDS = 600
LOCK = "lock"


class Staging:
    """The staging folders of one scene's outputs, one a destination folder."""

    def __init__(self, stem: str) -> None:
        """`stem` names the run, so that a later run of the same scene finds what a killed one left."""
        self._stem = stem
        self._folders: dict[Path, tuple[Path, IO[str]]] = {}
        self._finals: dict[Path, Path] = {}

    def path(self, final: Path) -> Path:
        """Where to write what will become `final`; its folder is made.

        Raises:
            OutputError: the folder cannot be made or written to.
        """
        folder = self._folder(final.parent)
        staged = folder / final.name
        self._finals[staged] = final
        return staged

    def scratch(self, beside: Path, name: str) -> Path:
        """A path for an intermediate file on the same disk as `beside`, gone with the staging folder."""
        return self._folder(beside.parent) / f"scratch-{name}"

    def commit(self, last: Path) -> None:
        """Rename every staged file that was written into its place, `last` (a final path) after all others."""
        staged = sorted((final == last, path, final) for path, final in self._finals.items() if path.exists())
        for _, path, final in staged:
            with write_errors(final):
                _sync(path)
                path.replace(final)

    def close(self) -> None:
        """Remove the staging folders with all that is left in them."""
        for folder, lock in self._folders.values():
            lock.close()
            shutil.rmtree(folder, ignore_errors=True)
        self._folders.clear()

    def _folder(self, parent: Path) -> Path:
        if parent not in self._folders:
            with write_errors(parent):
                parent.mkdir(parents=True, exist_ok=True)
                clear_leftovers(parent, self._stem)
                self._folders[parent] = _locked_folder(parent, self._stem)
        return self._folders[parent][0]


@contextmanager
def staged(stem: str) -> Iterator[Staging]:
    """A Staging that is cleared away at the end, whatever happens."""
    staging = Staging(stem)
    try:
        yield staging
    finally:
        staging.close()


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn an OSError while writing at `path` into one sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{path} cannot be written ({reason}); choose another folder or make room") from error


def _locked_folder(parent: Path, stem: str) -> tuple[Path, IO[str]]:
    """A new staging folder with its lock taken before it gets the name by which other runs find it."""
    new = Path(tempfile.mkdtemp(prefix=NEW, dir=parent))
    folder = new.with_name(f"{PREFIX}{stem}-{new.name.removeprefix(NEW)}.partial")
    if os.name == "nt":  # an open file keeps its folder's name there
        new = new.rename(folder)
    lock = (new / LOCK).open("w")
    try_lock(lock)
    return new.rename(folder), lock


def clear_leftovers(folder: Path, stem: str) -> None:
    """Remove staging folders of `stem` whose run is dead; a living run holds its lock."""
    for fresh in folder.glob(f"{NEW}*"):
        with suppress(OSError):
            if time.time() - fresh.stat().st_mtime > FRESH_SECONDS:
                shutil.rmtree(fresh)
    for leftover in folder.glob(f"{PREFIX}{_glob_escape(stem)}-*.partial"):
        with suppress(OSError):
            if not (leftover / LOCK).exists() or _lock_is_free(leftover / LOCK):
                shutil.rmtree(leftover)


def _glob_escape(text: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in text)


def try_lock(file: IO[str]) -> bool:
    """Take an exclusive lock that the system drops when the process dies; False where another holds it."""
    try:
        import fcntl
    except ImportError:  # Windows: an open file cannot be deleted there, which protects a living run as well
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _lock_is_free(path: Path) -> bool:
    with path.open("r+") as file:
        return try_lock(file)


def _sync(path: Path) -> None:
    """Bring the file to the disk before its name appears."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some network and Windows file systems cannot
        pass
    finally:
        os.close(descriptor)
