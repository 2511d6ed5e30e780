"""Outputs take their places together or not at all, whatever stops the run in between.

Each destination folder has a staging folder beside its files. A commit is, under a lock on the destination folders:

    sync       the new files to the disk
    journal    what is going to move, in every staging folder; that of the main one decides
    aside      the old files into the staging folders, the main output (the mask) first
    in         the new files into their places, the main output last
    done       the main journal is removed: from here on the new set stands
    clear      old files and staging folders

While the main journal stands, whoever finds it (this run after an error, or the next run after a kill) moves the new
files out and the old ones back. So where the main output is, all files beside it are of its run.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from geocloud.errors import OutputError
from geocloud.writers.locks import in_order, is_alive, locked, signals_wait

JOURNAL = "journal.json"
STAGING = ".geocloud-*.partial"


@dataclass(frozen=True, slots=True)
class Move:
    """One file's change; all three paths are on one disk."""

    final: Path
    new: Path | None
    """The staged file; None where an old file goes and none takes its place."""
    old: Path
    """Where the old file waits, in the staging folder, until all is done."""

    @property
    def folder(self) -> Path:
        """The staging folder."""
        return self.old.parent


def commit(
    staged: Sequence[tuple[Path, Path]],
    folders: Mapping[Path, Path],
    *,
    retired: Callable[[], Iterable[Path]] = tuple,
    overwrite: bool = True,
) -> None:
    """Give staged files their places.

    Args:
        staged: (staged file, final path), the main output last.
        folders: destination folder -> its staging folder, for every final and retired path.
        retired: the files of an earlier run that go, where they exist; asked when no other run can change them, so
            that those of one that ended meanwhile are among them.
        overwrite: whether files may stand in the places.

    Raises:
        OutputError: one file cannot be moved, something that is no file stands in a place, or `overwrite` is False and
            a file does; all is as it was before then.
    """
    if not staged:
        return
    finals = [final for _, final in staged]
    moves = [Move(final, new, folders[final.parent] / f"old-{n}") for n, (new, final) in enumerate(staged)]
    for new, _ in staged:
        _sync(new)
    with ExitStack() as held:
        for folder in in_order(set(folders)):
            held.enter_context(locked(folder))
        held.enter_context(signals_wait())
        for path in finals:
            _check_place(path, overwrite=overwrite)
        gone = [path for path in dict.fromkeys(retired()) if path not in finals and path.is_file()]
        moves[:0] = [Move(path, None, folders[path.parent] / f"gone-{n}") for n, path in enumerate(gone)]
        _carry_out(moves)


def _carry_out(moves: Sequence[Move]) -> None:
    """The moves, the last one's file being the main output; on any error all is moved back."""
    main = moves[-1]
    at = main.final
    try:
        write_journals(moves)
        for move in reversed(moves):
            at = move.final
            if os.path.lexists(move.final):
                move.final.rename(move.old)
        for move in moves:
            at = move.final
            if move.new is not None:
                move.new.rename(move.final)
        _sync_folders([move.folder for move in moves])
        (main.folder / JOURNAL).unlink()
    except BaseException as error:
        heal(main.folder)
        _drop_journals(moves)
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            raise OutputError(f"{at} cannot be written ({reason}); all outputs are as they were before") from error
        raise
    _drop_journals(moves)


def _drop_journals(moves: Sequence[Move]) -> None:
    """Of a commit that is decided."""
    for folder in {move.folder for move in moves}:
        with suppress(OSError):
            (folder / JOURNAL).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Journal:
    """What a commit moves in one destination folder; it is read back by runs that know nothing of the commit."""

    main: str
    """The main staging folder, relative to this one; empty where this is it."""
    others: tuple[str, ...]
    """In the main one: the other staging folders, relative to it."""
    moves: tuple[tuple[str, str, str], ...]
    """(name of the final file, of the staged one or empty, of the old one); plain names, so nothing else is moved."""

    def write(self, folder: Path) -> None:
        """Write it to the disk."""
        with (folder / JOURNAL).open("w", encoding="ascii") as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(folder)

    @classmethod
    def read(cls, folder: Path) -> Journal | None:
        """That of a staging folder; None where there is none, or half of one: then nothing was moved yet."""
        if not (folder / JOURNAL).is_file():
            return None
        try:
            stored = json.loads((folder / JOURNAL).read_bytes())
            moves = tuple((str(final), str(new), str(old)) for final, new, old in stored["moves"])
            journal = cls(str(stored["main"]), tuple(map(str, stored["others"])), moves)
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        plain = all(_is_plain(final) and _is_plain(old) and (not new or _is_plain(new)) for final, new, old in moves)
        return journal if plain else None


