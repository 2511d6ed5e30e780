"""`threshold`: a page on which a person chooses a threshold by eye, and the card that keeps it."""

from __future__ import annotations

import base64
import io
import json
import math
import os
import shutil
import zlib
from collections.abc import Mapping, Sequence
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
from geocloud.scorers.card import CARD_FILE, check_unchanged, name_of_folder, read_card, write_card
from geocloud.scorers.contract import Scorer
from geocloud.scorers.onnx_card import CARD_SUFFIX, SUFFIX, with_threshold, write_onnx_card
from geocloud.version import __version__
from geocloud.writers.staging import check_outputs, staged, write_errors

STEPS = 250
"""Levels of the slider: P(cloud) in steps of 0.004."""
NO_DATA = 255
MAX_SCENES = 24
"""Scenes on a page: each adds about a megabyte."""


@dataclass(frozen=True, slots=True)
class ThresholdOptions:
    """Which model, and how scenes are read."""

    model: str | os.PathLike[str] = DEFAULT_MODEL
    scene: SceneOptions = field(default_factory=SceneOptions)
    device: str = "auto"
    threads: int | None = None
    """Scoring threads; None: one per core."""
    overwrite: bool = False
    """Replace a page that exists."""


@dataclass(frozen=True, slots=True)
class ThresholdPage:
    """What was written."""

    path: Path
    option: str
    """`--probability`, or `--threshold` for a model without a P(cloud) curve."""
    cover: dict[str, float]
    """Scene -> percent cloud at the model's own threshold; NaN where all is nodata."""


@dataclass(frozen=True, slots=True)
class _Scale:
    """What the slider's steps mean."""

    option: str
    values: tuple[float, ...]
    """Value of the option at each step, ascending by cloudiness."""
    start: int
    """Step of the model's own threshold."""

    def levels(self, score: FloatArray, calibration: Calibration) -> NDArray[np.uint8]:
        """The highest step at which each score is still cloud; NO_DATA where NaN."""
        if self.option == "--probability":
            found = np.floor(calibration.probability(score) * np.float32(STEPS) + np.float32(1e-4))
        else:
            edges = np.array(self.values, dtype=np.float32) * np.float32(calibration.sign)
            found = np.searchsorted(edges, score, side="right").astype(np.float32) - 1
        return np.where(np.isnan(score), np.float32(NO_DATA), np.clip(found, 0, STEPS)).astype(np.uint8)


def threshold_page(
    scenes: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    options: ThresholdOptions | None = None,
    *,
    progress: Progress = no_progress,
) -> ThresholdPage:
    """Write one HTML file with each scene, its score, and a slider that shows mask and cover at any threshold.

    The file needs no server and loads nothing. Cover is counted on every pixel; what is seen is every nth of them.

    Args:
        scenes: paths or URLs.
        out: the file, which ends in .html.
        options: how; defaults where None.
        progress: called as work goes on; may raise Cancelled.

    Raises:
        UsageError: too many scenes, or a file that exists. InputError, ModelError, OutputError: one sentence each.
    """
    options, path = options or ThresholdOptions(), Path(out)
    if not 1 <= len(scenes) <= MAX_SCENES:
        raise UsageError(f"{len(scenes)} scenes do not go on a page; give 1 to {MAX_SCENES}")
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{path} must end in .html, which browsers open")
    scorer = load_scorer(options.model, options.device)
    shown, covers = [], {}
    scale = _scale_of(scorer)
    check_outputs([path], model_files(options.model), overwrite=options.overwrite)
    for number, source in enumerate(scenes):
        with open_scene(source, options.scene) as opened:
            check_outputs([path], scene_files(opened), overwrite=True)
            seen = _look(opened, scorer, scale, options, lambda done, total: progress(done, total, "inference"))
        shown.append({"name": opened.name, **seen})
        counts = np.array(seen["counts"])
        covers[os.fspath(source)] = (
            100 * float(counts[scale.start :].sum() / counts.sum()) if counts.sum() else float("nan")
        )
        progress(number + 1, len(scenes), "scenes")
    text = _page(scorer, scale, shown, os.fspath(options.model))
    with staged(path.stem) as staging, write_errors(path):
        staging.path(path).write_text(text, encoding="utf-8")
        staging.commit(last=path, overwrite=options.overwrite)
    return ThresholdPage(path, scale.option, covers)


