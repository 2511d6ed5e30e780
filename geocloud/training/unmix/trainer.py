"""Trains a model of kind unmix by a recipe: it can be resumed, writes a log, and fills in the card."""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import rasterio
import torch

from geocloud.errors import InputError, ModelError, UsageError
from geocloud.models.kinds import KINDS
from geocloud.models.network_scorer import load_network
from geocloud.models.networks.cells import BANDS, OPTIONAL, CellNet
from geocloud.models.networks.unmix import UnmixNet
from geocloud.models.registry import model_folder
from geocloud.raster import PATCH, FloatArray
from geocloud.scorers.card import ModelCard, TrainingRecord, read_card
from geocloud.training.bf16 import bf16_agreement
from geocloud.training.checkpoint import begin, replacing
from geocloud.training.options import CHECKPOINT_FILE, LOG_FILE, RECIPE_FILE, Listener, Trained, TrainOptions
from geocloud.training.unmix.recipe import RECIPES, UnmixConfig, load
from geocloud.training.unmix.scenes import TrainingScene
from geocloud.training.unmix.shadow import train_shadow
from geocloud.training.unmix.snow import fit_snow_texture
from geocloud.training.unmix.steps import LogReport
from geocloud.training.unmix.teacher import opacity_midpoint
from geocloud.training.unmix.train import train_unmix

CENTRE_SIDE = 512
"""Pixels per side of the part of each scene on which bfloat16 is compared with fp32."""
CREDITS = {
    "s2cmc": "Sentinel-2 Cloud Mask Catalogue (Francis et al. 2020, doi 10.5281/zenodo.4172871), CC BY 4.0",
    "l8biome": "USGS L8 Biome (doi 10.5066/F7251GDH), public domain",
    "s2chips": "On Cloud N chips (doi 10.34911/rdnt.hfq6m7), CC BY 4.0",
    "s2cmc_more": "more scenes of the same catalogue, chosen for snow, desert and haze, CC BY 4.0",
    "sen12mscr": "SEN12MS-CR chips and their clear images (Ebel et al. 2020), CC BY 4.0",
    "clear": "clear Sentinel-2 chips of SEN12MS-CR, CC BY 4.0, and of Copernicus Sentinel data",
    "hls": "clear chips of NASA HLS L30, open",
    "scenes": "Contains modified Copernicus Sentinel data, and Landsat data courtesy of the USGS",
}
"""Source of a training scene -> its credit."""


def recipe_path(name: str | os.PathLike[str]) -> Path:
    """The path of a recipe, given by the name of a shipped one or as a path; InputError if there is no such file."""
    shipped = RECIPES / f"{name}.toml"
    if shipped.is_file():
        return shipped
    if Path(name).is_file():
        return Path(name)
    names = ", ".join(sorted(path.stem for path in RECIPES.glob("*.toml")))
    raise InputError(f"{name} is no recipe: give a TOML file or one of {names}")


def train_by_recipe(data: Path, folder: Path, options: TrainOptions, listener: Listener) -> Trained:
    """Train a model by a recipe.

    Args:
        data: the folder that the paths of the recipe start from.
        folder: gets recipe, checkpoint and log, so that `resume` can continue a killed run.
        options: recipe, model to start from, names of scenes to leave out.
        listener: receives the progress.

    Raises:
        InputError: the recipe or its data cannot be read.
        UsageError: the recipe needs a model to start from.
        ModelError: there is no run of this recipe to resume, or the model to start from does not fit.
    """
    path = recipe_path(options.recipe or "unmix")
    config = read_recipe(path)
    start = read_start(options.start, config.widths) if options.start else None
    if _beside(config) and start is None:
        raise UsageError(f"{path.name} adds a part to a model of kind unmix; name that model with --start")
    left_out = frozenset(options.without)
    try:
        scenes = load(config, data, left_out)
        start_over_or_resume(path, folder, resume=options.resume)
        log = Log(folder / LOG_FILE)
        report = partial(_report, log, listener)
        network = _train(config, scenes, folder, report, start)
    except (OSError, KeyError, rasterio.errors.RasterioError) as error:
        raise InputError(f"{data} does not hold what {path.name} names ({error})") from error
    network.half().float()  # the folder stores half precision, and that is what must be measured
    command = f"geocloud train {data.name} --kind unmix --config {path.name}"
    command += f" ({len(left_out)} scenes left out)" if left_out else ""
    card = replace(_card(config, scenes, command, start), name=options.name)
    card = replace(card, bf16_agreement=bf16_agreement(network, card, map(middle, scenes)))
    return Trained(network, card, log.totals(), dtype=torch.float16)


def _train(
    config: UnmixConfig, scenes: list[TrainingScene], folder: Path, report: LogReport, start: Start | None
) -> UnmixNet:
    """Train what the recipe asks for: a whole network, or the part of an existing one that detects shadow or snow."""
    if start and config.shadow_widths:
        return train_shadow(config, scenes, folder, report, start.network)
    if start and config.snow_texture:
        start.network.texture, start.network.shadow = fit_snow_texture(scenes), start.shadow
        return start.network
    network = train_unmix(config, scenes, folder, report, start.network if start else None)
    network.shadow = start.shadow if start else None
    return network


