"""May outputs be written where they are asked for? Then into a hidden folder beside that place, until all move."""

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
"""One of these stands in every file that geocloud writes for a scene, but in a mask's sidecars."""


def check_outputs(outputs: Iterable[Path], inputs: Iterable[str | os.PathLike[str]] = (), *, overwrite: bool) -> None:
    """Check the paths of all that will be written.

    Files are compared by what they are, not by how they are spelt: links, mounts and letter case lead to one file.

    Args:
        outputs: every file of the run.
        inputs: every file that is read: the scene's, the mask, the model's; URLs are skipped. They are checked
            only where an output exists.
        overwrite: whether outputs may exist; also then none may be an input or stand twice.

    Raises:
        UsageError: one is an input, is named twice, is no plain file, exists without `overwrite`, or has a name that
            no file can have.
    """
    outputs = list(outputs)
    if not overwrite:
        heal_folders(outputs)
    modes = {path: _mode(path) for path in outputs}
    inputs = _not_beside(outputs, inputs)
    check_not_read((*outputs, *(path for output in outputs for path in _beside(output))), inputs)
    written: dict[Identity, Path] = {}
    for path in outputs:
        mode, at = modes[path], _on_disk(path)
        for identity in {_place(path), at or _place(path)}:
            if identity in written:
                raise UsageError(f"{written[identity]} and {path} are one file; give each output a path of its own")
            written[identity] = path
        if mode is not None and not stat.S_ISREG(mode) and (not stat.S_ISLNK(mode) or _leads_to_stream(path)):
            raise UsageError(f"{path} is no plain file, so no output can take its place; choose another path")
        if mode is not None and not overwrite:
            raise UsageError(f"{path} exists; pass --overwrite to replace it, or choose another path")


def _leads_to_stream(link: Path) -> bool:
    """Whether a link stands for a pipe, device or folder, or is the system's own, as /dev/stdout."""
    folder = os.path.realpath(link.parent)
    return folder == "/dev" or folder.startswith("/proc/") or (link.exists() and not link.is_file())


def _not_beside(outputs: Sequence[Path], inputs: Iterable[str | os.PathLike[str]]) -> Iterable[str | os.PathLike[str]]:
    """The inputs; UsageError where an output is named as overviews, mask or metadata of one, or of another output."""
    for path in outputs:
        end = next((end for end in _BESIDE[".tif"] if path.name.lower().endswith(end)), "")
        whole = Path(os.fspath(path)[: -len(end)]) if end else path
        if not end or (whole in outputs and end == ".aux.xml"):  # a mask's own
            continue
        inputs = list(inputs)
        if whole in outputs or ((at := _on_disk(whole)) and at in map(_on_disk, inputs)):
            raise UsageError(f"{path} would be read as a part of {whole}; choose another name")
    return inputs


def heal_folders(outputs: Iterable[Path]) -> None:
    """Put back what dead runs were replacing in the folders of outputs; OutputError where that cannot be."""
    for folder in {path.parent for path in outputs}:
        if os.path.isdir(folder):  # noqa: PTH112 - also a name that no file can have
            heal_folder(folder)


def check_not_read(outputs: Iterable[Path], inputs: Iterable[str | os.PathLike[str]]) -> None:
    """UsageError where an output is an input."""
    there = {identity: path for path in outputs if (identity := _on_disk(path)) is not None}
    for path in inputs if there else ():
        found = there.get(_on_disk(path) or ())
        if found is not None:
            raise UsageError(f"{found} is the input {os.fspath(path)}, which is never replaced; choose another path")


def ignores_case(folder: Path) -> bool:
    """Whether names that differ in letter case alone are one file in a folder, or where it will be made."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    try:
        with tempfile.NamedTemporaryFile(prefix=f"{PREFIX}a", dir=there) as file:
            return Path(file.name).with_name(Path(file.name).name.swapcase()).exists()
    except OSError:
        return False


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
    if _ADDRESS.match(os.fspath(path)) and (path.is_absolute() or not Path(path.parts[0]).is_dir()):
        raise UsageError(f"{_readable(path)} is no place on a disk of this machine; choose one")
    try:
        os.fspath(path).encode("utf-8")
        if not path.parent.exists():  # where the name is looked at in the folder that the new one comes into
            there = next((folder for folder in path.parents if folder.exists()), Path())
            (there / path.name).lstat()
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
    return _on_disk(folder) or (fold_name(str(folder)),), fold_name(path.name)


def fold_name(name: str) -> str:
    """A name as disks have it to which letter case and the form of accents are nothing: equal ones may be one file."""
    return unicodedata.normalize("NFC", name).casefold()


_ADDRESS = re.compile(r"[A-Za-z][\w+.-]+:[/\\]|/vsi[a-z0-9]+/")
"""A URL, or a name of GDAL's own."""
NO_ROOM = "the file is incomplete: make room on the disk, or choose another folder"


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
        raise OutputError(f"{path} cannot be written; {NO_ROOM}") from error


