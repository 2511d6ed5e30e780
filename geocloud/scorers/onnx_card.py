"""The TOML card beside an ONNX file: what the network takes and gives, written by a person."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from geocloud.calibration import Calibration, CloudSide, ThresholdRule, logistic_curve
from geocloud.classes import CLOUDS
from geocloud.errors import ModelError
from geocloud.raster import PATCH
from geocloud.scorers.card import ModelCard, TrainingRecord

SUFFIX, CARD_SUFFIX = ".onnx", ".toml"
MAX_CARD_BYTES = 1 << 16
LEAST_PATCH, LARGEST_PATCH = 64, 1024
LONGEST_NAME, LARGEST_NUMBER = 60, 10**300
"""Characters in a name of a model, band, class or output; a whole number that still fits a float."""
LEAST_SCALE, LARGEST_THRESHOLD = 1e-30, 1e30
"""Smaller numbers become 0, and larger ones infinite, in single precision."""
OutputKind = Literal["score", "probability", "logits", "classes"]
Layout = Literal["nchw", "nhwc"]
Normalisation = Literal["none", "tile"]


@dataclass(frozen=True, slots=True)
class OnnxCard:
    """The contents of a TOML card; its keys are the names of the fields."""

    name: str
    bands: tuple[str, ...]
    """Common names, in channel order."""
    patch: int
    """Side in pixels of the square that the network takes, including its halo."""
    output: OutputKind
    """`score`: one plane in a unit of its own. `probability`: one plane of P(cloud), or one per class. `logits`: the
    same before sigmoid or softmax. `classes`: one plane of class numbers."""
    halo: int = 32
    """Pixels of context on each side, whose scores are not used."""
    scale: float = 1.0
    """The network takes reflectance times this: 10000 for digital numbers of Sentinel-2."""
    mean: tuple[float, ...] = ()
    """Subtracted from each band after scaling, one number per band; empty: nothing is subtracted."""
    std: tuple[float, ...] = ()
    """Each band is then divided by this, one number per band; empty: nothing is divided."""
    normalise: Normalisation = "none"
    """`tile`: normalise each band of each tile to mean 0 and standard deviation 1, in place of mean and std."""
    layout: Layout = "nchw"
    """Whether the axis of bands comes before rows and columns (`nchw`) or after them (`nhwc`)."""
    classes: tuple[str, ...] = ()
    """Name of each class, in the order of the output. Names in `geocloud.classes.CLOUDS` are cloud, other names of
    geocloud's classes become classes of the mask, and any other name is clear ground."""
    threshold: float | None = None
    """In the unit of the output; None: 0.5 for a probability, 0 for logits."""
    cloud_is: CloudSide = "high"
    """For a score: whether cloud is above or below the threshold."""
    spread: float | None = None
    """For a score: the distance beyond the threshold at which P(cloud) is 0.73; None: P(cloud) is 0 or 1."""
    resolution: float = 0.0
    """Metres: finer pixels are averaged to about this size before they are scored; 0: never."""
    output_name: str = ""
    """The output to read, if the network has several."""
    supervision: str = "S"
    """How it was trained, a key of `SUPERVISIONS`."""
    description: str = ""
    limits: str = ""
    """What the network is known to get wrong."""

    def __post_init__(self) -> None:
        """ValueError for values out of range, and for values that do not fit each other."""
        names = (self.name, self.output_name, *self.bands, *self.classes)
        odd = next((one for one in names if len(one) > LONGEST_NAME or len(one.splitlines()) > 1), None)
        if odd is not None or not all((self.name.strip(". "), *self.bands, *self.classes)):
            raise ValueError(f"a name must be one line of 1 to {LONGEST_NAME} characters, not {odd or ''!r:.60}")
        if not LEAST_PATCH <= self.patch <= LARGEST_PATCH:
            raise ValueError(f"patch must be {LEAST_PATCH} to {LARGEST_PATCH} pixels, not {self.patch}")
        if not 0 <= self.halo <= (self.patch - PATCH) / 2:
            raise ValueError(
                f"halo {self.halo} leaves less than {PATCH} pixels of a patch of {self.patch}; "
                f"0 to {(self.patch - PATCH) // 2} are allowed"
            )
        if not LEAST_SCALE < abs(self.scale) < 1 / LEAST_SCALE:
            raise ValueError(f"scale must be a number other than 0, not {self.scale}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values and len(values) != len(self.bands):
                raise ValueError(f"{name} has {len(values)} numbers for {len(self.bands)} bands")
        if not all(np.isfinite(self.mean)) or not all(LEAST_SCALE < one < float("inf") for one in self.std):
            raise ValueError("mean must be finite numbers, and std numbers above 0")
        if self.normalise == "tile" and (self.mean or self.std):
            raise ValueError("normalise = 'tile' takes no mean and std")
        self._check_output()
        self._check_classes()

    def _check_output(self) -> None:
        """ValueError for options that do not go with the kind of output."""
        if self.spread is not None and not LEAST_SCALE < self.spread < 1 / LEAST_SCALE:
            raise ValueError(f"spread must be a number above 0, not {self.spread}")
        if self.threshold is not None and LARGEST_THRESHOLD < abs(self.threshold) < float("inf"):
            raise ValueError(f"threshold must be a number of at most {LARGEST_THRESHOLD:.0e}, not {self.threshold}")
        if self.output == "score" and self.threshold is None:
            raise ValueError("threshold is missing: a score has a unit of its own")
        if self.output == "classes" and self.threshold is not None:
            raise ValueError("threshold does not go with output = 'classes', where each class is cloud or not")
        if self.output != "score" and (self.cloud_is != "high" or self.spread is not None):
            raise ValueError(f"cloud_is and spread go only with output = 'score', not with {self.output!r}")
        if self.output == "score" and self.classes:
            raise ValueError("classes do not go with output = 'score'")

    def _check_classes(self) -> None:
        """ValueError unless the classes are different names, of which some but not all are cloud."""
        if self.output == "classes" and not self.classes:
            raise ValueError("classes is missing: the name of each number, as in ['clear', 'cloud', 'shadow']")
        if len(self.classes) > 64 or len(set(self.classes)) != len(self.classes):
            raise ValueError("classes must be at most 64 different names")
        if self.classes and not 0 < sum(name in CLOUDS for name in self.classes) < len(self.classes):
            raise ValueError(f"classes must hold cloud ({', '.join(CLOUDS)}) and something else")

    @property
    def block(self) -> int:
        """Patches of 64 pixels along each side of the block that a tile scores."""
        return (self.patch - 2 * self.halo) // PATCH

    @property
    def margin(self) -> int:
        """Pixels of context on each side of a block: the halo, and what remains beside whole patches."""
        return (self.patch - self.block * PATCH) // 2

    @property
    def planes(self) -> int:
        """Number of planes of the output."""
        return 1 if self.output == "classes" else max(1, len(self.classes))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the network's input for one tile."""
        sides = self.patch, self.patch
        return (1, len(self.bands), *sides) if self.layout == "nchw" else (1, *sides, len(self.bands))


_ALLOWED = {
    "output": get_args(OutputKind),
    "layout": get_args(Layout),
    "normalise": get_args(Normalisation),
    "cloud_is": get_args(CloudSide),
}


def read_onnx_card(path: Path) -> OnnxCard:
    """The card beside an ONNX file; ModelError if there is no card or it is not valid."""
    card = path.with_suffix(CARD_SUFFIX)
    if not card.is_file():
        raise ModelError(f"{path} has no card {card.name} beside it, which names its bands, patch and output")
    if card.stat().st_size > MAX_CARD_BYTES:
        raise ModelError(f"{card} has {card.stat().st_size} bytes; a card has at most {MAX_CARD_BYTES}")
    try:
        values: dict[str, Any] = tomllib.loads(card.read_text(encoding="utf-8-sig"))
        return OnnxCard(**_typed({"name": path.stem, **values}))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{card} is no card of a model: {error}") from error


def _typed(values: dict[str, Any]) -> dict[str, Any]:
    """The values in the types of the fields; ValueError for a key that is unknown, missing, or of another type."""
    types = {one.name: str(one.type) for one in fields(OnnxCard)}
    for name in values:
        if name not in types:
            near = get_close_matches(name, types, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(types)}"
            raise ValueError(f"key {name[:60]!r} is unknown: {hint}")
    for name in ("bands", "patch", "output"):
        if name not in values:
            raise ValueError(f"{name} is missing")
    return {name: _typed_value(name, value, types[name]) for name, value in values.items()}


def _typed_value(name: str, value: Any, annotation: str) -> Any:  # noqa: ANN401 - any TOML value
    """One value in the type of its field, which is given as the field's annotation."""
    if name in _ALLOWED and value not in _ALLOWED[name]:
        raise ValueError(f"{name} {value!r:.60} is unknown; there are {', '.join(_ALLOWED[name])}")
    if annotation.startswith("tuple"):
        item = str if "str" in annotation else float
        if not isinstance(value, list) or not all(_is(one, item) for one in value):
            raise ValueError(f"{name} must be a list of {'names' if item is str else 'numbers'}, not {value!r:.60}")
        return tuple(item(one) for one in value)
    wanted = int if annotation == "int" else float if "float" in annotation else str
    if not _is(value, wanted):
        words = {int: "a whole number", float: "a number", str: "a text without control characters"}
        raise ValueError(f"{name} must be {words[wanted]}, not {value!r:.60}")
    return wanted(value)


def _is(value: Any, kind: type) -> bool:  # noqa: ANN401
    """Whether a TOML value is of this kind; a text must have no terminal escapes, and a number must fit a float."""
    if isinstance(value, bool):
        return False
    if kind is float:
        return isinstance(value, float) or (isinstance(value, int) and abs(value) < LARGEST_NUMBER)
    return isinstance(value, kind) and (kind is not str or "".join(str(value).split()).isprintable())


def write_onnx_card(card: OnnxCard, path: Path) -> Path:
    """Write the card beside an ONNX file, without values that are the default; returns the card's path."""
    lines = []
    for one in fields(card):
        value = getattr(card, one.name)
        if value != one.default and value is not None:
            lines.append(f"{one.name} = {json.dumps(value, ensure_ascii=False)}")  # such JSON values are TOML too
    target = path.with_suffix(CARD_SUFFIX)
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target


def model_card(path: Path) -> ModelCard:
    """The ModelCard of an ONNX file, from its TOML card.

    Raises:
        ModelError: see `read_onnx_card`; or the ONNX file is missing.
    """
    own = read_onnx_card(path)
    if not path.is_file():
        raise ModelError(f"no model {path}: there is a card, but no ONNX file")
    plain = {one.name: getattr(own, one.name) for one in fields(own)}
    direct = ("name", "bands", "threshold", "supervision", "description", "limits", "resolution", "spread")
    stat = path.stat()
    try:
        return ModelCard(
            own.name,
            "onnx",
            own.bands,
            architecture={name: value for name, value in plain.items() if name not in direct},
            block=own.block,
            halo=own.margin,
            min_resolution=own.resolution,
            calibration=_calibration(own),
            training=TrainingRecord(own.supervision),
            description=own.description,
            limits=own.limits,
            sha256=_sha256(path, stat.st_size, stat.st_mtime_ns),
        )
    except ValueError as error:
        raise ModelError(f"{path.with_suffix(CARD_SUFFIX)} is no card of a model: {error}") from error


def _calibration(own: OnnxCard) -> Calibration:
    """The calibration, which depends on the kind of output."""
    card_rule = ThresholdRule("card", data=f"{own.name}{CARD_SUFFIX}")
    if own.output == "classes":
        return Calibration(0.5, rule=card_rule, unit="class")
    if own.output == "probability":
        identity = Calibration(0.5, curve=((0.0, 0.0), (1.0, 1.0)), rule=card_rule, unit="probability of cloud")
        return identity if own.threshold is None else identity.at(own.threshold, card_rule)
    if own.output == "logits":
        threshold = own.threshold or 0.0
        return Calibration(threshold, "high", card_rule, logistic_curve(threshold, 1.0, "high"), "logit of cloud")
    threshold = own.threshold or 0.0
    curve = logistic_curve(threshold, own.spread, own.cloud_is) if own.spread else ()
    return Calibration(threshold, own.cloud_is, card_rule, curve, "score of the network")


@lru_cache(maxsize=16)
def _sha256(path: Path, size: int, changed: int) -> str:  # noqa: ARG001 - part of the cache's key
    """Digest of a file, cached because each worker asks for it once per scene."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def with_threshold(path: Path, threshold: float) -> OnnxCard:
    """The card of an ONNX file with another threshold; ModelError if its kind of output takes none."""
    try:
        return replace(read_onnx_card(path), threshold=threshold)
    except ValueError as error:
        raise ModelError(f"{path.with_suffix(CARD_SUFFIX)} takes no threshold: {error}") from error
