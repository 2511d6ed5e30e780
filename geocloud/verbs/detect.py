"""Detect: a scene in, a georeferenced cloud mask and polygons out."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from geocloud.models.registry import load_scorer
from geocloud.pipeline.detection import Detection, OutputPaths, read_detection
from geocloud.pipeline.options import DetectOptions
from geocloud.pipeline.run import detect_open
from geocloud.progress import Progress, no_progress
from geocloud.readers import Source, open_scene
from geocloud.scorers.contract import Scorer


def detect(
    scene: Source,
    out: str | os.PathLike[str] | OutputPaths,
    options: DetectOptions | None = None,
    *,
    scorer: Scorer | None = None,
    progress: Progress = no_progress,
) -> Detection:
    """Find the clouds of one scene and write mask, polygons and what else is asked for.

    Args:
        scene: its path or URL, an xarray object, or a reader.
        out: folder for the outputs, or their paths one by one.
        options: how; defaults where None.
        scorer: a loaded model to use instead of `options.model`, for many scenes.
        progress: called as work goes on; may raise Cancelled.

    Raises:
        InputError, ModelError, OutputError, UsageError: one sentence each; no output is touched then.
    """
    options = options or DetectOptions()
    started = time.perf_counter()
    progress(0, 1, "load")
    with open_scene(scene, options.scene) as opened:
        paths = out if isinstance(out, OutputPaths) else OutputPaths.in_folder(Path(out), opened.name, options)
        if paths.mask.exists() and not options.overwrite:
            return read_detection(paths)
        scorer = scorer or load_scorer(options.model, options.device, options.precision)
        detection = detect_open(opened, scorer, options, paths, progress=progress)
    return replace(detection, seconds=time.perf_counter() - started)
