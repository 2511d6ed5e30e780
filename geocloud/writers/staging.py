"""Check the paths of outputs, write them into hidden staging folders, and move all to their final paths at once."""

from __future__ import annotations

import errno
import glob
import mmap
import os
import re
import shutil
import stat
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO

import rasterio
from rasterio.errors import RasterioError

from geocloud.errors import OutputError, UsageError, too_long
from geocloud.writers.commit import Journal, commit, heal_folder
from geocloud.writers.locks import NEW, PREFIX, is_alive, label_of, locked, locked_folder, signals_wait

Identity = tuple[object, ...]
_TAGS = (b"GEOCLOUD_VERSION", b"geocloud:version")
"""Every file that geocloud writes for a scene holds one of these, except the sidecars of a mask."""
_ADDRESS = re.compile(r"[A-Za-z][\w+.-]+:[/\\]|/vsi[a-z0-9]+/")
"""A URL, or a path in one of GDAL's virtual file systems."""
NO_ROOM = "the file is incomplete: make room on the disk, or choose another folder"
FRESH_SECONDS = 600
"""A staging folder that is not locked yet may belong to a living run for so long."""
_SIDECARS = {
    ".tif": (".aux.xml", ".ovr", ".msk"),
    ".png": (".aux.xml",),
    ".gpkg": ("-wal", "-shm", "-journal"),
}
"""Suffix of a file -> suffixes that GDAL and SQLite append to its whole name."""
FULL_BYTES = 1 << 20
"""If a file could not be written and less space is free, the disk counts as full."""
_BUSY = "another run is at work in {} (it holds {}); wait for its end, or choose another folder"


def check_outputs(outputs: Iterable[Path], inputs: Iterable[str | os.PathLike[str]] = (), *, overwrite: bool) -> None:
    """Check the paths of all files that a run will write.

    Files are compared by identity, not by name: paths that differ by links, mounts or letter case are the same file.

    Args:
        outputs: every file that the run writes.
        inputs: every file that it reads; URLs are skipped. They are checked only if an output exists.
        overwrite: whether outputs may exist. Even so, none may be an input or be listed twice.

    Raises:
        UsageError: an output is an input, is listed twice, is no regular file, exists without `overwrite`, or no file
            can have its name.
        OutputError: what an interrupted run was replacing cannot be restored.
    """
    outputs = list(outputs)
    if not overwrite:
        heal_folders(outputs)
    modes = {path: _mode(path) for path in outputs}
    inputs = _no_sidecar(outputs, inputs)
    check_not_read((*outputs, *(path for output in outputs for path in _sidecars(output))), inputs)
    written: dict[Identity, Path] = {}
    for path in outputs:
        mode, on_disk = modes[path], _on_disk(path)
        for identity in {_place(path), on_disk or _place(path)}:
            if identity in written:
                raise UsageError(f"{written[identity]} and {path} are one file; give each output a path of its own")
            written[identity] = path
        if mode is not None and not stat.S_ISREG(mode) and (not stat.S_ISLNK(mode) or _leads_to_stream(path)):
            raise UsageError(f"{path} is no plain file, so no output can take its place; choose another path")
        if mode is not None and not overwrite:
            raise UsageError(f"{path} exists; pass --overwrite to replace it, or choose another path")


def _leads_to_stream(link: Path) -> bool:
    """Whether a link leads to a pipe, device or folder, or belongs to the system, such as /dev/stdout."""
    folder = os.path.realpath(link.parent)
    return folder == "/dev" or folder.startswith("/proc/") or (link.exists() and not link.is_file())


def _no_sidecar(outputs: Sequence[Path], inputs: Iterable[str | os.PathLike[str]]) -> Iterable[str | os.PathLike[str]]:
    """The inputs; UsageError if GDAL would read an output as the overviews, mask or metadata of an input or output."""
    for path in outputs:
        suffix = next((suffix for suffix in _SIDECARS[".tif"] if path.name.lower().endswith(suffix)), "")
        owner = Path(os.fspath(path)[: -len(suffix)]) if suffix else path
        if not suffix or (owner in outputs and suffix == ".aux.xml"):  # the mask's own sidecar
            continue
        inputs = list(inputs)
        if owner in outputs or ((identity := _on_disk(owner)) and identity in map(_on_disk, inputs)):
            raise UsageError(f"{path} would be read as a part of {owner}; choose another name")
    return inputs


def heal_folders(outputs: Iterable[Path]) -> None:
    """Restore what interrupted runs were replacing in the folders of these outputs; OutputError if that fails."""
    for folder in {path.parent for path in outputs}:
        if os.path.isdir(folder):  # noqa: PTH112 - also takes names that no file can have
            heal_folder(folder)


