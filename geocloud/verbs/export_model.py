"""Export a model's network as an ONNX file, for programs without torch."""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from geocloud.calibration import Calibration
from geocloud.errors import MissingExtraError, ModelError, UsageError
from geocloud.models.registry import load_scorer
from geocloud.pipeline.places import model_files
from geocloud.raster import PATCH
from geocloud.scorers.onnx_card import CARD_SUFFIX, LARGEST_PATCH, OnnxCard, write_onnx_card
from geocloud.writers.staging import check_outputs, staged, write_errors

if TYPE_CHECKING:
    from geocloud.models.networks import Network
    from geocloud.scorers.card import ModelCard

ONE_SPREAD = 1 / (1 + math.exp(-1))


def export_model(
    model: str, out: str | os.PathLike[str], bands: Sequence[str], *, side: int = 512, overwrite: bool = False
) -> Path:
    """Write the network that scores as an ONNX file.

    Its input `reflectance` is (1, bands, side, side) float32, bands in the order of the card whatever the order of
    `bands`; its output `raw` is (1, side, side), the raw score per pixel, fp32. The outer pixels of each tile, as many
    as the `halo` of the metadata, see less context than `detect` gives them. The metadata also hold bands, threshold,
    side of the threshold that is cloud, and the hash of the weights. A card is written beside it, by which geocloud
    runs the file as a model.

    Args:
        model: name of a model, or a model folder.
        out: the file.
        bands: bands that the scenes have: the network is traced for them.
        side: pixels of a tile, whole patches.
        overwrite: replace a file that exists.

    Raises:
        UsageError: a side that is no multiple of a patch, or the file exists or is one of the model's.
        ModelError: a model without a network or with one result per patch, or bands that are not enough.
        MissingExtraError: onnx is absent.
        OutputError: the file cannot be written.
    """
    path = Path(out)
    if find_spec("onnx") is None:
        raise MissingExtraError("onnx", "onnx", "exporting a model")
    if not PATCH <= side <= LARGEST_PATCH or side % PATCH:
        raise UsageError(f"side {side} must be a multiple of {PATCH} pixels, up to {LARGEST_PATCH}")
    described = path.with_suffix(CARD_SUFFIX)
    check_outputs([described, path], model_files(model), overwrite=overwrite)
    import onnx
    import torch

    from geocloud.models.network_scorer import NetworkScorer

    scorer = load_scorer(model, "cpu", "fp32")
    card = scorer.card
    if not isinstance(scorer, NetworkScorer) or card.level != "pixel":
        raise ModelError(f"model {card.name} has no network that scores pixels; export one that does, such as default")
    chosen = scorer.choose_bands(tuple(bands))
    network = scorer.network
    present = torch.tensor([band in chosen for band in card.channels])

    class Score(torch.nn.Module):
        """The network with the bands fixed."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, reflectance: torch.Tensor) -> torch.Tensor:
            """(1, side, side) raw score."""
            return cast("Network", self.network).raw_score(reflectance, present)

    calibration = card.calibration
    facts: dict[str, Any] = {
        "model": card.name,
        "bands": [band for band in card.channels if band in chosen],
        "threshold": calibration.threshold,
        "cloud_is": calibration.cloud_is,
        "halo": card.halo,
        "weights_sha256": card.sha256,
    }
    with staged(path.stem) as staging, write_errors(path):
        traced = staging.path(path)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # tracing fixes sizes and bands, as it should here
            torch.onnx.export(
                Score().eval(),
                (torch.rand(1, len(chosen), side, side),),
                str(traced),
                input_names=["reflectance"],
                output_names=["raw"],
                dynamo=False,
            )
        proto = onnx.load(str(traced))
        onnx.helper.set_model_props(proto, {f"geocloud_{key}": json.dumps(value) for key, value in facts.items()})
        onnx.save(proto, str(traced))
        if side - 2 * card.halo >= PATCH:
            write_onnx_card(_card(card, tuple(facts["bands"]), side), staging.path(described))
        staging.commit(last=path, overwrite=overwrite)
    return path


def _card(card: ModelCard, bands: tuple[str, ...], side: int) -> OnnxCard:
    """By which geocloud runs the file."""
    calibration = card.calibration
    return OnnxCard(
        name=card.name,
        bands=bands,
        patch=side,
        output="score",
        halo=card.halo,
        threshold=calibration.threshold,
        cloud_is=calibration.cloud_is,
        spread=_spread(calibration),
        resolution=card.min_resolution,
        supervision=card.training.supervision,
        description=card.description,
        limits=card.limits,
    )


def _spread(calibration: Calibration) -> float | None:
    """How far beyond the threshold P(cloud) is that of a logistic curve one spread away; None: there is no curve."""
    if not calibration.curve:
        return None
    knots = sorted((p, raw) for raw, p in calibration.curve)
    raw = np.interp(ONE_SPREAD, [p for p, _ in knots], [raw for _, raw in knots])
    return abs(float(raw) - calibration.threshold) or None
