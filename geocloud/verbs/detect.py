"""`detect`: write a georeferenced cloud mask and polygons of a scene."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from geocloud.errors import UsageError
from geocloud.models.registry import checked, load_scorer
from geocloud.pipeline.detection import Detection, DetectOptions
from geocloud.pipeline.outputs import OUTPUTS, output_paths
from geocloud.pipeline.places import existing_detection
from geocloud.pipeline.run import detect_open
from geocloud.progress import Progress, no_progress
from geocloud.readers import Source
from geocloud.readers.dispatch import open_silently
from geocloud.readers.reader import north_up, part_of
from geocloud.scorers.contract import Scorer
from geocloud.writers.vectors import vector_format


def detect(
    scene: Source,
    out: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]],
    options: DetectOptions | None = None,
    *,
    scorer: Scorer | None = None,
    progress: Progress = no_progress,
) -> Detection:
    """Find the clouds of one scene and write the mask, polygons, and other outputs that are asked for.

    Args:
        scene: path or URL, an xarray object, or a reader.
        out: folder for the outputs that the options ask for. Or the path of each output that is wanted, by key: `mask`,
            which is required, `polygons`, `score`, `class_scores`, `uncertainty`, `clear_sky`, `quicklook`, `stac`.
            The suffix of `polygons` chooses their format.
        options: how; None: the defaults.
        scorer: a loaded model to use instead of `options.model`, for many scenes.
        progress: called as work goes on; may raise Cancelled.

    Returns:
        What was written, and the cloud cover. Outputs that exist already, whole and with the same options, are kept.

    Raises:
        UsageError: options contradict each other or do not fit the scene, or an output must not be written.
        InputError: the scene cannot be read.
        ModelError: the model cannot be loaded, or does not fit the scene or the options.
        OutputError: an output cannot be written. After any of these errors no output has changed.
    """
    options = options or DetectOptions()
    started = time.perf_counter()
    progress(0, 1, "load")
    with part_of(north_up(open_silently(scene, options.scene)), options.aoi, options.bounds) as opened:
        paths = _paths(out, opened.name, options)
        scorer = checked(scorer) if scorer else load_scorer(options.model, options.device, options.precision)
        kept = existing_detection(opened, scorer, options, paths)
        if kept is not None:
            return kept
        detection = detect_open(opened, scorer, options, paths, progress=progress)
    return replace(detection, seconds=time.perf_counter() - started)


def _paths(
    out: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]], stem: str, options: DetectOptions
) -> dict[str, Path]:
    """Key -> path of each output; UsageError for an unknown key, or if the mask has no path."""
    if not isinstance(out, Mapping):
        return output_paths(Path(out), stem, options)
    known = [kind.key for kind in OUTPUTS]
    unknown = [key for key in out if key not in known]
    if unknown or "mask" not in out:
        what = f"output {unknown[0]!r} is unknown" if unknown else "a mask is always written"
        raise UsageError(f"{what}; give paths of {', '.join(known)}, the mask among them")
    if "polygons" in out:
        vector_format(Path(out["polygons"]))
    return {key: Path(path) for key, path in out.items()}
