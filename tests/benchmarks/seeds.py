"""Ten seeds of each training that a quick test asks a figure of: `python tests/benchmarks/seeds.py`, some minutes.

Prints the lowest and highest of the ten, all in fp32. Margins of the tests lie well below the lowest.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import torch

from geocloud.training.unmix import shadow as simulated

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))
SEEDS = range(10)


def of(path: str) -> ModuleType:
    """A test file as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem + "_seeds", TESTS / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def kinds(folder: Path) -> Iterator[tuple[str, Callable[[int], float]]]:
    """Each kind's AUROC on simulated cloud."""
    tests = of("training/test_kinds.py")
    skies = tests.write_skies(folder / "skies")

    def figure(name: str, seed: int) -> float:
        made = tests.train(skies, folder / f"{name}-{seed}".replace(" ", "-"), tests._options(name, seed=seed))
        return float(tests.separation(tests.load_scorer(str(made.folder)), tests.HELD_OUT_SKIES))

    for name in tests.KINDS:
        yield f"{name}: AUROC, above {tests.LEAST_AUROC[name]}", lambda seed, name=name: figure(name, seed)


def unmixing(folder: Path) -> Iterator[tuple[str, Callable[[int], float]]]:
    """The opacity of a small unmixing network, and the shadow that a second one tells."""
    tests, shadow = of("models/test_unmix.py"), of("training/test_shadow.py")

    def opacity(seed: int) -> float:
        place = folder / f"unmix-{seed}"
        place.mkdir()
        config = replace(tests.CONFIG, seed=seed)
        return tests.cloud_above_clear(tests.train_unmix(config, tests.clear_scenes(), place, lambda *_: None))

    def told(seed: int) -> float:
        place = folder / f"shadow-{seed}"
        place.mkdir()
        torch.manual_seed(0)
        start = shadow.UnmixNet(widths=shadow.WIDTHS).eval()
        config = replace(shadow.CONFIG, seed=seed)
        network = shadow.train_shadow(config, shadow.fields(), place, lambda *_: None, start)
        batch = shadow.ShadowBatches(shadow.fields(seed=77), config, shadow.generator(9)).draw()
        return shadow.shadow_above_light(network, batch)[0]

    simulated.LAKES = 0.0  # as in the test: no lakes but those of the scenes
    yield "unmix: AUROC of opacity, above 0.9", opacity
    yield "shadow: AUROC, above 0.75", told


def main() -> None:
    """A line a training."""
    with tempfile.TemporaryDirectory() as place:
        for source in (unmixing, kinds):
            for text, figure in source(Path(place)):
                values = sorted(figure(seed) for seed in SEEDS)
                sys.stdout.write(f"{text}: {values[0]:.3f} to {values[-1]:.3f}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