def check_not_read(outputs: Iterable[Path], inputs: Iterable[str | os.PathLike[str]]) -> None:
    """UsageError if an output is also an input."""
    existing = {identity: path for path in outputs if (identity := _on_disk(path)) is not None}
    for path in inputs if existing else ():
        output = existing.get(_on_disk(path) or ())
        if output is not None:
            raise UsageError(f"{output} is the input {os.fspath(path)}, which is never replaced; choose another path")


def ignores_case(folder: Path) -> bool:
    """Whether names that differ only in letter case are the same file in a folder, which need not exist yet."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    try:
        with tempfile.NamedTemporaryFile(prefix=f"{PREFIX}a", dir=existing) as file:
            return Path(file.name).with_name(Path(file.name).name.swapcase()).exists()
    except OSError:
        return False


def has_tags(path: Path) -> bool:
    """True for a regular file that holds one of geocloud's tags."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return any(content.find(tag) >= 0 for tag in _TAGS)
    except (OSError, ValueError):  # absent or empty
        return False


def _mode(path: Path) -> int | None:
    """`st_mode` of the file or link at a path; None if there is none. UsageError for a name that no file can have."""
    if _ADDRESS.match(os.fspath(path)) and (path.is_absolute() or not Path(path.parts[0]).is_dir()):
        raise UsageError(f"{_readable(path)} is no place on a disk of this machine; choose one")
    try:
        os.fspath(path).encode("utf-8")
        if not path.parent.exists():  # then check that the disk accepts the name
            existing = next((folder for folder in path.parents if folder.exists()), Path())
            (existing / path.name).lstat()
            return None
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.ENAMETOOLONG:
            raise UsageError(too_long(_readable(path))) from error
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise UsageError(f"{_readable(path)} cannot be a file ({reason}); choose another name") from error


def _readable(path: Path) -> str:
    """A path as text that every stream can print."""
    return ascii(os.fspath(path))[1:-1] if not str(path).isprintable() else str(path)


def _on_disk(path: str | os.PathLike[str]) -> Identity | None:
    """Device and inode of the file that a path leads to; None if there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - also takes texts that are not paths
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _place(path: Path) -> Identity:
    """Identity of a path that need not exist: its folder's, and the name as `fold_name` gives it."""
    folder = Path(os.path.realpath(path.parent))
    return _on_disk(folder) or (fold_name(str(folder)),), fold_name(path.name)


def fold_name(name: str) -> str:
    """The name without letter case and Unicode form: names with equal results may be the same file on some disks."""
    return unicodedata.normalize("NFC", name).casefold()


def check_readable(path: Path) -> None:
    """OutputError if a block of a COG or of its overviews cannot be decoded; deflate's checksums show damage."""
    try:
        with rasterio.open(path) as dataset:
            levels = len(dataset.overviews(1))
            _read_all(dataset)
        for level in range(levels):
            with rasterio.open(path, overview_level=level) as dataset:
                _read_all(dataset)
    except RasterioError as error:
        raise OutputError(f"{path} cannot be written; {NO_ROOM}") from error


def _read_all(dataset: rasterio.DatasetReader) -> None:
    for _, window in dataset.block_windows(1):
        dataset.read(window=window)


