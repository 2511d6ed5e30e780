"""The model card: all that is needed to use a scorer correctly; for a network, a JSON file beside its weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from geocloud.calibration import Calibration, ThresholdRule
from geocloud.classes import ClassThresholds
from geocloud.errors import ModelError, OutputError

CARD_FILE = "card.json"
MAX_CARD_BYTES = 1 << 20
MAX_ARGUMENTS, MAX_DEPTH, MAX_NUMBER = 64, 4, 1 << 20
"""Limits of a network's arguments: values per list, depth of nested lists, and size of a number."""
MAX_PROTOTYPE_NUMBER = 1e6
"""Largest absolute value in a prototype; distances stay finite."""
MAX_MIN_RESOLUTION = 1000
"""Metres: the largest `min_resolution` of a card."""
Supervision = str
Level = Literal["patch", "pixel"]
"""One score per patch of 64 x 64 pixels, or one per pixel."""
Precision = Literal["auto", "fp32", "bf16"]
"""Number format that a network runs in; `auto` decides by card and machine."""
SUPERVISIONS = {
    "T0": "no tags, no labels",
    "T1": "patches tagged clear",
    "T2": "patches tagged clear, and simulated cloud",
    "W": "patches tagged clear and cloudy",
    "S": "pixel labels",
}


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """How a network was trained, so that others can judge and repeat it."""

    supervision: Supervision = "T1"
    """A key of SUPERVISIONS."""
    data: tuple[str, ...] = ()
    """One line per source, with its licence."""
    recipe: str = ""
    """The command or configuration that repeats the training."""
    seed: int = 0
    steps: int = 0
    """Number of optimiser steps."""


@dataclass(frozen=True, slots=True)
class Prototypes:
    """Typical colours of training pixels of one kind (clear or cloudy), in one set of d bands."""

    bands: tuple[str, ...]
    middle: tuple[float, ...]
    """(d,) mean of the log reflectances."""
    whitening: tuple[tuple[float, ...], ...]
    """(d, d) matrix that transforms differences from the middle to unit covariance."""
    centres: tuple[tuple[float, ...], ...]
    """(k, d) the prototypes, whitened."""
    radius: float
    """Distance to the nearest centre beyond which a pixel is unfamiliar."""

    def __post_init__(self) -> None:
        """ValueError if shapes disagree or distances could become infinite."""
        d = len(self.bands)
        if len(self.middle) != d or np.shape(self.whitening) != (d, d) or np.shape(self.centres)[1:] != (d,):
            raise ValueError(f"prototypes of {d} bands need a middle, a whitening and centres of {d} numbers")
        numbers = np.concatenate([np.ravel(part) for part in (self.middle, self.whitening, self.centres)])
        most = MAX_PROTOTYPE_NUMBER
        if not (np.abs(numbers) <= most).all() or not 1 / most <= self.radius <= most:
            raise ValueError(f"prototypes need numbers up to {most:g} and a radius of {1 / most:g} to {most:g}")


@dataclass(frozen=True, slots=True)
class TrainingDomain:
    """What the training data look like, and limits beyond which a scene is called unlike them."""

    clear: tuple[Prototypes, ...]
    """Of pixels that the model calls clear, one entry per set of bands."""
    cloudy: tuple[Prototypes, ...]
    """Of pixels that the model calls cloud, one entry per set of bands."""
    median: float
    """Lowest median of a scene's mean visible reflectance."""
    brightest: float
    """Lowest 99 % quantile of a scene's mean visible reflectance."""
    share: float = 0.5
    """Highest share of unfamiliar pixels, among the clear or among the cloudy ones."""
    gaps: float = 25.0
    """Highest number of edges between data and nodata per 1000 pixels along rows and columns."""


def check_model_name(name: str) -> None:
    """ValueError if a card cannot have this name."""
    if not name or len(name) > 100 or any(sep in name for sep in "/\\"):
        raise ValueError(f"name {name[:40]!r} must be 1 to 100 characters without slashes")
    if not name.isprintable():
        raise ValueError(f"name {name[:40]!r} must consist of printable characters")


