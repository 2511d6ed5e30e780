"""What each part of the default's training is worth: short trainings, and its own recipes at half of their steps.

Each is cross-validated over two halves of all scenes.

python tests/benchmarks/ablation.py $GEOCLOUD_DATA --out ablation    # hours; goes on where it was stopped
python tests/benchmarks/ablation.py $GEOCLOUD_DATA --out ablation --only base --only labels
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from measure import geocloud

SHORT = {
    "base": ("`unmix-short.toml`", ""),
    "seed": ("another seed", "seed = 2"),
    "labels": ("every labelled pixel", 'supervision = "labels"'),
    "simulated": ("no simulated cloud", "simulated = 0.0"),
    "teacher": ("no teacher", "teach_from = 800"),
    "small": ("no small clouds", "small = 0.0"),
    "jitter": ("no jitter of radiometry", "unaugmented_share = 1.0"),
    "average": ("weights not averaged", "average = 0.0"),
    "context": ("crops of 128 pixels, four times as many", "size = 128\nbatch = 24"),
}
"""Name of a short training: what differs from `unmix-short.toml`, in words and in the recipe."""
PARTS = {
    "unmix": "steps = 4500\nbatch_norm_steps = 4500\nteach_from = 1500\nteach_every = 500",
    "unmix-finish": "steps = 1250\nteach_every = 500",
    "unmix-apart": "steps = 2000\nteach_every = 500\nlr_decay_steps = 6000",
    "unmix-colours": "steps = 875\nteach_every = 500\nlr_decay_steps = 4000",
    "unmix-small": "steps = 1750\nteach_from = 500\nteach_every = 500\nlr_decay_steps = 4000",
}
"""The parts of the default's training, each going on from the one before: what makes half of its steps of it."""
VARIANTS = {name: (words, {"unmix-short": change}) for name, (words, change) in SHORT.items()}
VARIANTS["default"] = ("the default's recipes, half of their steps", PARTS)
"""Name of a run: its words, and for each of its trainings in turn the recipe and what differs from it."""
HALVES = tuple(Path(__file__).parent / f"half-{number}.txt" for number in (1, 2))
COLUMNS = (("s2cmc placed", ""), ("s2cmc placed", "no snow"), ("s2cmc placed", "snow"), ("multi-band", ""))


@click.command()
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option("--only", multiple=True, type=click.Choice(list(VARIANTS)), help="Variants [all].")
def main(data: Path, out: Path, only: tuple[str, ...]) -> None:
    """Train and measure the variants, then print the table of all that are there."""
    out.mkdir(parents=True, exist_ok=True)
    for name in only or VARIANTS:
        folds = [train(data, name, out / f"{name}-{number}", half) for number, half in enumerate(HALVES, 1)]
        (out / f"{name}.json").write_text(json.dumps(measure(data, folds)) + "\n", encoding="utf-8")
    click.echo(
        table({name: json.loads(path.read_text()) for name in VARIANTS if (path := out / f"{name}.json").exists()})
    )


def train(data: Path, name: str, folder: Path, unseen: Path) -> Path:
    """The model of a variant that has not seen one half of the scenes, trained where it is not there yet."""
    folder.mkdir(exist_ok=True)
    begun: list[str] = []
    for recipe, change in VARIANTS[name][1].items():
        config, part = folder / f"{recipe}-changed.toml", folder / recipe
        config.write_text(f'extends = "{recipe}.toml"\n{change}\n', encoding="utf-8")
        if not (part / "card.json").exists():
            more = [*begun, "--resume"] if (part / "checkpoint.safetensors").exists() else begun
            options = ["--kind", "unmix", "--config", str(config), "--without", str(unseen), "--name", "unmix", *more]
            subprocess.run(geocloud("train", str(data), *options, "--out", str(part)), check=True)
        begun = ["--start", str(part)]
    return folder / list(VARIANTS[name][1])[-1]


def measure(data: Path, folds: Iterable[Path]) -> list[dict[str, Any]]:
    """The rows of `geocloud evaluate` of the halves together, null models beside them."""
    halves = [word for fold, half in zip(folds, HALVES, strict=True) for word in ("--fold", str(fold), str(half))]
    command = geocloud("evaluate", str(data), "--suite", "accuracy", *halves)
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line) for line in printed.splitlines()]


def table(found: dict[str, list[dict[str, Any]]]) -> str:
    """Balanced accuracy with its interval, AUROC and false alarms of each variant, as Markdown."""
    titles = [" ".join(filter(None, column)) for column in COLUMNS]
    lines = ["| | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    models = [(VARIANTS[name][0], ", cross-validated", rows) for name, rows in found.items()]
    if models:
        models += [(null, null, models[0][2]) for null in ("hot", "brightness")]
    for words, model, rows in models:
        hard_scene_boost = {(row["source"], row["condition"]): row for row in rows if row["model"].endswith(model)}
        lines.append("| " + " | ".join([words, *(cell(hard_scene_boost[column]) for column in COLUMNS)]) + " |")
    return "\n".join(lines)


def cell(row: dict[str, Any]) -> str:
    """Balanced accuracy (its interval) / AUROC / share of clear pixels called cloud."""
    low, high = row["intervals"]["balanced_accuracy"]
    confusion = row["confusion"]
    alarms = confusion["fp"] / (confusion["fp"] + confusion["tn"])
    return f"{row['balanced_accuracy']:.3f} ({low:.3f}-{high:.3f}) / {row['auroc']:.3f} / {100 * alarms:.0f} %"


if __name__ == "__main__":
    main()
