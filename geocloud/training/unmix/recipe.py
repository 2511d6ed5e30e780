"""Recipes of the unmixing autoencoder: all settings of a training, in a TOML file."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from geocloud.training.unmix import scenes as surfaces
from geocloud.training.unmix.scenes import LabelUse, TrainingScene

RECIPES = Path(__file__).parent / "recipes"
"""The recipes in the package."""


@dataclass(frozen=True, slots=True)
class UnmixConfig:
    """The settings of a recipe; keys of the TOML file are the names of the fields."""

    supervision: LabelUse = "tags"
    """Whether labels are used as tags of patches, or per pixel."""
    seed: int = 0
    precision: Literal["auto", "fp32"] = "auto"
    """`auto` trains in bfloat16 if the processor has instructions for it; fp32 gives the same on every processor."""
    realign_labels: bool = False
    """Shift the catalogue's labels to where they belong in its pictures; False: use them as they are delivered."""
    steps: int = 6000
    """Optimiser steps."""
    batch: int = 6
    """Crops per step."""
    size: int = 256
    """Pixels per side of a crop."""
    lr: float = 2e-3
    """Highest learning rate."""
    lr_decay_steps: int = 0
    """Steps over which the learning rate falls; if they are more than `steps`, it stays high. 0: `steps`."""
    decay: float = 0.02
    """Weight decay."""
    average: float = 0.998
    """Share that the running average of weights keeps at each step."""
    simulated: float = 0.6
    """Share of crops under a simulated cloud."""
    small: float = 0.0
    """Share of simulated clouds that are small, 1 to about 20 pixels across; only in crops with more bands than RGB."""
    batch_norm_steps: int = 1000
    """Steps that normalise by the statistics of the batch; later steps use the running statistics, as detection does.
    Batches are small and their scenes differ: normalised by them, snow and dark sea look alike."""
    teach_from: int = 1000
    """Step from which the teacher's predictions are used; at or beyond `steps`: never."""
    teach_every: int = 500
    """Steps between two rounds of predictions of the teacher."""
    hard_scene_boost: float = 0.0
    """Extra sampling weight of a scene whose tags the teacher contradicts completely; 0: all scenes are equal."""
    unaugmented_share: float = 0.0
    """Share of crops with unchanged radiometry; jitter hides the slight colours that distinguish snow from cloud."""
    gain: float = 0.15
    """Largest change of the log gain of a crop."""
    teacher_weight: float = 0.5
    """Weight of the teacher's most confident predictions; tags have the weight 1."""
    weights: dict[str, float] | None = None
    """Source -> its sampling weight; None: all sources have the weight 1."""
    widths: tuple[int, ...] = (48, 96, 128, 160, 160)
    """Channels of the network's levels."""
    shadow_widths: tuple[int, ...] = ()
    """Channels of the network for shadow. If they are given, the recipe trains only that network, for an existing
    model; `small` is then a share of all crops."""
    keep_rgb: bool = False
    """Teach crops in RGB the predictions of the network that the training starts from, so that its results in RGB stay
    as they are, and only scenes with more bands are learned from."""
    start_share: float = 0.0
    """Weight of the network that the training starts from in the mean that is the result. The mean of two networks is
    more accurate on unseen scenes than either (model soups, Wortsman et al. 2022)."""
    folders: tuple[str, ...] = ("s2cmc", "l8biome", "s2chips")
    """Folders in `labelled` of the data folder whose patches are tagged."""
    clear: tuple[dict[str, Any], ...] = ()
    """Cloud-free images: `source`, `files` (a pattern in the data folder), and the names of its `cloudy` ones."""
    snow_texture: bool = False
    """The recipe only fits the part that recognises snow by texture, for an existing model."""
    scenes: tuple[dict[str, Any], ...] = ()
    """Unlabelled scenes: `files` in the data folder, `boxes` that are clear or cloudy by eye, scale, offset, counts."""

    @classmethod
    def read(cls, path: Path) -> "UnmixConfig":
        """Read a TOML file; raises the errors of tomllib and of the dataclass.

        A recipe may name another one by `extends`, beside it or shipped with geocloud, and overrides its settings.
        """
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        seen = {path.resolve()}
        while "extends" in values:
            beside = path.with_name(values.pop("extends"))
            path = beside if beside.is_file() else RECIPES / beside.name
            if path.resolve() in seen:
                raise ValueError(f"{path.name} extends itself")
            seen.add(path.resolve())
            values = tomllib.loads(path.read_text(encoding="utf-8")) | values
        frozen: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**frozen)


def load(config: UnmixConfig, root: Path, left_out: frozenset[str] = frozenset()) -> list[TrainingScene]:
    """All training scenes of a recipe, except those left out by name; `root` is the data folder."""
    scenes: list[TrainingScene] = []
    for folder in config.folders:
        scenes += surfaces.load_folder(root / "labelled" / folder, config.supervision, place=config.realign_labels)
    for entry in config.clear:
        files = sorted(root.glob(entry["files"]))
        scenes += [scene for scene in surfaces.load_clear(files, entry["source"]) if scene.name not in entry["cloudy"]]
    for entry in config.scenes:
        files = [root / name for name in entry["files"]]
        keys = {k: entry[k] for k in ("boxes", "scale", "offset") if k in entry}
        scenes.append(surfaces.load_unlabelled(files, **keys, counts=tuple(entry.get("counts", (3, 4, 6)))))
    return [scene for scene in scenes if scene.name not in left_out]
