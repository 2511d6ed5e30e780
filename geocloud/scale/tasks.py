"""What runs on a worker: one scene, from its path to a record."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from geocloud.errors import EnvironmentProblem, GeocloudError, MissingExtraError, ModelError, UsageError
from geocloud.readers import SceneReader, open_scene
from geocloud.scale.identity import fingerprint, parameter_hash
from geocloud.scale.loading import shared_scorer
from geocloud.scale.plan import SceneTask
from geocloud.scale.record import Record, written_files
from geocloud.scale.row_bands import Split, clear_bands, score_band, split_scene, stored_rows
from geocloud.scorers.contract import Scorer
from geocloud.verbs.detect import DetectOptions, check_options, choose_threshold, detect_open
from geocloud.verbs.detection import Detection

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
    with _failures(task) as begun, open_scene(task.source, task.options.of_scene().scene) as scene:
        scorer = _scorer(task)
        if max(scene.georef.shape) > task.options.split:
            _check(scene, scorer, task.options.of_scene())
            return split_scene(task, scene, scorer, begun.fingerprint)
        detection = detect_open(scene, scorer, task.options.of_scene(), task.paths)
        return begun.done(scene, detection)
    return begun.record


def run_band(task: SceneTask, split: Split, number: int) -> float:
    """Score one band of rows of a raster that is split; returns its seconds. Raises SceneFailed."""
    with _failures(task) as begun:
        with open_scene(task.source, task.options.of_scene().scene) as scene:
            score_band(scene, _scorer(task), split, number, task.options.detect.resolution)
        return begun.seconds
    raise SceneFailed(begun.record)


def join_bands(task: SceneTask, split: Split, seconds: list[float]) -> Record:
    """Outputs of a raster whose bands are all scored, the same bytes as of one that was not split."""
    with _failures(task) as begun, open_scene(task.source, task.options.of_scene().scene) as scene:
        scorer = _scorer(task)
        rows = stored_rows(split, scene.georef.shape)
        detection = detect_open(scene, scorer, task.options.of_scene(), task.paths, rows=rows)
        clear_bands(split)
        return begun.done(scene, detection, sum(seconds))
    return begun.record


class _Begun:
    """A task under way."""

    def __init__(self, task: SceneTask) -> None:
        self.task, self.fingerprint, self._started = task, "", time.perf_counter()
        self.record = Record(task.source, "failed", task.parameters)

    @property
    def seconds(self) -> float:
        return round(time.perf_counter() - self._started, 3)

    def done(self, scene: SceneReader, detection: Detection, earlier: float = 0.0) -> Record:
        height, width = scene.georef.shape
        cover = None if detection.cloud_cover != detection.cloud_cover else round(detection.cloud_cover, 3)
        outputs = written_files(detection, self.task.paths, self.task.folder)
        return Record(
            self.task.source, "done", self.task.parameters, self.fingerprint, cover, height * width,
            round(self.seconds + earlier, 3), outputs, None, detection.notes,
        )  # fmt: skip

    def fail(self, sentence: str) -> Record:
        task = self.task
        self.record = Record(
            task.source, "failed", task.parameters, self.fingerprint, seconds=self.seconds, error=sentence
        )
        return self.record


@contextmanager
def _failures(task: SceneTask) -> Iterator[_Begun]:
    """Turn what goes wrong into a record: in what is yielded, where it would come again, else in SceneFailed."""
    begun = _Begun(task)
    try:
        begun.fingerprint = fingerprint(task.source)
        yield begun
    except _LASTING as error:
        begun.fail(str(error))
    except GeocloudError as error:
        raise SceneFailed(begun.fail(str(error))) from None
    except MemoryError:
        sentence = f"{task.source} needs more memory than its worker has; start fewer workers, with more memory each"
        raise SceneFailed(begun.fail(sentence)) from None
    except Exception as error:  # one scene's surprise is no other's
        raise SceneFailed(begun.fail(f"{type(error).__name__}: {error}")) from error


def _scorer(task: SceneTask) -> Scorer:
    """This process's scorer; ModelError where this worker would score otherwise than the client asked for."""
    options = task.options.of_scene()
    if parameter_hash(options) != task.parameters:
        raise ModelError(
            f"a worker has another geocloud or model {options.model!r} than the client; install the same on both"
        )
    return shared_scorer(options.model, options.device, options.precision, task.parameters)


def _check(scene: SceneReader, scorer: Scorer, options: DetectOptions) -> None:
    """What `detect` refuses at once is refused before bands are scored."""
    check_options(scene, options)
    choose_threshold(scorer, options.threshold)
    scorer.choose_bands(scene.bands)