def _card(config: UnmixConfig, scenes: list[TrainingScene], command: str, start: Start | None) -> ModelCard:
    """The card of a new model, or that of the model to which a part was added."""
    if start and _beside(config):
        before = start.card
        card = replace(before, training=replace(before.training, recipe=f"{before.training.recipe}; then {command}"))
        if not config.shadow_widths:
            return card
        return replace(
            card,
            architecture={**before.architecture, "shadow_widths": list(config.shadow_widths)},
            class_thresholds=replace(before.class_thresholds, shadow=None) if before.class_thresholds else None,
        )
    sources = [scene.source for scene in scenes]
    lines = tuple(f"{credit}; {sources.count(name)} scenes" for name, credit in CREDITS.items() if name in sources)
    supervision = "S" if config.supervision == "labels" else "W"
    kind = KINDS["unmix"]
    return ModelCard(
        name="unmix",
        kind="unmix",
        bands=BANDS[:3],
        optional_bands=OPTIONAL,
        architecture={"widths": list(config.widths)} | _shadow_widths(start),
        block=kind.block,
        halo=kind.halo,
        min_resolution=kind.min_resolution,
        calibration=opacity_midpoint(),
        training=TrainingRecord(supervision, lines, command, config.seed, config.steps),
        description="Unmixing autoencoder; score: logit of the opacity.",
    )


def _beside(config: UnmixConfig) -> bool:
    """Whether a recipe only adds a part to an existing model."""
    return bool(config.shadow_widths) or config.snow_texture


def _shadow_widths(start: Start | None) -> dict[str, object]:
    """The entry of the architecture for the network for shadow that `start` has; empty without one."""
    return {"shadow_widths": start.card.architecture["shadow_widths"]} if start and start.shadow else {}


def middle(scene: TrainingScene) -> tuple[FloatArray, tuple[str, ...]]:
    """(1, band, side, side) the middle of a scene, at most CENTRE_SIDE pixels per side, and the names of its bands."""
    bands, height, width = scene.data.shape
    side = min(height, width, CENTRE_SIDE) // PATCH * PATCH
    top, left = (height - side) // 2, (width - side) // 2
    data = scene.data[None, :, top : top + side, left : left + side].float().numpy()
    return data, BANDS[:bands]


def read_recipe(path: Path) -> UnmixConfig:
    """Read a recipe; InputError if the file is not a valid one."""
    try:
        return UnmixConfig.read(path)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is no recipe of unmix ({error}); see those that ship in {RECIPES}") from error


class Start(NamedTuple):
    """A model to start from."""

    network: UnmixNet
    """The network without its part for shadow."""
    card: ModelCard
    shadow: CellNet | None
    """The part for shadow. It reads only the scene, so it stays valid beside other weights."""


def read_start(model: str | os.PathLike[str], widths: tuple[int, ...]) -> Start:
    """The model to start from, by name or folder; ModelError if its kind or size is another."""
    folder = model_folder(model)
    card = read_card(folder)
    size = tuple(card.architecture.get("widths", ()))
    if card.kind != "unmix" or size != widths:
        raise ModelError(
            f"{model} is of kind {card.kind} with widths {size}, but the recipe needs kind unmix with {widths}; "
            "name another model with --start"
        )
    network = cast("UnmixNet", load_network(folder, card))
    shadow, network.shadow = network.shadow, None
    return Start(network, card, shadow)


def start_over_or_resume(recipe: Path, folder: Path, *, resume: bool) -> None:
    """Prepare the folder of a training, and keep a copy of the recipe in it.

    Without `resume`, the files of an earlier run are removed.

    Raises:
        ModelError: with `resume`, there is no checkpoint, or it is of another recipe.
    """
    kept, text = folder / RECIPE_FILE, recipe.read_text(encoding="utf-8")
    if resume:
        if not (folder / CHECKPOINT_FILE).is_file():
            raise ModelError(f"{folder} has no {CHECKPOINT_FILE} to resume from; train without --resume")
        if not kept.is_file() or kept.read_text(encoding="utf-8") != text:
            raise ModelError(f"{folder} holds a run of another recipe; give its {RECIPE_FILE}, or leave out --resume")
        return
    begin(folder)
    with replacing(kept) as new:
        new.write_text(text, encoding="utf-8")


class Log:
    """The log of a training: terms of the loss by step. A resumed run continues it."""

    def __init__(self, path: Path) -> None:
        """Read what an earlier run wrote."""
        self.path = path
        self.rows: list[dict[str, str]] = []
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                self.rows = list(csv.DictReader(file))

    def add(self, step: int, terms: dict[str, str]) -> None:
        """Add a row, drop earlier ones of the same or a later step, and write the file."""
        self.rows = [row for row in self.rows if int(row["step"]) < step]
        self.rows.append({"step": str(step), **terms})
        with replacing(self.path) as new, new.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(self.rows[-1]), extrasaction="ignore", restval="")
            writer.writeheader()
            writer.writerows(self.rows)

    def totals(self) -> tuple[float, ...]:
        """The loss of each row: the sum of its terms."""
        return tuple(sum(float(value or 0) for name, value in row.items() if name != "step") for row in self.rows)


def _report(log: Log, listener: Listener, step: int, steps: int, terms: str) -> None:
    """Log the terms, a text such as `detect 0.312 opacity 0.051`, and report the progress."""
    words = terms.split()
    log.add(step, dict(zip(words[::2], words[1::2], strict=True)))
    listener.progress(step, steps, "training")