class Staging:
    """The staging folders of one scene's outputs, one per destination folder."""

    def __init__(self, stem: str, *, alone: bool = False) -> None:
        """`stem` names the run, so that a later run of the same scene finds leftovers of a killed one; see `staged`."""
        self._label, self._alone = label_of(stem), alone
        self._folders: dict[Path, tuple[Path, IO[str]]] = {}
        self._finals: dict[Path, Path] = {}

    def path(self, final: Path) -> Path:
        """The path to write to, for what will become `final`; OutputError if its folder cannot be made or used."""
        folder = self._folder(final.parent)
        staged = folder / final.name
        self._finals[staged] = final
        return staged

    def scratch(self, beside: Path, name: str) -> Path:
        """A path for an intermediate file on the disk of `beside`; it is deleted with the staging folder."""
        return self._folder(beside.parent) / f"scratch-{name}"

    def commit(self, last: Path, *, retired: Callable[[], Iterable[Path]] = tuple, overwrite: bool = True) -> None:
        """Move every staged file that was written to its final path: all of them, or none.

        Args:
            last: final path of the main output, which moves last: if it is there, all outputs are.
            retired: gives files of an earlier run to delete, in the outputs' folders; it is called under their locks,
                and may raise to refuse the commit.
            overwrite: whether the final paths may exist.

        Raises:
            OutputError: a file cannot be moved; all files are as they were before.
        """
        written = sorted((final == last, path, final) for path, final in self._finals.items() if path.exists())
        finals = {final for *_, final in written}

        def superseded() -> list[Path]:
            sidecars = [path for final in finals if overwrite for path in _sidecars(final) if path not in finals]
            return [*retired(), *sidecars]

        folders = {parent: folder for parent, (folder, _) in self._folders.items()}
        commit([(path, final) for _, path, final in written], folders, retired=superseded, overwrite=overwrite)

    def as_asked(self, text: str) -> str:
        """The text, with the paths of staged files replaced by the final paths."""
        for parent, (folder, _) in self._folders.items():
            text = re.sub(re.escape(f"{folder}{os.sep}scratch-") + r"[\w.-]*", str(parent).replace("\\", r"\\"), text)
            text = text.replace(f"{folder}{os.sep}", f"{parent}{os.sep}")
        return text

    def close(self) -> None:
        """Remove the staging folders and what is left in them; one with old outputs that were not restored stays."""
        for folder, lock in self._folders.values():
            lock.close()
            if Journal.read(folder) is None:
                shutil.rmtree(folder, ignore_errors=True)
        self._folders.clear()

    def _folder(self, parent: Path) -> Path:
        if parent not in self._folders:
            make_folder(parent)
            with write_errors(parent):
                heal_folder(parent)
                _clear_leftovers(parent, self._label)
                with locked(parent) if self._alone else nullcontext():
                    if self._alone and (other := next(_runs(parent, self._label), None)):
                        raise OutputError(_BUSY.format(parent, other.name))
                    self._folders[parent] = locked_folder(parent, self._label)
        return self._folders[parent][0]


def _sidecars(final: Path) -> list[Path]:
    """Sidecars that GDAL and SQLite wrote for the old file at this path: they would be wrong for the new one."""
    if not final.exists():
        return []
    suffixes = _SIDECARS.get(final.suffix.lower(), ())
    return [path for suffix in suffixes if (path := final.with_name(f"{final.name}{suffix}")).is_file()]


@contextmanager
def staged(stem: str, *, alone: bool = False) -> Iterator[Staging]:
    """A Staging, which is removed at the end even after an error.

    `stem` names the run. `alone`: OutputError if another run of this name is at work in one of the folders.
    """
    staging = Staging(stem, alone=alone)
    try:
        yield staging
    except OutputError as error:
        raise OutputError(staging.as_asked(str(error))) from error
    finally:
        with signals_wait():
            staging.close()


def write_reason(path: Path, error: Exception) -> str:
    """Why a file cannot be written, in a few words; it names a full disk, which libraries do not."""
    if reason := getattr(error, "strerror", None):
        return str(reason)
    with suppress(OSError):
        if shutil.disk_usage(path if path.is_dir() else path.parent).free < FULL_BYTES:
            return os.strerror(errno.ENOSPC)
    return str(error.__cause__ or error).splitlines()[0]


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn an OSError while writing at `path` into an OutputError."""
    try:
        yield
    except OSError as error:
        reason = write_reason(path, error)
        raise OutputError(f"{path} cannot be written ({reason}); choose another folder or make room") from error


def make_folder(folder: Path) -> None:
    """Make a folder and its parents; OutputError if that fails, for example because a file has its name."""
    with write_errors(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            file = next((path for path in (folder, *folder.parents) if os.path.lexists(path)), folder)
            raise OutputError(f"{folder} cannot be written, for {file} is no folder; choose another folder") from error


def clear_leftovers(folder: Path, stem: str) -> None:
    """Undo what dead runs of any scene left incomplete, and remove the staging folders of dead runs of `stem`."""
    heal_folder(folder)
    _clear_leftovers(folder, label_of(stem))


def _clear_leftovers(folder: Path, label: str) -> None:
    """Remove the staging folders of dead runs with this label; living runs hold a lock."""
    for fresh in folder.glob(f"{NEW}*"):
        with suppress(OSError):
            if time.time() - fresh.stat().st_mtime > FRESH_SECONDS:
                shutil.rmtree(fresh)
    for leftover in _runs(folder, label):
        with suppress(OSError):
            if not is_alive(leftover) and Journal.read(leftover) is None:
                shutil.rmtree(leftover)


def _runs(folder: Path, label: str) -> Iterator[Path]:
    """The staging folders of all runs with this label, living and dead."""
    return folder.glob(f"{PREFIX}{glob.escape(label)}-*.partial")
