"""Move all outputs of a run to their final paths, or none of them, even if the run is killed in between.

Each destination folder holds a staging folder. A commit takes these steps, under a lock on the destination folders:

    sync       write the new files through to the disk
    journal    write down all moves, in every staging folder; the journal of the main one decides
    aside      move the old files into the staging folders, the main output (the mask) first
    in         move the new files to their final paths, the main output last
    done       delete the main journal: from now on the new files are valid
    clear      delete the old files and the staging folders

While the main journal exists, whoever finds it (this run after an error, or the next run after a kill) moves the new
files out and the old files back. So if the main output exists, all files beside it are from the same run.
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
    """The change of one output; all three paths are on the same disk."""

    final: Path
    new: Path | None
    """The staged file; None if the old file is deleted without a successor."""
    old: Path
    """Path in the staging folder where the old file is kept until the commit is done."""

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
    """Move staged files to their final paths: all of them, or none.

    Args:
        staged: (staged file, final path), the main output last.
        folders: destination folder -> its staging folder, for every final and retired path.
        retired: gives files of an earlier run to delete, if they exist. It is called under the locks, when no other run
            can change them, so that it also finds the files of a run that ended in the meantime.
        overwrite: whether the final paths may exist.

    Raises:
        OutputError: a file cannot be moved, a final path is not a regular file, or it exists and `overwrite` is False;
            all files are as they were before.
    """
    if not staged:
        return
    finals = [final for _, final in staged]
    moves = [Move(final, new, folders[final.parent] / f"old-{n}") for n, (new, final) in enumerate(staged)]
    for new, _ in staged:
        _sync(new)
    with ExitStack() as locks:
        for folder in in_order(set(folders)):
            locks.enter_context(locked(folder))
        locks.enter_context(signals_wait())
        for path in finals:
            _check_place(path, overwrite=overwrite)
        superseded = [path for path in dict.fromkeys(retired()) if path not in finals and path.is_file()]
        moves[:0] = [Move(path, None, folders[path.parent] / f"gone-{n}") for n, path in enumerate(superseded)]
        _carry_out(moves)


def _carry_out(moves: Sequence[Move]) -> None:
    """Carry out the moves, of which the last one is the main output; on any error, undo them all."""
    main = moves[-1]
    current = main.final
    try:
        write_journals(moves)
        for move in reversed(moves):
            current = move.final
            if os.path.lexists(move.final):
                move.final.rename(move.old)
        for move in moves:
            current = move.final
            if move.new is not None:
                move.new.rename(move.final)
        _sync_folders([move.folder for move in moves])
        (main.folder / JOURNAL).unlink()
    except BaseException as error:
        heal(main.folder)
        _drop_journals(moves)
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            raise OutputError(f"{current} cannot be written ({reason}); all outputs are as they were before") from error
        raise
    _drop_journals(moves)


def _drop_journals(moves: Sequence[Move]) -> None:
    """Delete the journals of a commit whose outcome is decided."""
    for folder in {move.folder for move in moves}:
        with suppress(OSError):
            (folder / JOURNAL).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Journal:
    """The moves of a commit in one destination folder, so that a later run can undo them."""

    main: str
    """The main staging folder, relative to this one; empty in the main one itself."""
    others: tuple[str, ...]
    """In the main one, the other staging folders, relative to it; else empty."""
    moves: tuple[tuple[str, str, str], ...]
    """(final name, staged name or empty, old name); names without folders, so that no other file is ever moved."""

    def write(self, folder: Path) -> None:
        """Write the journal into a staging folder, through to the disk."""
        with (folder / JOURNAL).open("w", encoding="ascii") as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(folder)

    @classmethod
    def read(cls, folder: Path) -> Journal | None:
        """The journal of a staging folder; None if it is missing or incomplete: then nothing was moved yet."""
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
    """True for a file name without a folder."""
    return name not in ("", ".", "..") and not {"/", os.sep, "\0"} & set(name)


def write_journals(moves: Sequence[Move]) -> None:
    """Write a journal of its own files into every staging folder; the main one, which decides, comes last."""
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
    """Undo every commit that a dead run left incomplete in a destination folder, whatever its scene.

    Raises:
        OutputError: a file cannot be moved back.
    """
    for folder in destination.glob(STAGING):
        journal = Journal.read(folder)
        if journal is None or not _is_own(folder) or is_alive(folder):
            continue
        places = [folder / place for place in (journal.main, *journal.others) if place]
        with ExitStack() as locks:
            for parent in in_order({destination, *(place.parent for place in places if place.parent.is_dir())}):
                locks.enter_context(locked(parent))
            locks.enter_context(signals_wait())
            heal(folder)


def heal(folder: Path) -> None:
    """Undo the commit whose journal is in this staging folder; calling it again does no harm.

    The caller holds the locks on the destination folders. A journal only moves files between its own folder and the
    parent of that folder.

    Raises:
        OutputError: a file cannot be moved; the journal stays for the next run.
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
        parts = []  # the main journal is missing: the commit was done, or nothing was moved yet
    for other in map(folder.joinpath, journal.others):
        part_journal = Journal.read(other)
        if part_journal is not None and _is_own(other):
            parts.append((other, part_journal))
    try:
        for part, part_journal in parts:
            _move_out(part, part_journal)
        for part, part_journal in reversed(parts):
            _move_back(part, part_journal)
        _sync_folders([part for part, _ in parts])
        for part, _ in reversed(parts or [(folder, journal)]):
            (part / JOURNAL).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{error.filename} cannot be moved back ({error.strerror or error}): a run was stopped while it replaced "
            f"the outputs, and the old ones are in {folder}; make that possible and run again"
        ) from error


def _move_out(folder: Path, journal: Journal) -> None:
    """Move the new files back into the staging folder, the last one (the main output) first."""
    for final, new, _ in reversed(journal.moves):
        final_path = folder.parent / final
        if new and not os.path.lexists(folder / new) and os.path.lexists(final_path):
            final_path.rename(folder / new)


def _move_back(folder: Path, journal: Journal) -> None:
    """Move the old files back to their final paths, the main output last."""
    for final, _, old in journal.moves:
        if os.path.lexists(folder / old):
            (folder / old).rename(folder.parent / final)


def _is_own(folder: Path) -> bool:
    """True for a staging folder of this user; the journals of other users are ignored."""
    return not folder.is_symlink() and (os.name == "nt" or folder.stat().st_uid == os.geteuid())


def _check_place(path: Path, *, overwrite: bool) -> None:
    """OutputError if an output may not take this final path."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
        raise OutputError(f"{path} is no plain file, so it is not replaced; move it, or choose another path")
    if not overwrite:
        raise OutputError(f"{path} was written by another run in the meantime; pass --overwrite to replace it")


def _sync(path: Path) -> None:
    """Write a file through to the disk, if the file system supports it; OutputError if the disk is full."""
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
    """Write the entries of a folder through to the disk, if the system supports it."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sync_folders(staging: Sequence[Path]) -> None:
    """`sync_folder` for staging folders and their parents."""
    for folder in dict.fromkeys(staging):
        sync_folder(folder)
        sync_folder(folder.parent)