def _is_plain(name: str) -> bool:
    """True for the name of a file in a folder."""
    return name not in ("", ".", "..") and not {"/", os.sep, "\0"} & set(name)


def write_journals(moves: Sequence[Move]) -> None:
    """A journal in every staging folder, of its own files; the main one, which decides, comes last."""
    main = moves[-1].folder
    others = list(dict.fromkeys(move.folder for move in moves if move.folder != main))
    for folder in (*others, main):
        Journal(
            "" if folder == main else os.path.relpath(main, folder),
            tuple(os.path.relpath(other, main) for other in others) if folder == main else (),
            tuple(
                (move.final.name, "" if move.new is None else move.new.name, move.old.name)
                for move in moves
                if move.folder == folder
            ),
        ).write(folder)


def heal_folder(destination: Path) -> None:
    """Put back the outputs of every commit that a dead run left half done in a folder, of whatever scene.

    Raises:
        OutputError: they cannot be put back.
    """
    for folder in destination.glob(STAGING):
        journal = Journal.read(folder)
        if journal is None or not _is_own(folder) or is_alive(folder):
            continue
        places = [folder / place for place in (journal.main, *journal.others) if place]
        with ExitStack() as held:
            for parent in in_order({destination, *(place.parent for place in places if place.parent.is_dir())}):
                held.enter_context(locked(parent))
            held.enter_context(signals_wait())
            heal(folder)


def heal(folder: Path) -> None:
    """End the commit whose journal is in a staging folder, by putting back what was there before; idempotent.

    The caller holds the locks on the destinations. A journal moves files between its folder and the one above only.

    Raises:
        OutputError: a file cannot be moved; the journal stays, for the next run.
    """
    journal = Journal.read(folder)
    if journal is None:
        return
    main = folder / journal.main
    if journal.main and Journal.read(main) is not None:
        heal(main)
        return
    parts = [(folder, journal)]
    if journal.main:
        parts = []  # the commit was done, or nothing had been moved
    for place in map(folder.joinpath, journal.others):
        found = Journal.read(place)
        if found is not None and _is_own(place):
            parts.append((place, found))
    try:
        for part, found in parts:
            _move_out(part, found)
        for part, found in reversed(parts):
            _move_back(part, found)
        _sync_folders([part for part, _ in parts])
        for part, _ in reversed(parts or [(folder, journal)]):
            (part / JOURNAL).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{error.filename} cannot be moved back ({error.strerror or error}): a run was stopped while it replaced "
            f"the outputs, and the old ones are in {folder}; make that possible and run again"
        ) from error


def _move_out(folder: Path, journal: Journal) -> None:
    """New files leave their places, the last one's (the main output) first."""
    for final, new, _ in reversed(journal.moves):
        place = folder.parent / final
        if new and not os.path.lexists(folder / new) and os.path.lexists(place):
            place.rename(folder / new)


def _move_back(folder: Path, journal: Journal) -> None:
    """Old files return, the main output last."""
    for final, _, old in journal.moves:
        if os.path.lexists(folder / old):
            (folder / old).rename(folder.parent / final)


def _is_own(folder: Path) -> bool:
    """True for a staging folder of this user's: another's journal moves nothing of ours."""
    return not folder.is_symlink() and (os.name == "nt" or folder.stat().st_uid == os.geteuid())


def _check_place(path: Path, *, overwrite: bool) -> None:
    """OutputError where no output may take a place."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
        raise OutputError(f"{path} is no plain file, so it is not replaced; move it, or choose another path")
    if not overwrite:
        raise OutputError(f"{path} was written by another run in the meantime; pass --overwrite to replace it")


def _sync(path: Path) -> None:
    """Bring a file to the disk; some network and Windows file systems cannot. OutputError where it finds no room."""
    try:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS):
            reason = error.strerror or str(error)
            raise OutputError(
                f"{path.name} cannot be written ({reason}); make room on the disk, or choose another folder"
            ) from error


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sync_folders(staging: Sequence[Path]) -> None:
    """The names in staging folders and in the folders above them."""
    for folder in dict.fromkeys(staging):
        sync_folder(folder)
        sync_folder(folder.parent)
