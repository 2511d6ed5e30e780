"""`threshold`: write a page on which a person chooses a threshold by eye, and keep the choice in the model's card."""

from __future__ import annotations

import base64
import io
import json
import math
import os
import shutil
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from geocloud.calibration import Calibration, Probability, ThresholdRule
from geocloud.errors import OutputError, UsageError
from geocloud.models.network_scorer import WEIGHTS_FILE
from geocloud.models.registry import DEFAULT_MODEL, SHIPPED, load_scorer, model_path
from geocloud.pipeline.detection import choose_threshold
from geocloud.pipeline.places import model_files, scene_files
from geocloud.pipeline.preview import Preview
from geocloud.pipeline.scoring import scored_rows
from geocloud.pipeline.tiling import aggregation_factor
from geocloud.progress import Progress, no_progress
from geocloud.raster import FloatArray
from geocloud.readers import SceneOptions, open_scene
from geocloud.readers.reader import SceneReader
from geocloud.scorers.card import CARD_FILE, check_unchanged, name_of_folder, read_card, write_card
from geocloud.scorers.contract import Scorer
from geocloud.scorers.onnx_card import CARD_SUFFIX, SUFFIX, with_threshold, write_onnx_card
from geocloud.version import __version__
from geocloud.writers.staging import check_outputs, staged, write_errors

STEPS = 250
"""Steps of the slider: P(cloud) in steps of 0.004."""
NO_DATA = 255
"""Level of nodata pixels."""
MAX_SCENES = 24
"""Scenes on a page; each adds about a megabyte."""


@dataclass(frozen=True, slots=True)
class ThresholdOptions:
    """Which model, and how scenes are read."""

    model: str | os.PathLike[str] = DEFAULT_MODEL
    """Name of a model, a model folder, or an ONNX file."""
    scene: SceneOptions = field(default_factory=SceneOptions)
    """How scenes are read."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `mps`."""
    threads: int | None = None
    """Scoring threads; None: one per core."""
    overwrite: bool = False
    """Replace the page if it exists."""


@dataclass(frozen=True, slots=True)
class ThresholdPage:
    """The page that was written."""

    path: Path
    option: str
    """The option of `detect` that the slider sets: `--probability`, or `--threshold` for a model without a P(cloud)
    curve."""
    cover: dict[str, float]
    """Scene -> percent cloud at the model's own threshold; NaN if all pixels are nodata."""


@dataclass(frozen=True, slots=True)
class _Scale:
    """The values of the slider's steps."""

    option: str
    """As in ThresholdPage."""
    values: tuple[float, ...]
    """Value of the option at each step; at later steps less is cloud."""
    start: int
    """Step of the model's own threshold."""

    def levels(self, score: FloatArray, calibration: Calibration) -> NDArray[np.uint8]:
        """The last step at which each score is still cloud, in the shape of the scores; NO_DATA where NaN."""
        if self.option == "--probability":
            steps = np.floor(calibration.probability(score) * np.float32(STEPS) + np.float32(1e-4))
        else:
            edges = np.array(self.values, dtype=np.float32) * np.float32(calibration.sign)
            steps = np.searchsorted(edges, score, side="right").astype(np.float32) - 1
        return np.where(np.isnan(score), np.float32(NO_DATA), np.clip(steps, 0, STEPS)).astype(np.uint8)


def threshold_page(
    scenes: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    options: ThresholdOptions | None = None,
    *,
    progress: Progress = no_progress,
) -> ThresholdPage:
    """Write one HTML file with each scene and a slider that shows its mask and cloud cover at any threshold.

    The file needs no server and loads nothing. Cover is counted on all pixels; of large scenes every nth is shown.

    Args:
        scenes: paths or URLs.
        out: the file, which ends in .html.
        options: which model, and how scenes are read; None: the defaults.
        progress: called as work goes on; may raise Cancelled.

    Raises:
        UsageError: there are too many scenes, or the file exists or has another suffix.
        InputError: a scene cannot be read. ModelError: the model cannot be loaded, or a scene lacks a band.
        OutputError: the file cannot be written.
    """
    options, path = options or ThresholdOptions(), Path(out)
    if not 1 <= len(scenes) <= MAX_SCENES:
        raise UsageError(f"{len(scenes)} scenes do not fit on a page; give 1 to {MAX_SCENES}")
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{path} must end in .html or .htm, since a web page is written")
    scorer = load_scorer(options.model, options.device)
    described, covers = [], {}
    scale = _scale_of(scorer)
    check_outputs([path], model_files(options.model), overwrite=options.overwrite)
    for number, source in enumerate(scenes):
        with open_scene(source, options.scene) as opened:
            check_outputs([path], scene_files(opened), overwrite=True)
            facts = _describe(opened, scorer, scale, options, lambda done, total: progress(done, total, "inference"))
        described.append({"name": opened.name, **facts})
        counts = np.array(facts["counts"])
        covers[os.fspath(source)] = (
            100 * float(counts[scale.start :].sum() / counts.sum()) if counts.sum() else float("nan")
        )
        progress(number + 1, len(scenes), "scenes")
    text = _page(scorer, scale, described, os.fspath(options.model))
    with staged(path.stem) as staging, write_errors(path):
        staging.path(path).write_text(text, encoding="utf-8")
        staging.commit(last=path, overwrite=options.overwrite)
    return ThresholdPage(path, scale.option, covers)


