"""`geocloud models`."""

from __future__ import annotations

from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import click

from geocloud.cli.common import arrow, examples
from geocloud.cli.main import Command, Group, shell
from geocloud.cli.model_card import card_text
from geocloud.cli.options import ModelName, names
from geocloud.cli.reporter import Reporter
from geocloud.errors import ModelError
from geocloud.models.registry import (
    ADAPTERS,
    card_of,
    default_name,
    installed_scorers,
    own_models,
    shipped_cards,
)
from geocloud.scorers.baselines import BASELINES
from geocloud.scorers.card import ModelCard


@click.group(cls=Group, epilog=examples("geocloud models list", "geocloud models show unmix"))
def models() -> None:
    """List the models, show a model's card, or export a network."""


@models.command(
    "list",
    cls=Command,
    short_help="List the models.",
    epilog=examples("geocloud models list", "geocloud models list --json"),
)
@shell(answers=True)
def list_models(reporter: Reporter) -> None:
    """List the shipped and installed models, and those in ~/.geocloud/models; * marks the default."""
    records = _records()
    lines = [
        f"{'*' if one['name'] == default_name() else ' '} {one['name']:<15} {one['kind']:<10} "
        f"{one.get('supervision', '  ')}  {one['description']}"
        for one in records
    ]
    reporter.table([{"default": default_name(), "models": records}], "\n".join(lines))


def _records() -> list[dict[str, str]]:
    """Name, kind, supervision and description of each model; a baseline has no supervision."""
    baselines = [{"name": name, "kind": "baseline", "description": "fixed formula, no learning"} for name in BASELINES]
    installed = [
        {"name": name, "kind": "peer", "description": _peer(name)}
        if name in ADAPTERS
        else {"name": name, "kind": "installed", "description": f"of {point.dist.name if point.dist else 'a package'}"}
        for name, point in installed_scorers().items()
    ]
    return [*map(_record, shipped_cards()), *(_own(name) for name in own_models()), *installed, *baselines]


def _peer(name: str) -> str:
    """Whose detector it is, and what to install where its package is missing."""
    package = name.removesuffix("-l2a")
    extra = "omnicloudmask" if package == "omnicloudmask" else "bench"
    missing = find_spec(package.replace("-", "_")) is None
    return f"detector of the package {package}" + (f"; needs pip install 'geocloud[{extra}]'" if missing else "")


def _record(card: ModelCard) -> dict[str, str]:
    """The record of a model, from its card."""
    row = {"name": card.name, "kind": card.kind, "supervision": card.training.supervision}
    return {**row, "description": card.description}


def _own(name: str) -> dict[str, str]:
    """The record of a model in the user's folder; if it is damaged, the description says why."""
    try:
        return {**_record(card_of(name)), "name": name}
    except ModelError as error:
        return {"name": name, "kind": "damaged", "description": str(error)}


@models.command(
    cls=Command,
    short_help="Show a model's card.",
    epilog=examples("geocloud models show unmix", "geocloud models show unmix --json"),
)
@click.argument("model", type=ModelName())
@shell(answers=True)
def show(reporter: Reporter, model: str) -> None:
    """Show a model's card: what it is, how it was trained, its threshold, and what it gets wrong."""
    card = card_of(model)
    if card.kind == "baseline":
        calibration = card.calibration
        record = {"name": model, "unit": calibration.unit, "threshold": calibration.threshold}
        reporter.table([record], f"{model}: {calibration.unit}, cloud above {calibration.threshold:g}")
        return
    reporter.table([asdict(card)], card_text(card))


@models.command(cls=Command, epilog=examples("geocloud models export default --out model.onnx"))
@click.argument("model", type=ModelName())
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The ONNX file.")
@click.option(
    "--channels",
    multiple=True,
    default=("blue", "green", "red", "nir"),
    show_default=True,
    callback=names,
    metavar="NAME,...",
    help="Bands that the scenes will have.",
)
@click.option("--side", type=click.IntRange(64), default=512, show_default=True, help="Pixels per side of a tile.")
@click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
@shell()
def export(reporter: Reporter, model: str, out: Path, channels: tuple[str, ...], *, side: int, overwrite: bool) -> None:
    """Write a model's network as an ONNX file, for programs without torch.

    Its input is reflectance (1, bands, side, side), its output the raw score (1, side, side). The metadata of the file
    hold bands and threshold. Needs pip install 'geocloud[onnx]'.
    """
    from geocloud.verbs.export_model import export_model

    path = export_model(model, out, channels, side=side, overwrite=overwrite)
    record = {"model": model, "out": path, "bands": list(channels), "side": side}
    reporter.result(record, f"{model}: tiles of {side} x {side} pixels of {', '.join(channels)} {arrow()} {path}")
