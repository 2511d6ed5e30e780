"""Plan a batch: which scenes to run, and which are done already."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from geocloud.batch.identity import fingerprint, parameter_hash
from geocloud.batch.manifest import BATCH_FILES, MANIFEST, Record
from geocloud.batch.options import BatchOptions
from geocloud.errors import UsageError
from geocloud.pipeline.outputs import output_paths
from geocloud.pipeline.places import area_files, check_scenes, check_stems, mask_files, model_files, outputs_name
from geocloud.readers.files.paths import is_virtual, local_path
from geocloud.writers.staging import check_not_read, check_outputs, fold_name

CHECKS_AT_ONCE = 16
"""Number of threads that check files, because on a network each check takes time."""


@dataclass(frozen=True, slots=True)
class SceneTask:
    """The work on one scene, as a worker gets it."""

    source: str
    stem: str
    """The beginning of the names of its outputs."""
    folder: Path
    """Folder of the outputs."""
    options: BatchOptions
    parameters: str
    """Hash of the client's model and options."""

    @property
    def paths(self) -> dict[str, Path]:
        """Key -> path of each output."""
        return output_paths(self.folder, self.stem, self.options.of_scene())

    @property
    def files(self) -> list[Path]:
        """All output files, including the sidecars of the mask."""
        return [*mask_files(self.paths), *self.paths.values()]


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch before it runs."""

    todo: tuple[SceneTask, ...]
    kept: tuple[Record, ...]
    """Records of scenes that were done before and whose files are unchanged."""


def make_plan(
    scenes: Iterable[str | os.PathLike[str]], folder: Path, options: BatchOptions, known: dict[str, Record]
) -> Plan:
    """Decide which scenes to run.

    Args:
        scenes: paths and URLs; if empty with `options.retry_failed`, all scenes that failed.
        folder: folder of the outputs.
        options: of the batch.
        known: records of the folder's manifest.

    Raises:
        UsageError: there are no scenes, two scenes would write the same files, or the folder is in use and no option
            says what to do with it.
        ModelError: the model does not exist.
    """
    sources = list(dict.fromkeys(_absolute(scene) for scene in scenes))
    if not sources and options.retry_failed:
        sources = [record.scene for record in known.values() if record.status == "failed"]
    elif not sources:
        raise UsageError("no scenes; give paths, --list FILE or --stac-collection")
    tasks = _tasks(sources, folder, options)
    used = _existing(tasks, folder)
    check_scenes(sources, used)
    others = list(chain(area_files(options.detect.aoi), model_files(options.detect.model), options.lists))
    check_not_read(used, others)
    check_outputs([folder / name for name in BATCH_FILES if name != MANIFEST], others, overwrite=True)
    if options.retry_failed:
        return Plan(tuple(task for task in tasks if _failed(known.get(task.source))), ())
    if options.resume:
        with ThreadPoolExecutor(CHECKS_AT_ONCE) as pool:
            kept = list(pool.map(lambda task: _is_done(task, known.get(task.source)), tasks))
        todo = tuple(task for task, done in zip(tasks, kept, strict=True) if not done)
        return Plan(todo, tuple(known[task.source] for task, done in zip(tasks, kept, strict=True) if done))
    if not options.detect.overwrite:
        _refuse_used(used, folder, known)
    return Plan(tuple(tasks), ())


def _absolute(scene: str | os.PathLike[str]) -> str:
    """The absolute path of a scene, or its URL."""
    text = local_path(os.fspath(scene))
    return text if is_virtual(text) else str(Path(text).absolute())


def _tasks(sources: Sequence[str], folder: Path, options: BatchOptions) -> list[SceneTask]:
    """One task per scene; UsageError if two would write the same files."""
    parameters = parameter_hash(options.of_scene())
    named = [(source, outputs_name(source)) for source in sources]
    check_stems(named, folder)
    return [SceneTask(source, stem, folder, options, parameters) for source, stem in named]


def _failed(record: Record | None) -> bool:
    """Whether a scene has a record and failed."""
    return record is not None and record.status == "failed"


def _is_done(task: SceneTask, record: Record | None) -> bool:
    """Whether a scene is done with the same parameters, the same input and unchanged outputs."""
    try:
        return (
            record is not None
            and record.status == "done"
            and record.parameters == task.parameters
            and record.is_whole(task.folder)
            and record.fingerprint == fingerprint(task.source)
        )
    except Exception:  # noqa: BLE001 - a scene whose files cannot be checked is run, and says why
        return False


def _existing(tasks: Sequence[SceneTask], folder: Path) -> list[Path]:
    """Files of the batch that exist, by one listing of the folder, because on a network each check takes time."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    folded = {fold_name(name) for name in names}
    wanted = chain((path for task in tasks for path in task.files), (folder / name for name in BATCH_FILES))
    return [
        path
        for path in wanted
        if path.name in names or (fold_name(path.name) in folded and os.path.lexists(path))  # if case is ignored
    ]


def _refuse_used(used: Sequence[Path], folder: Path, known: dict[str, Record]) -> None:
    """UsageError if the folder holds a batch or files that this batch would replace; an empty manifest is no batch."""
    if known:
        raise UsageError(
            f"{folder / MANIFEST} lists {len(known)} scenes; pass --resume to go on, --retry-failed for those that "
            "failed, or --overwrite to begin anew"
        )
    foreign = [path for path in used if path.name != MANIFEST or path.stat().st_size]
    if foreign:
        raise UsageError(
            f"{foreign[0]} exists and is in no manifest; pass --resume to go on after a run that was stopped, "
            "--overwrite to replace it, or give another folder"
        )
