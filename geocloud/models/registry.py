"""From a model's name to its scorer: shipped models, baselines, other people's detectors, and the user's own models."""

from __future__ import annotations

import os
import threading
from dataclasses import asdict
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, cast

from geocloud.errors import EnvironmentProblem, GeocloudError, ModelError
from geocloud.scorers.baselines import BASELINES
from geocloud.scorers.card import CARD_FILE, ModelCard, Precision, read_card
from geocloud.scorers.contract import Scorer
from geocloud.scorers.onnx_card import CARD_SUFFIX, SUFFIX, model_card

SHIPPED = Path(__file__).parent / "shipped"
DEFAULT_MODEL = "default"
"""Stands for the name in `shipped/DEFAULT`."""
ADAPTERS = {
    "ukis-csmask": "geocloud.scorers.peers:ukis_csmask",
    "ukis-csmask-l2a": "geocloud.scorers.peers:ukis_csmask_l2a",
    "s2cloudless": "geocloud.scorers.peers:s2cloudless",
    "omnicloudmask": "geocloud.scorers.peers:omnicloudmask",
}
"""Other people's detectors by name; their own packages, which must be installed, run them."""
GROUP = "geocloud.scorers"
"""Entry points by which a package offers scorers; each is a callable without arguments that returns a scorer."""


def default_name() -> str:
    """Name of the model that is used if none is named."""
    return (SHIPPED / "DEFAULT").read_text(encoding="utf-8").strip()


def shipped_cards() -> list[ModelCard]:
    """Cards of the shipped models, by name."""
    return [read_card(path.parent) for path in sorted(SHIPPED.glob(f"*/{CARD_FILE}"))]


def own_folder() -> Path:
    """Folder of the models that the user can give by name: $GEOCLOUD_MODELS, or ~/.geocloud/models."""
    return Path(os.environ.get("GEOCLOUD_MODELS") or Path.home() / ".geocloud" / "models")


def own_models() -> dict[str, Path]:
    """Name -> model folder or ONNX file in the user's own folder, but for names that are taken."""
    found = [*own_folder().glob(f"*/{CARD_FILE}"), *own_folder().glob(f"*{SUFFIX}")]
    places = [path.parent if path.name == CARD_FILE else path for path in sorted(found)]
    named = {path.stem if path.suffix == SUFFIX else path.name: path for path in places}
    return {name: path for name, path in named.items() if not _is_ours(name) and name not in installed_scorers()}


@lru_cache(maxsize=1)
def installed_scorers() -> dict[str, EntryPoint]:
    """Name -> entry point of the scorers that packages offer, but for names that are taken."""
    adapters = [EntryPoint(name, place, GROUP) for name, place in ADAPTERS.items()]
    others = [point for point in entry_points(group=GROUP) if not _is_ours(point.name) and point.name not in ADAPTERS]
    return {point.name: point for point in [*adapters, *others]}


def _is_ours(name: str) -> bool:
    """Whether a shipped model or a baseline has the name."""
    return name in BASELINES or name == DEFAULT_MODEL or name in _shipped_names()


def _shipped_names() -> list[str]:
    return [path.parent.name for path in SHIPPED.glob(f"*/{CARD_FILE}")]


def model_names() -> list[str]:
    """Names of the shipped models, of the baselines, of installed scorers and of the user's own models."""
    return sorted({*_shipped_names(), *BASELINES, *installed_scorers(), *own_models()})


def model_path(model: str | os.PathLike[str]) -> Path:
    """The folder or ONNX file of a model, given by the name of a shipped or own model, or by path.

    Raises:
        ModelError: there is no such model; the sentence lists the names.
    """
    name = os.fspath(model)
    plain = "/" not in name and "\\" not in name
    shipped = SHIPPED / (default_name() if name == DEFAULT_MODEL else name)
    if plain and (shipped / CARD_FILE).is_file():
        return shipped
    if Path(name).is_dir() or (name.endswith(SUFFIX) and Path(name).is_file()):
        return Path(name)
    if plain and name in (own := own_models()):
        return own[name]
    near = get_close_matches(name, ["default", *model_names()], n=1)
    raise ModelError(
        f"no model {name!r}: did you mean {near[0]}?"
        if near
        else f"no model {name!r}: give a model folder, an ONNX file or one of {', '.join(model_names())}"
    )


