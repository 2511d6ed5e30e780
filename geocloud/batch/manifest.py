"""The manifest of a folder: a JSON line per scene that ended, appended and flushed, so that any end resumes."""

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
    """A file as it was when it was written."""

    path: str
    """Relative to the batch's folder."""
    bytes: int
    modified_ns: int
    """Time of the last change, nanoseconds since 1970."""
    sha256: str

    def __post_init__(self) -> None:
        """A manifest may come from anywhere: its paths stay in the batch's folder."""
        if not isinstance(self.path, str) or not self.path or "\0" in self.path:
            raise TypeError(f"path {self.path!r} must be a text")
        if Path(self.path).is_absolute() or ".." in Path(self.path).parts:
            raise ValueError(f"path {self.path!r} must be below the batch's folder")

    def is_whole(self, folder: Path) -> bool:
        """True where the file is still the same: by size and time; where only the time differs, by its hash."""
        path = folder / self.path
        try:
            found = path.stat()
        except OSError:
            return False
        if found.st_size != self.bytes:
            return False
        return found.st_mtime_ns == self.modified_ns or file_hash(path) == self.sha256


@dataclass(frozen=True, slots=True)
class Record:
    """How one scene ended."""

    scene: str
    """Path or URL; local paths are absolute."""
    status: Status
    parameters: str
    """Hash of model and options."""
    fingerprint: str = ""
    """Hash of the scene's files; empty where its worker died."""
    cloud_percent: float | None = None
    """Percent of the valid pixels; None where there are none, or the scene failed."""
    pixels: int = 0
    """Height times width."""
    seconds: float = 0.0
    """In the tasks, summed over the bands of a raster that was split."""
    outputs: Mapping[str, OutputFile] = field(default_factory=dict)
    """`mask`, `polygons`, `stac`, … -> file."""
    error: str | None = None
    """One sentence; None where done."""
    notes: tuple[str, ...] = ()
    """What had to be assumed."""

    def __post_init__(self) -> None:
        """Fields by which records are found and compared."""
        if not all(isinstance(text, str) for text in (self.scene, self.status, self.parameters, self.fingerprint)):
            raise TypeError("scene, status, parameters and fingerprint must be texts")
        numbers = (self.pixels, self.seconds, 0.0 if self.cloud_percent is None else self.cloud_percent)
        if not all(isinstance(number, int | float) and number == number for number in numbers):  # noqa: PLR0124 - NaN
            raise TypeError("pixels, seconds and cloud_percent must be numbers")
        if not all(isinstance(text, str) for text in (self.error or "", *self.notes)):
            raise TypeError("error and notes must be texts")

    def is_whole(self, folder: Path) -> bool:
        """True where all outputs are."""
        return bool(self.outputs) and all(file.is_whole(folder) for file in self.outputs.values())

    def to_json(self) -> str:
        """One line."""
        line = json.dumps(asdict(self), ensure_ascii=False, allow_nan=False)
        return line.encode("utf-8", "backslashreplace").decode("utf-8")  # names that are no UTF-8, as JSON escapes

    @classmethod
    def from_json(cls, line: str) -> Record:
        """Of `to_json`; ValueError, TypeError or KeyError where the line is no record."""
        raw: dict[str, Any] = json.loads(line)
        outputs = {key: OutputFile(**file) for key, file in raw["outputs"].items()}
        return cls(**{**raw, "outputs": outputs, "notes": tuple(raw["notes"])})


def written_files(detection: Detection, folder: Path) -> dict[str, OutputFile]:
    """All files that a detection left, as they are now."""
    return {key: _written(path, folder) for key, path in detection.files.items()}


def _written(path: Path, folder: Path) -> OutputFile:
    found = path.stat()
    return OutputFile(path.relative_to(folder).as_posix(), found.st_size, found.st_mtime_ns, file_hash(path))


def file_hash(path: Path) -> str:
    """SHA-256 of a file, read a piece at a time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """Counts of scenes, and what follows from them."""

    total: int
    """Scenes to run; those kept from an earlier run are not among them."""
    kept: int = 0
    done: int = 0
    failed: int = 0
    running: int = 0
    """At most: scenes handed to workers that have a thread for them."""
    pixels: int = 0
    """Of scenes done."""
    seconds: float = 0.0
    """Since the first was handed on."""

    @property
    def ended(self) -> int:
        """Done or failed."""
        return self.done + self.failed

    @property
    def mpx_per_second(self) -> float:
        """Millions of pixels done per second, all workers together."""
        return self.pixels / 1e6 / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """By the pace so far; None before the first scene has ended."""
        return self.seconds / self.ended * (self.total - self.ended) if self.ended else None


BatchProgress = Callable[[BatchCounts, Record | None], None]
"""Called with each record as it comes, and with None about once a second. It may raise Cancelled to stop the batch."""


def tell_nobody(tally: BatchCounts, record: Record | None) -> None:
    """No progress."""


MANIFEST = "manifest.jsonl"
CSV, FOOTPRINTS, COLLECTION = "summary.csv", "footprints.gpkg", "collection.json"
BATCH_FILES = (MANIFEST, CSV, FOOTPRINTS, COLLECTION)
"""What a batch writes besides its scenes' outputs."""


class Manifest:
    """The manifest open for appending; one batch at a time holds it."""

    def __init__(self, folder: Path, *, anew: bool = False) -> None:
        """Open, or begin anew, the manifest of a folder, which is made.

        Raises:
            OutputError: it cannot be written.
            UsageError: another batch is writing it.
        """
        self.path = folder / MANIFEST
        make_folder(folder)
        _give_own_file(self.path)
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
        """True where a killed run left half a line."""
        with self.path.open("rb") as file:
            content_end = file.seek(0, 2)
            if not content_end:
                return False
            file.seek(content_end - 1)
            return file.read(1) != b"\n"

    def add(self, record: Record) -> None:
        """Append a line and flush it; OutputError where the disk is full."""
        with write_errors(self.path):
            self._file.write(record.to_json() + "\n")
            self._file.flush()

    def close(self) -> None:
        """Let others write."""
        self._file.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def _give_own_file(path: Path) -> None:
    """A manifest that is a link, or has a second name elsewhere, is copied: lines are added in place.

    OutputError where something that is no file stands there.
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
    """Scene -> its last record; half a line, as a killed run leaves it, is ignored. Empty where there is none."""
    found: dict[str, Record] = {}
    path = folder / MANIFEST
    if not path.is_file():
        return found
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
                record = Record.from_json(line)
                found[record.scene] = record
    return found
