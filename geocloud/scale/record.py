"""What is known of a scene once it ran: a line of the manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from geocloud.verbs.detection import Detection, OutputPaths

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
    """`mask`, `polygons`, `item`, … -> file."""
    error: str | None = None
    """One sentence; None where done."""
    notes: tuple[str, ...] = ()
    """What had to be assumed."""

    def __post_init__(self) -> None:
        """Fields by which records are found and compared."""
        if not all(isinstance(text, str) for text in (self.scene, self.status, self.parameters, self.fingerprint)):
            raise TypeError("scene, status, parameters and fingerprint must be texts")

    def is_whole(self, folder: Path) -> bool:
        """True where all outputs are."""
        return bool(self.outputs) and all(file.is_whole(folder) for file in self.outputs.values())

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> Record:
        """Of `to_json`; ValueError, TypeError or KeyError where the line is no record."""
        raw: dict[str, Any] = json.loads(line)
        outputs = {key: OutputFile(**file) for key, file in raw["outputs"].items()}
        return cls(**{**raw, "outputs": outputs, "notes": tuple(raw["notes"])})


def written_files(detection: Detection, paths: OutputPaths, folder: Path) -> dict[str, OutputFile]:
    """All files that a detection left, as they are now."""
    files = {
        "mask": detection.mask_path,
        "polygons": detection.polygons_path,
        "score": detection.score_path,
        "clear_sky": detection.clear_sky_path,
        "quicklook": detection.quicklook_path,
        "item": detection.item_path,
        "classes": paths.attribute_table,
        "style": paths.style,
    }
    return {key: _written(path, folder) for key, path in files.items() if path is not None}


def _written(path: Path, folder: Path) -> OutputFile:
    found = path.stat()
    return OutputFile(path.relative_to(folder).as_posix(), found.st_size, found.st_mtime_ns, file_hash(path))


def file_hash(path: Path) -> str:
    """SHA-256 of a file, read a piece at a time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
