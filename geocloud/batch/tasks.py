"""The tasks that run on a worker: detect one scene, or a part of it, and return a record."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from geocloud.batch.identity import fingerprint, parameter_hash
from geocloud.batch.manifest import Record, written_files
from geocloud.batch.plan import SceneTask
from geocloud.batch.strips import Split, clear_strips, score_strip, split_scene, stored_rows
from geocloud.errors import EnvironmentProblem, GeocloudError, MissingExtraError, ModelError, UsageError
from geocloud.models.registry import shared_scorer
from geocloud.pipeline.detection import Detection, DetectOptions, choose_threshold
from geocloud.pipeline.run import check_options, detect_open
from geocloud.readers import SceneReader
from geocloud.readers.dispatch import open_silently
from geocloud.readers.reader import north_up, part_of, whole_of
from geocloud.scorers.contract import Scorer

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_PERMANENT = (UsageError, ModelError, EnvironmentProblem, MissingExtraError)
"""Errors that would occur again in another attempt."""


class SceneFailed(Exception):  # noqa: N818 - it carries a record to the client, through Dask's retries
    """A scene failed, but another attempt may succeed; its only argument is the record."""

    @property
    def record(self) -> Record:
        """The record of the failure."""
        record: Record = self.args[0]
        return record


def run_scene(task: SceneTask) -> Record | Split:
    """Detect one scene, or decide how to split it if it is very large.

    Returns:
        A Split; or a record, also of a failure that would occur again.

    Raises:
        SceneFailed: a failure that may be temporary.
    """
    return _attempt(task, _detect)


def run_strip(task: SceneTask, split: Split, number: int) -> float:
    """Score one strip of a raster that is split; returns the duration in seconds. Raises SceneFailed."""

    def score(running: _RunningTask) -> float:
        with _open(task) as scene:
            score_strip(scene, _scorer(task), split, number, task.options.detect.resolution)
        return running.seconds

    scored = _attempt(task, score)
    if isinstance(scored, Record):
        raise SceneFailed(scored)
    return scored


def join_strips(task: SceneTask, split: Split, seconds: list[float]) -> Record:
    """Write the outputs of a raster whose strips are all scored: the same bytes as without splitting."""

    def join(running: _RunningTask) -> Record:
        with _open(task) as scene:
            rows = stored_rows(split, scene.georef.shape)
            detection = detect_open(scene, _scorer(task), task.options.of_scene(), task.paths, rows=rows)
            clear_strips(split)
            return running.done(scene, detection, sum(seconds))

    return _attempt(task, join)


def _detect(running: _RunningTask) -> Record | Split:
    """See `run_scene`."""
    task, options = running.task, running.task.options.of_scene()
    with _open(task) as scene:
        scorer = _scorer(task)
        large = max(scene.georef.shape) > task.options.split and whole_of(scene)[1] is None
        if large and not options.has_maps:
            _check(scene, scorer, options)
            return split_scene(task, scene, scorer, running.fingerprint)
        return running.done(scene, detect_open(scene, scorer, options, task.paths))


class _RunningTask:
    """A task that is running, with the start time and the fingerprint of its scene."""

    def __init__(self, task: SceneTask) -> None:
        self.task, self._started = task, time.perf_counter()
        try:
            self.fingerprint = fingerprint(task.source)
        except Exception:  # noqa: BLE001 - the scene cannot be read either, and reading it reports why
            self.fingerprint = ""

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return round(time.perf_counter() - self._started, 3)

    def done(self, scene: SceneReader, detection: Detection, earlier: float = 0.0) -> Record:
        """The record of a scene that is done; `earlier`: seconds that other tasks took."""
        height, width = scene.georef.shape
        cover = None if np.isnan(detection.cloud_cover) else round(detection.cloud_cover, 3)
        outputs = written_files(detection, self.task.folder)
        return Record(
            self.task.source, "done", self.task.parameters, self.fingerprint, cover, height * width,
            round(self.seconds + earlier, 3), outputs, None, detection.notes,
        )  # fmt: skip

    def failed(self, sentence: str) -> Record:
        """The record of a scene that failed."""
        task = self.task
        return Record(task.source, "failed", task.parameters, self.fingerprint, seconds=self.seconds, error=sentence)


def _attempt(task: SceneTask, work: Callable[[_RunningTask], T]) -> T | Record:
    """The result of `work`; or a record of its failure, which is returned if it is lasting and else raised."""
    running = _RunningTask(task)
    try:
        return work(running)
    except _PERMANENT as error:
        return running.failed(str(error))
    except GeocloudError as error:
        sentence = str(error)
    except MemoryError:
        sentence = f"{task.source} needs more memory than its worker has; start fewer workers, with more memory each"
    except Exception as error:  # noqa: BLE001 - an unknown error in one scene must not stop the others
        _LOG.info("%s failed by an error that geocloud does not know", task.source, exc_info=True)
        sentence = f"{type(error).__name__}: {error}"
    raise SceneFailed(running.failed(sentence))  # raised here, without a context, which Dask might not be able to send


def _open(task: SceneTask) -> SceneReader:
    """The scene, or the part of it in the area of interest."""
    options = task.options.of_scene()
    return part_of(north_up(open_silently(task.source, options.scene)), options.aoi, options.bounds)


def _scorer(task: SceneTask) -> Scorer:
    """The scorer of this process; ModelError if this worker has another model or version than the client."""
    options = task.options.of_scene()
    if parameter_hash(options) != task.parameters:
        raise ModelError(
            f"a worker has another geocloud or model {os.fspath(options.model)!r} than the client; install the same "
            "on both"
        )
    return shared_scorer(options.model, options.device, options.precision, task.parameters)


def _check(scene: SceneReader, scorer: Scorer, options: DetectOptions) -> None:
    """Refuse what `detect` would refuse, before strips are scored."""
    check_options(scene, options)
    choose_threshold(scorer, options.threshold)
    scorer.choose_bands(scene.bands)
