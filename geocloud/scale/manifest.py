"""The manifest of a folder: a JSON line a scene that ended, appended and flushed, so that any end resumes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from geocloud.errors import UsageError
from geocloud.scale.record import Record
from geocloud.writers.staging import try_lock, writing

MANIFEST = "manifest.jsonl"


class Manifest:
    """The manifest open for appending; one batch at a time holds it."""

    def __init__(self, folder: Path, *, anew: bool = False) -> None:
        """Open, or begin anew, the manifest of a folder, which is made.

        Raises:
            OutputError: it cannot be written.
            UsageError: another batch is writing it.
        """
        self.path = folder / MANIFEST
        with writing(self.path):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+", encoding="utf-8")
        if not try_lock(self._file):
            self._file.close()
            raise UsageError(f"another batch is writing {self.path}; wait for its end, or choose another folder")
        with writing(self.path):
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
        with writing(self.path):
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


def read_manifest(folder: Path) -> dict[str, Record]:
    """Scene -> its last record; half a line, as a killed run leaves it, is passed over. Empty where there is none."""
    found: dict[str, Record] = {}
    path = folder / MANIFEST
    if not path.exists():
        return found
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
                record = Record.from_json(line)
                found[record.scene] = record
    return found