def name_of_folder(folder: Path) -> str:
    """The name of a model after its folder, shortened and cleaned so that a card can have it."""
    letters = (letter if letter.isprintable() and letter != "\\" else "_" for letter in folder.resolve().name)
    return "".join(letters)[:100] or "model"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a scorer takes, what it gives, and how it was trained: a model without its weights."""

    name: str
    kind: str
    """A key of `KINDS`; `onnx` for an ONNX file; `baseline`, `difference` or `peer` for a scorer without weights."""
    bands: tuple[str, ...]
    """Bands that the network needs, in channel order."""
    optional_bands: tuple[str, ...] = ()
    """Bands that it also takes if a scene has them, in channel order after `bands`."""
    architecture: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of the network's constructor."""
    level: Level = "pixel"
    block: int = 8
    """Patches of 64 pixels along each side of the blocks that it scores; fewer at a scene's last rows and columns."""
    halo: int = 0
    """Pixels of context around a block."""
    min_resolution: float = 0.0
    """Metres: finer pixels are averaged to about this size before they are scored; 0: never."""
    calibration: Calibration = field(default_factory=lambda: Calibration(0.0))
    training: TrainingRecord = field(default_factory=TrainingRecord)
    metrics: dict[str, Any] = field(default_factory=dict)
    """Figures by data set, as `geocloud evaluate` prints them."""
    description: str = ""
    limits: str = ""
    """What the model is known to get wrong."""
    sha256: str = ""
    """Of the weights file; empty if there is none."""
    bf16_agreement: float | None = None
    """Share of mask pixels that are the same in bfloat16 as in fp32, by `train` and `survey`; None: not measured."""
    class_thresholds: ClassThresholds | None = None
    """Thresholds of the further classes, measured by `geocloud survey`; None: masks of cloud and clear only."""
    domain: TrainingDomain | None = None
    """What the training data look like, measured by `geocloud survey`; None: no scene is ever called unlike them."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Bands in channel order, required then optional."""
        return self.bands + self.optional_bands

    def __post_init__(self) -> None:
        """ValueError for values that no scorer can have; a hostile or mistyped card may hold them."""
        check_model_name(self.name)
        if not 1 <= len(self.bands) <= 64 or len(set(self.channels)) != len(self.channels):
            raise ValueError(f"bands must be 1 to 64 different names, not {', '.join(self.channels)[:200]!r}")
        if self.level not in ("patch", "pixel"):
            raise ValueError(f"level must be patch or pixel, not {self.level!r}")
        if not 1 <= self.block <= 32 or not 0 <= self.halo <= 512:
            raise ValueError(f"block must be 1 to 32 and halo 0 to 512, not {self.block} and {self.halo}")
        if not 0 <= self.min_resolution <= MAX_MIN_RESOLUTION:
            raise ValueError(f"min_resolution must be 0 to {MAX_MIN_RESOLUTION} metres, not {self.min_resolution}")
        if self.training.supervision not in SUPERVISIONS:
            wanted = ", ".join(SUPERVISIONS)
            raise ValueError(f"supervision must be one of {wanted}, not {self.training.supervision!r:.40}")
        check_architecture(self.architecture)
        if self.bf16_agreement is not None and not 0 <= self.bf16_agreement <= 1:
            raise ValueError(f"bf16_agreement must be a share from 0 to 1, not {self.bf16_agreement}")


def check_architecture(value: object, depth: int = 0) -> None:
    """ValueError for arguments of a network that are not small plain values.

    A card must not fill the memory or name a file.
    """
    if isinstance(value, dict | list | tuple):
        if len(value) > MAX_ARGUMENTS or depth > MAX_DEPTH:
            raise ValueError(
                f"architecture holds a list or table of {len(value)} values at depth {depth}; at most {MAX_ARGUMENTS} "
                f"values and a depth of {MAX_DEPTH} are allowed"
            )
        for inner in value.values() if isinstance(value, dict) else value:
            check_architecture(inner, depth + 1)
    elif isinstance(value, str):
        if len(value) > 64 or any(sign in value for sign in "/\\\0") or value.startswith("."):
            raise ValueError(
                f"architecture holds the text {value[:64]!r}; names of at most 64 characters, no paths, are allowed"
            )
    elif isinstance(value, int | float) and not abs(value) <= MAX_NUMBER:
        raise ValueError(f"architecture holds the number {value}; at most {MAX_NUMBER} is allowed")


