"""What exists already where a detection would write: an input, something else, or the detection itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from geocloud.classes import TAG, wanted_classes
from geocloud.errors import UsageError
from geocloud.pipeline.detection import Detection, read_detection
from geocloud.pipeline.options import DetectOptions
from geocloud.pipeline.places import check_places, output_files
from geocloud.pipeline.run import choose_threshold, provenance
from geocloud.readers.masks import MaskFile
from geocloud.readers.reader import SceneReader
from geocloud.scorers.contract import Scorer

_SAME = {
    "GEOCLOUD_MODEL": "model",
    "GEOCLOUD_MODEL_SHA256": "weights",
    "GEOCLOUD_THRESHOLD": "threshold",
    "GEOCLOUD_CLASSES": "classes",
    TAG: "encoding",
}
"""Tags in which a mask that is kept must be as asked for, and what they tell."""


def existing_detection(
    scene: SceneReader, scorer: Scorer, options: DetectOptions, paths: Mapping[str, Path]
) -> Detection | None:
    """The detection that stands where it is asked for already, whole and as asked for; None where it is to be made.

    Raises:
        UsageError: an output is an input or another output; or, without `overwrite`, some outputs exist and others do
            not, or they are of another model, threshold, classes or encoding.
        OutputError: what stands in the mask's place is no mask.
    """
    wanted = output_files(scene, options, paths)
    check_places(scene, options, wanted)
    there = [path for path in wanted if os.path.lexists(path)]
    if options.overwrite or not there:
        return None
    missing = [path for path in wanted if path not in there]
    if missing:
        raise UsageError(
            f"{there[0]} exists and {missing[0]} does not; pass --overwrite to make all anew, or choose another folder"
        )
    kept = read_detection(paths)
    with MaskFile(paths["mask"]) as mask:
        tags = mask.tags
    expected = provenance(scene, scorer, choose_threshold(scorer, options.threshold))
    classes = wanted_classes(options.classes)
    expected |= {"GEOCLOUD_CLASSES": ",".join(classes)} if len(classes) > 1 else {}
    expected |= {TAG: options.encoding} if options.encoding != "geocloud" else {}
    differs = [
        f"{what} {tags.get(key) or 'none'} instead of {expected.get(key) or 'none'}"
        for key, what in _SAME.items()
        if tags.get(key, "") != expected.get(key, "")
    ]
    if differs:
        raise UsageError(
            f"{paths['mask']} exists with {', '.join(differs)}; pass --overwrite, or choose another folder"
        )
    return kept
