"""Where a detection writes, and whether it may."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from geocloud.errors import ModelError
from geocloud.models.registry import model_folder
from geocloud.pipeline.options import DetectOptions
from geocloud.pipeline.outputs import OUTPUTS
from geocloud.readers.dispatch import protected_files
from geocloud.readers.reader import SceneReader
from geocloud.scorers.baselines import BASELINES
from geocloud.writers.output_check import check_outputs


def output_files(scene: SceneReader, options: DetectOptions, paths: Mapping[str, Path]) -> list[Path]:
    """Every file that a run of a scene writes, the mask first, sidecars behind it."""
    kinds = [kind for kind in OUTPUTS if kind.key in paths and kind.key != "mask" and kind.possible(scene, options)]
    return [*mask_files(paths), *(paths[kind.key] for kind in kinds)]


def mask_files(paths: Mapping[str, Path]) -> tuple[Path, Path, Path]:
    """The mask and its sidecars."""
    mask = paths["mask"]
    return mask, mask.with_name(f"{mask.name}.aux.xml"), mask.with_suffix(".qml")


def check_places(scene: SceneReader, options: DetectOptions, outputs: list[Path]) -> None:
    """UsageError where an output is a file of the scene or of the model, or two outputs are one; see check_outputs."""
    described = scene.describe().get("bands") or {}
    inputs = [str(band["file"]) for band in described.values() if isinstance(band, Mapping) and band.get("file")]
    if scene.source:
        inputs += protected_files(scene.source)
    model = os.fspath(options.model)
    if model not in BASELINES:
        with suppress(ModelError, OSError):
            inputs += [str(path) for path in model_folder(model).iterdir()]
    check_outputs(outputs, inputs, overwrite=True)
