"""The manifest of a folder: one JSON line per scene that ended, flushed at once, so that any stopped run can resume."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from geocloud.errors import OutputError, UsageError
from geocloud.pipeline.detection import Detection
from geocloud.writers.locks import take_lock
from geocloud.writers.staging import make_folder, staged, write_errors

Status = Literal["done", "failed"]


@dataclass(frozen=True, slots=True)
class OutputFile:
    """State of a file when it was written."""

    path: str
    """Path relative to the batch's folder."""
    bytes: int
    modified_ns: int
    """Time of the last change, nanoseconds since 1970."""
    sha256: str

    def __post_init__(self) -> None:
        """TypeError or ValueError for a path outside the batch's folder: a manifest may come from anywhere."""
        if not isinstance(self.path, str) or not self.path or "\0" in self.path:
            raise TypeError(f"path {self.path!r} must be a text")
        if Path(self.path).is_absolute() or ".." in Path(self.path).parts:
            raise ValueError(f"path {self.path!r} must be below the batch's folder")

    def is_whole(self, folder: Path) -> bool:
        """True if size and modification time are still the same, or if only the time differs but not the hash."""
        path = folder / self.path
        try:
            status = path.stat()
        except OSError:
            return False
        if status.st_size != self.bytes:
            return False
        return status.st_mtime_ns == self.modified_ns or file_hash(path) == self.sha256


@dataclass(frozen=True, slots=True)
class Record:
    """How one scene ended."""

    scene: str
    """Path or URL; local paths are absolute."""
    status: Status
    parameters: str
    """Hash of model and options."""
    fingerprint: str = ""
    """Hash of the scene's files; empty if its worker died."""
    cloud_percent: float | None = None
    """Cloud cover in percent of the valid pixels; None if there are none or the scene failed."""
    pixels: int = 0
    """Number of pixels: height times width."""
    seconds: float = 0.0
    """Duration of the task, or the sum over all tasks of a raster that was split."""
    outputs: Mapping[str, OutputFile] = field(default_factory=dict)
    """`mask`, `polygons`, `stac`, … -> file."""
    error: str | None = None
    """One sentence; None if the scene is done."""
    notes: tuple[str, ...] = ()
    """Assumptions that had to be made."""

    def __post_init__(self) -> None:
        """TypeError for fields of a wrong type: a manifest may come from anywhere."""
        if not all(isinstance(text, str) for text in (self.scene, self.status, self.parameters, self.fingerprint)):
            raise TypeError("scene, status, parameters and fingerprint must be texts")
        numbers = (self.pixels, self.seconds, 0.0 if self.cloud_percent is None else self.cloud_percent)
        if not all(isinstance(number, int | float) and number == number for number in numbers):  # noqa: PLR0124 - NaN
            raise TypeError("pixels, seconds and cloud_percent must be numbers")
        if not all(isinstance(text, str) for text in (self.error or "", *self.notes)):
            raise TypeError("error and notes must be texts")

    def is_whole(self, folder: Path) -> bool:
        """True if there are outputs and all are still the same."""
        return bool(self.outputs) and all(file.is_whole(folder) for file in self.outputs.values())

    def to_json(self) -> str:
        """The record as one line of JSON, without a line break."""
        line = json.dumps(asdict(self), ensure_ascii=False, allow_nan=False)
        return line.encode("utf-8", "backslashreplace").decode("utf-8")  # bytes that are not UTF-8, as escapes

    @classmethod
    def from_json(cls, line: str) -> Record:
        """The inverse of `to_json`; ValueError, TypeError or KeyError if the line is not a record."""
        raw: dict[str, Any] = json.loads(line)
        outputs = {key: OutputFile(**file) for key, file in raw["outputs"].items()}
        return cls(**{**raw, "outputs": outputs, "notes": tuple(raw["notes"])})


def written_files(detection: Detection, folder: Path) -> dict[str, OutputFile]:
    """The current state of all files of a detection."""
    return {key: _written(path, folder) for key, path in detection.files.items()}