def _scale_of(scorer: Scorer) -> _Scale:
    """Steps of P(cloud) if the model has a curve, else of raw scores around its own threshold."""
    calibration = scorer.card.calibration
    if calibration.curve:
        return _Scale("--probability", tuple(round(step / STEPS, 4) for step in range(STEPS + 1)), STEPS // 2)
    own = calibration.threshold
    reach = abs(own) or 1.0
    steps = (own + calibration.sign * reach * (step - STEPS // 2) / (STEPS // 2) for step in range(STEPS + 1))
    return _Scale("--threshold", tuple(float(f"{value:.6g}") for value in steps), STEPS // 2)


def _describe(
    scene: SceneReader,
    scorer: Scorer,
    scale: _Scale,
    options: ThresholdOptions,
    report: Callable[[int, int], None],
) -> dict[str, Any]:
    """What the page needs of a scene, as JSON values: its picture, the level of each pixel shown, pixels per level."""
    factor = aggregation_factor(scene.georef, scorer)
    bands = scorer.choose_bands(scene.bands)
    preview = Preview(scene.georef.shape, bands, factor)
    step, height = preview.step * factor, scene.georef.shape[0]
    counts = np.zeros(STEPS + 1, dtype=np.int64)
    kept = []
    with closing(scored_rows(scene, scorer, factor=factor, threads=options.threads, observe=preview.add)) as rows:
        for part in rows:
            levels = scale.levels(part.score, scorer.card.calibration)
            counts += np.bincount(levels[levels != NO_DATA], minlength=STEPS + 1)[: STEPS + 1]
            first = -part.row % step
            kept.append(levels[first::step, ::step])
            report(part.row + len(part.score), height)
    levels = np.concatenate(kept)
    return {
        "width": levels.shape[1],
        "height": levels.shape[0],
        "picture": _data_uri(preview.picture()),
        "levels": base64.b64encode(zlib.compress(levels.tobytes(), 9)).decode(),
        "counts": counts.tolist(),
    }


def _data_uri(pixels: NDArray[np.uint8]) -> str:
    """A picture (h, w, 3) as a URI that holds it as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _page(scorer: Scorer, scale: _Scale, scenes: list[dict[str, Any]], model: str) -> str:
    """The text of the page. Names of scenes and models are data, never markup."""
    low, high = _allowed_steps(scorer.card.calibration, scale)
    facts: Mapping[str, Any] = {
        "model": model,
        "option": scale.option,
        "values": scale.values,
        "start": scale.start,
        "low": low,
        "high": high,
        "unit": "P(cloud)" if scale.option == "--probability" else scorer.card.calibration.unit or "score",
        "scenes": scenes,
    }
    data = json.dumps(facts).replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    template = (Path(__file__).parent / "threshold_page.html").read_text(encoding="utf-8")
    return Template(template).substitute(data=data, version=__version__)


def _allowed_steps(calibration: Calibration, scale: _Scale) -> tuple[int, int]:
    """The first and the last step whose value `detect` accepts."""
    if scale.option != "--probability":
        return 0, STEPS
    ps = [p for _, p in calibration.curve]
    return max(1, math.floor(min(ps) * STEPS) + 1), min(STEPS - 1, math.ceil(max(ps) * STEPS) - 1)


def keep_threshold(
    model: str | os.PathLike[str], out: str | os.PathLike[str], threshold: float | str | Probability
) -> Calibration:
    """Write a threshold into the card of a model, or of a copy.

    The former threshold stays in the card of a model folder as an alternative, under the name of its rule.

    Args:
        model: model folder, ONNX file, or name.
        out: the same model folder or ONNX file; or the folder of a copy, which must hold no model.
        threshold: a P(cloud), a raw score, or a rule of the card.

    Returns:
        The calibration with that threshold.

    Raises:
        OutputError: `out` is a shipped model, or cannot be written.
        ModelError: the model cannot be loaded. UsageError: the threshold does not fit it, or `out` is not allowed.
    """
    path, target = model_path(model), Path(out)
    chosen = choose_threshold(load_scorer(path), threshold)
    if path.suffix == SUFFIX:
        if target.resolve() != path.resolve():
            raise UsageError(f"an ONNX file keeps the threshold in its own card: give --keep {path}")
        card_path = path.with_suffix(CARD_SUFFIX)
        with staged(path.stem) as staging, write_errors(card_path):
            write_onnx_card(with_threshold(path, chosen.threshold), staging.path(card_path))
            staging.commit(last=card_path)
        return chosen
    if SHIPPED.resolve() in target.resolve().parents:
        raise OutputError(f"{target.name} is a shipped model and is never rewritten; give a folder for a copy")
    card = read_card(path)
    rule = ThresholdRule("by eye", figure=f"chosen on a page of geocloud threshold ({chosen.rule})")
    calibration = replace(chosen, rule=rule, alternatives=card.calibration.alternatives_without(rule.name))
    copied = target.resolve() != path.resolve()
    new = replace(card, calibration=calibration)
    if copied:
        check_outputs([target / name for name in (CARD_FILE, WEIGHTS_FILE)], model_files(path), overwrite=False)
        new = replace(new, name=name_of_folder(target))
    with staged(new.name) as staging, write_errors(target):
        if copied:
            shutil.copyfile(path / WEIGHTS_FILE, staging.path(target / WEIGHTS_FILE))
        write_card(new, staging.path(target / CARD_FILE).parent)
        staging.commit(last=target / CARD_FILE, retired=partial(check_unchanged, path, card), overwrite=not copied)
    return calibration
