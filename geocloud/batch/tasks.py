"""What runs on a worker: one scene, from its path to a record."""

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
_LASTING = (UsageError, ModelError, EnvironmentProblem, MissingExtraError)
"""Errors that another try cannot mend."""


class SceneFailed(Exception):  # noqa: N818 - a record on its way to the client, by Dask's retries
    """A scene failed in a way that another try may mend; carries the record as its only argument."""

    @property
    def record(self) -> Record:
        """How it failed."""
        record: Record = self.args[0]
        return record


def run_scene(task: SceneTask) -> Record | Split:
    """Detect one scene; or, where it is very large, say how it is split.

    Returns:
        A record, also of a failure that would come again.

    Raises:
        SceneFailed: a failure that may pass.
    """
    return _attempt(task, _detect)


def run_strip(task: SceneTask, split: Split, number: int) -> float:
    """Score one band of rows of a raster that is split; returns its seconds. Raises SceneFailed."""

    def score(begun: _Begun) -> float:
        with _open(task) as scene:
            score_strip(scene, _scorer(task), split, number, task.options.detect.resolution)
        return begun.seconds

    scored = _attempt(task, score)
    if isinstance(scored, Record):
        raise SceneFailed(scored)
    return scored


def join_strips(task: SceneTask, split: Split, seconds: list[float]) -> Record:
    """Outputs of a raster whose bands are all scored, the same bytes as of one that was not split."""

    def join(begun: _Begun) -> Record:
        with _open(task) as scene:
            rows = stored_rows(split, scene.georef.shape)
            detection = detect_open(scene, _scorer(task), task.options.of_scene(), task.paths, rows=rows)
            clear_strips(split)
            return begun.done(scene, detection, sum(seconds))

    return _attempt(task, join)


def _detect(begun: _Begun) -> Record | Split:
    task, options = begun.task, begun.task.options.of_scene()
    with _open(task) as scene:
        scorer = _scorer(task)
        large = max(scene.georef.shape) > task.options.split and whole_of(scene)[1] is None
        if large and not options.has_maps:
            _check(scene, scorer, options)
            return split_scene(task, scene, scorer, begun.fingerprint)
        return begun.done(scene, detect_open(scene, scorer, options, task.paths))


class _Begun:
    """A task under way."""

    def __init__(self, task: SceneTask) -> None:
        self.task, self._started = task, time.perf_counter()
        try:
            self.fingerprint = fingerprint(task.source)
        except Exception:  # noqa: BLE001 - of a scene that cannot be read either: reading it will say why
            self.fingerprint = ""

    @property
    def seconds(self) -> float:
        return round(time.perf_counter() - self._started, 3)

    def done(self, scene: SceneReader, detection: Detection, earlier: float = 0.0) -> Record:
        height, width = scene.georef.shape
        cover = None if np.isnan(detection.cloud_cover) else round(detection.cloud_cover, 3)
        outputs = written_files(detection, self.task.folder)
        return Record(
            self.task.source, "done", self.task.parameters, self.fingerprint, cover, height * width,
            round(self.seconds + earlier, 3), outputs, None, detection.notes,
        )  # fmt: skip

    def failed(self, sentence: str) -> Record:
        task = self.task
        return Record(task.source, "failed", task.parameters, self.fingerprint, seconds=self.seconds, error=sentence)


def _attempt(task: SceneTask, work: Callable[[_Begun], T]) -> T | Record:
    """The work's result; a record of what went wrong, returned where it would come again and else in SceneFailed."""
    begun = _Begun(task)
    try:
        return work(begun)
    except _LASTING as error:
        return begun.failed(str(error))
    except GeocloudError as error:
        sentence = str(error)
    except MemoryError:
        sentence = f"{task.source} needs more memory than its worker has; start fewer workers, with more memory each"
    except Exception as error:  # noqa: BLE001 - one scene's surprise is no other's
        _LOG.info("%s failed by an error that geocloud does not know", task.source, exc_info=True)
        sentence = f"{type(error).__name__}: {error}"
    raise SceneFailed(begun.failed(sentence))  # here, so that it carries no other exception, which may not travel


def _open(task: SceneTask) -> SceneReader:
    """The scene, or its area of interest."""
    options = task.options.of_scene()
    return part_of(north_up(open_silently(task.source, options.scene)), options.aoi, options.bounds)


def _scorer(task: SceneTask) -> Scorer:
    """This process's scorer; ModelError where this worker would score otherwise than the client asked for."""
    options = task.options.of_scene()
    if parameter_hash(options) != task.parameters:
        raise ModelError(
            f"a worker has another geocloud or model {os.fspath(options.model)!r} than the client; install the same "
            "on both"
        )
    return shared_scorer(options.model, options.device, options.precision, task.parameters)


def _check(scene: SceneReader, scorer: Scorer, options: DetectOptions) -> None:
    """What `detect` refuses at once is refused before bands are scored."""
    check_options(scene, options)
    choose_threshold(scorer, options.threshold)
    scorer.choose_bands(scene.bands)