def _written(path: Path, folder: Path) -> OutputFile:
    """The current state of a file below `folder`."""
    status = path.stat()
    return OutputFile(path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns, file_hash(path))


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal; the file is read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """Progress of a batch."""

    total: int
    """Number of scenes to run, without those that are kept from an earlier run."""
    kept: int = 0
    done: int = 0
    failed: int = 0
    running: int = 0
    """Upper bound of the number of scenes that are running."""
    pixels: int = 0
    """Number of pixels of the scenes that are done."""
    seconds: float = 0.0
    """Time since the start of the batch."""

    @property
    def ended(self) -> int:
        """Number of scenes that are done or failed."""
        return self.done + self.failed

    @property
    def mpx_per_second(self) -> float:
        """Million pixels per second, of all workers together."""
        return self.pixels / 1e6 / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimate of the remaining time, from the speed so far; None before the first scene has ended."""
        return self.seconds / self.ended * (self.total - self.ended) if self.ended else None


BatchProgress = Callable[[BatchCounts, Record | None], None]
"""Called with each new record, and with None about once per second. It may raise Cancelled to stop the batch."""


def tell_nobody(tally: BatchCounts, record: Record | None) -> None:
    """Report no progress."""


MANIFEST = "manifest.jsonl"
CSV, FOOTPRINTS, COLLECTION = "summary.csv", "footprints.gpkg", "collection.json"
BATCH_FILES = (MANIFEST, CSV, FOOTPRINTS, COLLECTION)
"""Files that a batch writes in addition to the outputs of its scenes."""


class Manifest:
    """The manifest, open for appending by one batch at a time."""

    def __init__(self, folder: Path, *, anew: bool = False) -> None:
        """Open the manifest of a folder, which is made if needed; `anew`: empty the manifest.

        Raises:
            OutputError: it cannot be written.
            UsageError: another batch is writing it.
        """
        self.path = folder / MANIFEST
        make_folder(folder)
        _copy_if_linked(self.path)
        with write_errors(self.path):
            self._file = self.path.open("a+", encoding="utf-8")
        if not take_lock(self._file):
            self._file.close()
            raise UsageError(f"another batch is writing {self.path}; wait for its end, or choose another folder")
        with write_errors(self.path):
            if anew:
                self._file.truncate(0)
            elif self._is_torn():
                self._file.write("\n")

    def _is_torn(self) -> bool:
        """True if the last line is incomplete, as a killed run leaves it."""
        with self.path.open("rb") as file:
            content_end = file.seek(0, 2)
            if not content_end:
                return False
            file.seek(content_end - 1)
            return file.read(1) != b"\n"

    def add(self, record: Record) -> None:
        """Append a line and flush it; OutputError if it cannot be written."""
        with write_errors(self.path):
            self._file.write(record.to_json() + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file, so that another batch can write it; OutputError if a line was not written."""
        with write_errors(self.path):
            self._file.close()

    def __enter__(self) -> Self:
        """The manifest itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def _copy_if_linked(path: Path) -> None:
    """Replace a manifest that is a link, or has several hard links, by a copy: lines are appended in place.

    Raises:
        OutputError: there is something other than a file at this path.
    """
    if not os.path.lexists(path):
        return
    if not path.is_file():
        raise OutputError(f"{path} is no plain file, so no manifest can be kept in it; move it away")
    if path.is_symlink() or path.stat().st_nlink > 1:
        with staged(path.stem) as staging:
            with write_errors(path):
                shutil.copyfile(path, staging.path(path))
            staging.commit(path)


def read_manifest(folder: Path) -> dict[str, Record]:
    """Scene -> its last record; empty without a manifest. Lines that are not records, or incomplete, are ignored."""
    records: dict[str, Record] = {}
    path = folder / MANIFEST
    if not path.is_file():
        return records
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
                record = Record.from_json(line)
                records[record.scene] = record
    return records