def _read_all(dataset: rasterio.DatasetReader) -> None:
    for _, window in dataset.block_windows(1):
        dataset.read(window=window)


FRESH_SECONDS = 600
_BESIDE = {
    ".tif": (".aux.xml", ".ovr", ".msk"),
    ".png": (".aux.xml",),
    ".gpkg": ("-wal", "-shm", "-journal"),
}
"""Suffix of a file -> what GDAL and SQLite add to its name."""
FULL_BYTES = 1 << 20
"""A disk with less room, on which a file could not be written, is full."""
_BUSY = "another run is at work in {} (it holds {}); wait for its end, or choose another folder"


class Staging:
    """The staging folders of one scene's outputs, one per destination folder."""

    def __init__(self, stem: str, *, alone: bool = False) -> None:
        """`stem` names the run, so that a later run of the same scene finds what a killed one left; see `staged`."""
        self._label, self._alone = label_of(stem), alone
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

    def commit(self, last: Path, *, retired: Callable[[], Iterable[Path]] = tuple, overwrite: bool = True) -> None:
        """Give every staged file that was written its place, all or none.

        Args:
            last: the main output, a final path: where it is, all are.
            retired: the files of an earlier run that go with its outputs, in their folders; asked once no other run
                can change them. It may refuse the commit.
            overwrite: whether files may stand in the places.

        Raises:
            OutputError: they cannot be moved; all is as it was then.
        """
        written = sorted((final == last, path, final) for path, final in self._finals.items() if path.exists())
        finals = {final for *_, final in written}

        def gone() -> list[Path]:
            beside = [path for final in finals for path in _beside(final) if path not in finals] if overwrite else []
            return [*retired(), *beside]

        folders = {parent: folder for parent, (folder, _) in self._folders.items()}
        commit([(path, final) for _, path, final in written], folders, retired=gone, overwrite=overwrite)

    def as_asked(self, text: str) -> str:
        """A text that names staged files, with the paths that were asked for in their stead."""
        for parent, (folder, _) in self._folders.items():
            text = re.sub(re.escape(f"{folder}{os.sep}scratch-") + r"[\w.-]*", str(parent).replace("\\", r"\\"), text)
            text = text.replace(f"{folder}{os.sep}", f"{parent}{os.sep}")
        return text

    def close(self) -> None:
        """Remove the staging folders with all that is left in them, but for old outputs that could not be put back."""
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


def _beside(final: Path) -> list[Path]:
    """What programs keep beside a file and read with it: of the file that goes, it would spoil the one that comes."""
    if not final.exists():
        return []
    ends = _BESIDE.get(final.suffix.lower(), ())
    return [path for end in ends if (path := final.with_name(f"{final.name}{end}")).is_file()]


@contextmanager
def staged(stem: str, *, alone: bool = False) -> Iterator[Staging]:
    """A Staging that is cleared away at the end, whatever happens.

    `alone`: OutputError where another run of that name is under way in a folder.
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
    """Why a file cannot be written, in a few words; of a full disk libraries say only what they were doing."""
    if reason := getattr(error, "strerror", None):
        return str(reason)
    with suppress(OSError):
        if shutil.disk_usage(path if path.is_dir() else path.parent).free < FULL_BYTES:
            return os.strerror(errno.ENOSPC)
    return str(error.__cause__ or error).splitlines()[0]


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn an OSError while writing at `path` into one sentence."""
    try:
        yield
    except OSError as error:
        reason = write_reason(path, error)
        raise OutputError(f"{path} cannot be written ({reason}); choose another folder or make room") from error


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it. OutputError where that cannot be, as where a file stands in its place."""
    with write_errors(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            file = next((path for path in (folder, *folder.parents) if os.path.lexists(path)), folder)
            raise OutputError(f"{folder} cannot be written, for {file} is no folder; choose another folder") from error


def clear_leftovers(folder: Path, stem: str) -> None:
    """Put back what a dead run of any scene was replacing, and remove the staging folders of dead runs of `stem`."""
    heal_folder(folder)
    _clear_leftovers(folder, label_of(stem))


def _clear_leftovers(folder: Path, label: str) -> None:
    """Remove staging folders of a run that is dead; a living run holds its lock."""
    for fresh in folder.glob(f"{NEW}*"):
        with suppress(OSError):
            if time.time() - fresh.stat().st_mtime > FRESH_SECONDS:
                shutil.rmtree(fresh)
    for leftover in _runs(folder, label):
        with suppress(OSError):
            if not is_alive(leftover) and Journal.read(leftover) is None:
                shutil.rmtree(leftover)


def _runs(folder: Path, label: str) -> Iterator[Path]:
    """The staging folders of runs of that label, living and dead."""
    return folder.glob(f"{PREFIX}{glob.escape(label)}-*.partial")
