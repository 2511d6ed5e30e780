"""A recipe of the unmixing autoencoder: every number of its training, as a TOML file has it."""

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
    """A recipe, as its TOML file has it."""

    supervision: LabelUse = "tags"
    seed: int = 0
    precision: Literal["auto", "fp32"] = "auto"
    """`auto` trains in bfloat16 where the processor has instructions for it; fp32 gives the same on every processor."""
    realign_labels: bool = False
    """Put the catalogue's tags where they belong in its pictures, rather than as they are delivered."""
    steps: int = 6000
    batch: int = 6
    size: int = 256
    lr: float = 2e-3
    lr_decay_steps: int = 0
    """Steps over which the rate falls, where they are more than there are: the rate stays high. 0: `steps`."""
    decay: float = 0.02
    average: float = 0.998
    """Share of the running average kept at each step."""
    simulated: float = 0.6
    """Share of crops under a simulated cloud."""
    small: float = 0.0
    """Share of those, where more than RGB is shown, that are small clouds, 1 to some 20 pixels across."""
    batch_norm_steps: int = 1000
    """Steps that normalise by the batch, as batch norm does at first; from then on by the running statistics, as
    detection does. Batches are small and of unlike scenes: normalised by them, snow and dark sea look alike."""
    teach_from: int = 1000
    """Step from which the teacher's answers are used; at or past ``steps``: never."""
    teach_every: int = 500
    hard_scene_boost: float = 0.0
    """Extra sampling weight of a scene whose tags the teacher contradicts completely; 0: all scenes alike."""
    unaugmented_share: float = 0.0
    """Share of crops whose radiometry is left as it is: jitter hides the slight colours that tell snow from cloud."""
    gain: float = 0.15
    """Largest change of the log gain of a crop."""
    teacher_weight: float = 0.5
    """Weight of a teacher's most confident answer; tags weigh 1."""
    weights: dict[str, float] | None = None
    """Share of crops a source."""
    widths: tuple[int, ...] = (48, 96, 128, 160, 160)
    shadow_widths: tuple[int, ...] = ()
    """Of the network that tells shadow: where they are given, the recipe trains that one alone, beside a model that is
    there already; `small` is then the share of all crops."""
    keep_rgb: bool = False
    """Crops that are shown in RGB alone are taught the answers of the network that the training starts from: what it
    sees there stays as it is, and only scenes of more bands are learned from."""
    start_share: float = 0.0
    """Share of the network that the training starts from in what is handed over. The mean of two networks is surer on
    unseen scenes than either (model soups, Wortsman et al. 2022)."""
    folders: tuple[str, ...] = ("s2cmc", "l8biome", "s2chips")
    """Folders under ``labelled`` in the data folder whose patches are tagged."""
    clear: tuple[dict[str, Any], ...] = ()
    """Images without a cloud: ``source``, ``files`` (a pattern in the data folder), names of its ``cloudy`` ones."""
    snow_texture: bool = False
    """The recipe fits what tells snow by texture, and that alone, beside a model that is there already."""
    scenes: tuple[dict[str, Any], ...] = ()
    """Unlabelled scenes: ``files`` in the data folder, ``boxes`` seen to be clear or cloudy, scale, offset, counts."""

    @classmethod
    def read(cls, path: Path) -> "UnmixConfig":
        """The recipe of a TOML file.

        What one does not say that names another by ``extends``, beside it or among those that ship, is that one's.
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
    """All training scenes of a recipe but those left out by name."""
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