def write_card(card: ModelCard, folder: Path) -> Path:
    """Write `card.json` into the folder and return its path."""
    path = folder / CARD_FILE
    path.write_text(json.dumps(asdict(card), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def check_unchanged(folder: Path, card: ModelCard) -> tuple[Path, ...]:
    """Nothing; OutputError where the model of a folder is no longer the one whose card was read."""
    if repr(read_card(folder)) != repr(card):  # which are equal also where a figure is NaN
        raise OutputError(f"{folder} was changed by another run in the meantime; run this again on the model there now")
    return ()


def read_card(folder: Path) -> ModelCard:
    """The card of a model folder; ModelError if there is no card or it is not valid."""
    path = folder / CARD_FILE
    if not path.is_file():
        raise ModelError(f"{folder} is no model folder: it has no {CARD_FILE}; make one with geocloud train")
    if path.stat().st_size > MAX_CARD_BYTES:
        raise ModelError(
            f"{path} has {path.stat().st_size} bytes, a card has at most {MAX_CARD_BYTES}; "
            "train or fetch the model again"
        )
    try:
        return _parse(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path} is not a valid model card ({error}); train or fetch the model again") from error


def require_bands(
    name: str, available: Sequence[str], required: Sequence[str], optional: Sequence[str] = ()
) -> tuple[str, ...]:
    """The required bands, then the optional ones that the scene has; ModelError if a required one is missing."""
    missing = [band for band in required if band not in available]
    if missing:
        raise ModelError(
            f"model {name} needs the bands {', '.join(required)}, but the scene has no {', '.join(missing)} among "
            f"{', '.join(available) or 'its bands'}: name them, as in --bands blue=1,green=2,red=3"
        )
    return (*required, *(band for band in optional if band in available))


def _parse(raw: dict[str, Any]) -> ModelCard:
    """A card from JSON values; raises the errors of the dataclasses, and KeyError or TypeError for other shapes."""
    calibration = dict(raw["calibration"])
    calibration["rule"] = ThresholdRule(**calibration.get("rule", {}))
    if not isinstance(calibration["rule"].name, str) or not isinstance(
        calibration["rule"].parameter, float | int | None
    ):
        raise TypeError("the rule of the threshold must be a name, and its parameter a number")
    calibration["curve"] = tuple((float(x), float(p)) for x, p in calibration.get("curve", ()))
    calibration["alternatives"] = tuple((str(k), float(v)) for k, v in calibration.get("alternatives", ()))
    calibration["threshold"] = float(calibration["threshold"])
    training = dict(raw.get("training", {}))
    training["data"] = tuple(map(str, training.get("data", ())))
    fields = {
        **raw,
        "bands": tuple(map(str, raw["bands"])),
        "optional_bands": tuple(map(str, raw.get("optional_bands", ()))),
        "architecture": dict(raw.get("architecture", {})),
        "block": int(raw["block"]),
        "halo": int(raw["halo"]),
        "min_resolution": float(raw.get("min_resolution", 0)),
        "bf16_agreement": None if raw.get("bf16_agreement") is None else float(raw["bf16_agreement"]),
        "calibration": Calibration(**calibration),
        "training": TrainingRecord(**training),
        "class_thresholds": ClassThresholds(**raw["class_thresholds"]) if raw.get("class_thresholds") else None,
        "domain": _parse_domain(raw["domain"]) if raw.get("domain") else None,
    }
    return ModelCard(**fields)


def _parse_domain(raw: dict[str, Any]) -> TrainingDomain:
    """The training domain, from JSON values."""
    clear, cloudy = (tuple(_parse_prototypes(kind) for kind in raw[side]) for side in ("clear", "cloudy"))
    return TrainingDomain(clear, cloudy, *(float(raw[name]) for name in ("median", "brightest", "share", "gaps")))


def _parse_prototypes(raw: dict[str, Any]) -> Prototypes:
    return Prototypes(
        tuple(map(str, raw["bands"])),
        tuple(map(float, raw["middle"])),
        tuple(tuple(map(float, row)) for row in raw["whitening"]),
        tuple(tuple(map(float, row)) for row in raw["centres"]),
        float(raw["radius"]),
    )
