"""Commits that fail at every single file operation, one process each; a JSON line for each point tried.

An audit hook sees each operation before it is done and there kills the process, or lets the operation fail. Started
by `test_commit.py`: `python commit_points.py FOLDER`.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from geocloud.errors import OutputError
from geocloud.writers.staging import clear_leftovers, staged

EVENTS = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "open", "os.scandir", "os.fsync")
OLD = {name: f"old {name}" for name in ("a/m.tif", "a/m.tif.aux.xml", "a/m.qml", "a/c.geojson", "a/m.json", "b/s.tif")}
NEW = {name: f"new {name}" for name in ("a/m.tif", "a/m.tif.aux.xml", "a/m.qml", "a/c.gpkg", "b/s.tif")}
RETIRED = ("a/c.geojson", "a/m.json")


class Fault:
    """Strikes at the nth file operation below a folder, once it is armed."""

    def __init__(self) -> None:
        self.armed, self.at, self.seen, self.folder = False, 0, 0, ""
        self.strike: Callable[[], None] = lambda: None
        sys.addaudithook(self._hear)
        os.fsync = lambda _: self._hear("os.fsync", (self.folder,))  # no power is cut here, and it takes long

    def _hear(self, event: str, arguments: tuple) -> None:
        if self.armed and event in EVENTS and str(arguments[0]).startswith(self.folder):
            self.seen += 1
            if self.seen == self.at:
                self.armed = False
                self.strike()


def fail(error: BaseException) -> Callable[[], None]:
    def strike() -> None:
        raise error

    return strike


STRIKES = {
    "killed": lambda: os._exit(9),
    "full disk": fail(OSError(errno.ENOSPC, "No space left on device")),
    "not permitted": fail(PermissionError(errno.EPERM, "Operation not permitted")),
    "interrupted": fail(KeyboardInterrupt()),
}


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def visible(found: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in found.items() if ".geocloud" not in name}


def reset(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in OLD.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def run(folder: Path) -> None:
    """The whole run whose commit is disturbed."""
    with staged("scene") as staging:
        for name, text in NEW.items():
            staging.path(folder / name).write_text(text)
        FAULT.armed = True
        staging.commit(folder / "a/m.tif", retired=lambda: [folder / name for name in RETIRED])


def in_child(work: Callable[[], None], at: int, strike: str) -> tuple[str, int]:
    """How the work ended in a process of its own: 'done', 'killed' or the error; and the operations it saw."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        FAULT.at, FAULT.seen, FAULT.strike = at, 0, STRIKES[strike]
        try:
            work()
            answer = "done"
        except OutputError as error:
            answer = f"OutputError {error}"
        except KeyboardInterrupt:
            answer = "KeyboardInterrupt"
        except BaseException as error:  # noqa: BLE001 - any other is a finding
            answer = f"unexpected {error!r}"
        FAULT.armed = False
        os.write(writing, json.dumps([answer, FAULT.seen]).encode())
        os._exit(0)
    os.close(writing)
    text = b"".join(iter(lambda: os.read(reading, 65536), b""))
    os.close(reading)
    os.waitpid(child, 0)
    answer, seen = json.loads(text) if text else ("killed", at)
    return answer, seen


def heal(folder: Path) -> None:
    FAULT.armed = True
    for part in ("a", "b"):
        clear_leftovers(folder / part, "scene")


def verdict(folder: Path) -> str:
    """Empty where the folder holds all of one run and nothing else."""
    found = contents(folder)
    return "" if found in (OLD, NEW) else json.dumps(found)


def at_once(folder: Path) -> str:
    """The same of what others see before anything is put back: where the mask is, all is of its run."""
    seen = visible(contents(folder))
    return "" if "a/m.tif" not in seen or seen in (OLD, NEW) else json.dumps(seen)


def points(folder: Path, strike: str) -> int:
    reset(folder)
    answer, count = in_child(lambda: run(folder), 0, strike)
    assert (answer, contents(folder)) == ("done", NEW), answer
    return count


def tell(**point: object) -> None:
    sys.stdout.write(json.dumps(point) + "\n")


def main(folder: Path, *, twice: bool) -> None:
    FAULT.folder = str(folder)
    for strike in STRIKES:
        for at in range(1, points(folder, strike) + 1):
            reset(folder)
            answer, _ = in_child(lambda: run(folder), at, strike)
            mixed = at_once(folder)
            if strike != "killed" and visible(contents(folder)) not in (OLD, NEW):
                mixed = json.dumps(contents(folder))
            answer_2, count = in_child(lambda: heal(folder), 0, strike)
            problem = mixed or verdict(folder) or answer_2 * (answer_2 != "done") or answer * answer.startswith("unex")
            tell(strike=strike, at=at, answer=answer, problem=problem)
            if strike == "killed" and twice and at % 4 == 0:
                for second in range(1 + at % 3, count + 1, 4):
                    reset(folder)
                    in_child(lambda: run(folder), at, strike)
                    in_child(lambda: heal(folder), second, strike)
                    mixed = at_once(folder)
                    in_child(lambda: heal(folder), 0, strike)
                    tell(strike=strike, at=f"{at}+{second}", answer="killed", problem=mixed or verdict(folder))


FAULT = Fault()
if __name__ == "__main__":
    main(Path(sys.argv[1]), twice="--twice" in sys.argv)