def _scale_of(scorer: Scorer) -> _Scale:
    """P(cloud) where the model has a curve, else 250 steps of 1 % around its own threshold."""
    calibration = scorer.card.calibration
    if calibration.curve:
        return _Scale("--probability", tuple(round(step / STEPS, 4) for step in range(STEPS + 1)), STEPS // 2)
    own = calibration.threshold
    reach = abs(own) or 1.0
    steps = (own + calibration.sign * reach * (step - STEPS // 2) / (STEPS // 2) for step in range(STEPS + 1))
    return _Scale("--threshold", tuple(float(f"{value:.6g}") for value in steps), STEPS // 2)


def _look(scene: Any, scorer: Scorer, scale: _Scale, options: ThresholdOptions, tell: Any) -> dict[str, Any]:  # noqa: ANN401
    """Pictures of a scene and its levels as data, and how many pixels have each level."""
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
            tell(part.row + len(part.score), height)
    shown = np.concatenate(kept)
    return {
        "width": shown.shape[1],
        "height": shown.shape[0],
        "picture": _data_uri(preview.picture()),
        "levels": base64.b64encode(zlib.compress(shown.tobytes(), 9)).decode(),
        "counts": counts.tolist(),
    }


def _data_uri(pixels: NDArray[np.uint8]) -> str:
    """A picture inside the page."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _page(scorer: Scorer, scale: _Scale, shown: list[dict[str, Any]], model: str) -> str:
    """The page's text; names of scenes and models are data, never markup."""
    low, high = _reach(scorer.card.calibration, scale)
    facts: Mapping[str, Any] = {
        "model": model,
        "option": scale.option,
        "values": scale.values,
        "start": scale.start,
        "low": low,
        "high": high,
        "unit": "P(cloud)" if scale.option == "--probability" else scorer.card.calibration.unit or "score",
        "scenes": shown,
    }
    data = json.dumps(facts).replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    template = (Path(__file__).parent / "threshold_page.html").read_text(encoding="utf-8")
    return Template(template).substitute(data=data, version=__version__)


def _reach(calibration: Calibration, scale: _Scale) -> tuple[int, int]:
    """The first and the last step that `detect` takes."""
    if scale.option != "--probability":
        return 0, STEPS
    ps = [p for _, p in calibration.curve]
    return max(1, math.floor(min(ps) * STEPS) + 1), min(STEPS - 1, math.ceil(max(ps) * STEPS) - 1)


def keep_threshold(
    model: str | os.PathLike[str], out: str | os.PathLike[str], threshold: float | str | Probability
) -> Calibration:
    """Write a threshold into the card of a model, or of a copy.

    The one in force before stays in the card of a model folder as an alternative, by the name of its rule.

    Args:
        model: model folder, ONNX file or name.
        out: the same again, or the folder of a copy, which must hold no model.
        threshold: in P(cloud), in the model's unit, or a rule of its card.

    Raises:
        OutputError: it is a shipped model, or cannot be written. ModelError, UsageError: one sentence each.
    """
    path, target = model_path(model), Path(out)
    chosen = choose_threshold(load_scorer(path), threshold)
    if path.suffix == SUFFIX:
        if target.resolve() != path.resolve():
            raise UsageError(f"an ONNX file keeps the threshold in its own card: give --keep {path}")
        described = path.with_suffix(CARD_SUFFIX)
        with staged(path.stem) as staging, write_errors(described):
            write_onnx_card(with_threshold(path, chosen.threshold), staging.path(described))
            staging.commit(last=described)
        return chosen
    if SHIPPED.resolve() in target.resolve().parents:
        raise OutputError(f"{target.name} is a shipped model and is never rewritten; give a folder for a copy")
    card = read_card(path)
    kept = {**dict(card.calibration.alternatives), card.calibration.rule.name: card.calibration.threshold}
    rule = ThresholdRule("by eye", figure=f"chosen on a page of geocloud threshold ({chosen.rule})")
    others = tuple((name, value) for name, value in kept.items() if name != rule.name)
    calibration = replace(chosen, rule=rule, alternatives=others)
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