def model_folder(model: str | os.PathLike[str]) -> Path:
    """As `model_path`, for a model of geocloud's own kinds; ModelError for an ONNX file or a package's scorer."""
    name = os.fspath(model)
    path = None if _is_installed(name) else model_path(name)
    if path is None or path.suffix == SUFFIX:
        raise ModelError(f"model {name} is not of geocloud's own kinds, so it can be run but not changed")
    return path


def model_paths(model: str | os.PathLike[str]) -> list[Path]:
    """The files from which a model is read; none for a baseline or a package's scorer."""
    name = os.fspath(model)
    if name in BASELINES or _is_installed(name):
        return []
    path = model_path(name)
    return [path, path.with_suffix(CARD_SUFFIX)] if path.suffix == SUFFIX else list(path.iterdir())


def card_of(model: str | os.PathLike[str]) -> ModelCard:
    """A model's card, without loading its weights; raises as `load_scorer`."""
    name = os.fspath(model)
    if name in BASELINES or _is_installed(name):
        return load_scorer(name).card
    path = model_path(name)
    return model_card(path) if path.suffix == SUFFIX else read_card(path)


def identity_of(model: str | os.PathLike[str]) -> Any:  # noqa: ANN401 - any JSON value
    """What distinguishes models of one name: the card with the hash of the weights, and the package's version."""
    name = os.fspath(model)
    if name in BASELINES:
        return name
    point = installed_scorers().get(name) if _is_installed(name) else None
    if point is None:
        return asdict(card_of(name))
    return name, point.value, point.dist.version if point.dist else "", asdict(card_of(name))


def _is_installed(name: str) -> bool:
    """Whether a package offers it; a folder or file of that name in the working directory makes no difference."""
    return not _is_ours(name) and "/" not in name and not name.endswith(SUFFIX) and name in installed_scorers()


def load_scorer(
    model: str | os.PathLike[str] = DEFAULT_MODEL, device: str = "auto", precision: Precision = "auto"
) -> Scorer:
    """The scorer of a name, model folder or ONNX file; torch is imported only if it is needed.

    Args:
        model: name of a shipped model, a baseline, an installed scorer or a model of the user's own; a model folder; or
            an ONNX file with its card beside it.
        device: `auto`, `cpu`, `cuda` or `mps`.
        precision: `fp32`, `bf16`, or `auto`: bf16 if card and machine allow it; only for geocloud's own kinds.

    Raises:
        ModelError: there is no such model, or its weights or card are damaged.
        MissingExtraError: its package is not installed.
    """
    name = os.fspath(model)
    if name in BASELINES:
        return BASELINES[name]()
    if _is_installed(name):
        return _load_installed(installed_scorers()[name])
    path = model_path(name)
    if path.suffix == SUFFIX:
        from geocloud.scorers.onnx import load_onnx

        return load_onnx(path, device)
    try:
        from geocloud.models.network_scorer import load_model
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "torch":
            raise
        raise EnvironmentProblem(f"model {name} needs PyTorch, which is not installed: pip install torch") from error

    return load_model(path, device, precision)


def _load_installed(point: EntryPoint) -> Scorer:
    """The scorer that an entry point returns; ModelError if it returns none."""
    try:
        scorer = point.load()()
    except GeocloudError:
        raise
    except (Exception, SystemExit) as error:  # a package of others may raise anything
        raise ModelError(
            f"model {point.name} of {point.value} cannot be loaded ({type(error).__name__}: {error})"
        ) from error
    return checked(scorer, f"model {point.name} of {point.value}")


def checked(scorer: Any, source: str = "the scorer") -> Scorer:  # noqa: ANN401 - what others give
    """The scorer, its results checked if it is not geocloud's own; ModelError naming `source` if it is no scorer."""
    if type(scorer).__module__.partition(".")[0] == __name__.partition(".")[0]:
        return cast("Scorer", scorer)
    from geocloud.scorers.guard import guarded

    return guarded(scorer, source)


_LOCK = threading.Lock()
MODELS_KEPT = 4
"""Number of models that a process keeps loaded."""


def shared_scorer(
    model: str | os.PathLike[str] = DEFAULT_MODEL,
    device: str = "auto",
    precision: Precision = "auto",
    identity: str = "",
) -> Scorer:
    """As `load_scorer`, kept; `identity` differs if another model was in the same folder before."""
    with _LOCK:
        return load_once(os.fspath(model), device, precision, identity)


@lru_cache(maxsize=MODELS_KEPT)
def load_once(model: str, device: str, precision: Precision, identity: str) -> Scorer:  # noqa: ARG001 - part of the key
    """One thread at a time may call it, otherwise each loads the model."""
    return load_scorer(model, device, precision)
