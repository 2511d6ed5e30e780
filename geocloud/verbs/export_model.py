"""`models export`: write a model's network as an ONNX file, for programs without torch."""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from geocloud.calibration import Calibration
from geocloud.errors import MissingExtraError, ModelError, UsageError
from geocloud.models.registry import load_scorer
from geocloud.pipeline.places import model_files
from geocloud.raster import PATCH
from geocloud.scorers.onnx_card import CARD_SUFFIX, LARGEST_PATCH, SUFFIX, OnnxCard, read_onnx_card, write_onnx_card
from geocloud.writers.staging import check_outputs, staged, write_errors

if TYPE_CHECKING:
    from torch.nn import Module

    from geocloud.models.networks import Network
    from geocloud.scorers.card import ModelCard

ONE_SPREAD = 1 / (1 + math.exp(-1))
"""P(cloud) of a logistic curve one spread beyond the threshold."""


def export_model(
    model: str, out: str | os.PathLike[str], bands: Sequence[str], *, side: int = 512, overwrite: bool = False
) -> Path:
    """Write the network of a model as an ONNX file.

    Its input `reflectance` is (1, band, side, side) float32, with bands in the order of the card, whatever the order of
    `bands`. Its output `raw` is (1, side, side) float32, the raw score of each pixel. The outer pixels of a tile, as
    many as `geocloud_halo` in the metadata says, have less context than in `detect`. The metadata also hold bands,
    threshold, the side of the threshold that is cloud, and the hash of the weights. With the card beside it, which is
    written if a tile is larger than its halo, geocloud can run the file as a model.

    Args:
        model: name of a model, or a model folder.
        out: the file.
        bands: bands that the scenes will have; the network is traced for them.
        side: pixels per side of a tile, a multiple of 64.
        overwrite: replace the file if it exists.

    Returns:
        Path of the file.

    Raises:
        UsageError: the side or the suffix is not allowed, the file exists or is one of the model's, or a TOML file of
            another kind has the name of its card.
        ModelError: the model has no network, scores whole patches, or needs other bands.
        MissingExtraError: onnx is not installed.
        OutputError: the file cannot be written.
    """
    path = Path(out)
    if find_spec("onnx") is None:
        raise MissingExtraError("onnx", "onnx", "exporting a model")
    if not PATCH <= side <= LARGEST_PATCH or side % PATCH:
        raise UsageError(f"side {side} must be a multiple of {PATCH} pixels, up to {LARGEST_PATCH}")
    if path.suffix.lower() != SUFFIX:
        raise UsageError(f"{path} must end in {SUFFIX}, since an ONNX file is written")
    card_path = path.with_suffix(CARD_SUFFIX)
    check_outputs([card_path, path], model_files(model), overwrite=overwrite)
    _check_card(path)
    from geocloud.models.network_scorer import NetworkScorer

    scorer = load_scorer(model, "cpu", "fp32")
    card = scorer.card
    if not isinstance(scorer, NetworkScorer) or card.level != "pixel":
        raise ModelError(f"model {card.name} has no network that scores pixels; export one that does, such as default")
    chosen = scorer.choose_bands(tuple(bands))
    ordered = tuple(band for band in card.channels if band in chosen)
    with staged(path.stem) as staging, write_errors(path):
        _trace(scorer.network, card, ordered, side, staging.path(path))
        _add_metadata(staging.path(path), card, ordered)
        if side - 2 * card.halo >= PATCH:
            write_onnx_card(_card(card, ordered, side), staging.path(card_path))
        older = [card_path] if overwrite else []  # a tile too small for a card must not have an older one
        staging.commit(last=path, retired=lambda: older, overwrite=overwrite)
    return path


def _check_card(path: Path) -> None:
    """UsageError if the card beside an ONNX file, which is replaced with it, is another TOML file."""
    card = path.with_suffix(CARD_SUFFIX)
    if not card.exists():
        return
    try:
        read_onnx_card(path)
    except ModelError as error:
        raise UsageError(f"{card} is no card of an ONNX file, so it is not replaced; choose another path") from error


def _trace(network: Module, card: ModelCard, bands: tuple[str, ...], side: int, path: Path) -> None:
    """Write the network's raw score, with its bands fixed, as an ONNX file."""
    import torch

    present = torch.tensor([band in bands for band in card.channels])

    class RawScore(torch.nn.Module):
        """The network's raw score as a module, which can be traced."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, reflectance: torch.Tensor) -> torch.Tensor:
            """(1, side, side) raw score."""
            return cast("Network", self.network).raw_score(reflectance, present)

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing warns that it fixes sizes and bands, which is wanted
        torch.onnx.export(
            RawScore().eval(),
            (torch.rand(1, len(bands), side, side),),
            str(path),
            input_names=["reflectance"],
            output_names=["raw"],
            dynamo=False,
        )


def _add_metadata(path: Path, card: ModelCard, bands: tuple[str, ...]) -> None:
    """Add what a program needs to use the network to the metadata of its ONNX file, as JSON values."""
    import onnx

    metadata = {
        "model": card.name,
        "bands": list(bands),
        "threshold": card.calibration.threshold,
        "cloud_is": card.calibration.cloud_is,
        "halo": card.halo,
        "weights_sha256": card.sha256,
    }
    proto = onnx.load(str(path))
    onnx.helper.set_model_props(proto, {f"geocloud_{key}": json.dumps(value) for key, value in metadata.items()})
    onnx.save(proto, str(path))


def _card(card: ModelCard, bands: tuple[str, ...], side: int) -> OnnxCard:
    """The card with which geocloud can run the file."""
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
    """Distance beyond the threshold at which P(cloud) is ONE_SPREAD, in raw units; None if there is no curve."""
    if not calibration.curve:
        return None
    knots = sorted((p, raw) for raw, p in calibration.curve)
    raw = np.interp(ONE_SPREAD, [p for p, _ in knots], [raw for _, raw in knots])
    return abs(float(raw) - calibration.threshold) or None
