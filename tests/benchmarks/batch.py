"""Throughput of a batch with 1 and 2 workers, and what a scene costs beyond plain `detect`: reported, never a test.

python tests/benchmarks/batch.py --scenes 6 --side 3072 --rounds 3
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from testutils import write_scene

from geocloud import BatchOptions, DetectOptions, detect, detect_many
from geocloud.batch.cluster import connect
from geocloud.batch.plan import make_plan
from geocloud.batch.tasks import run_scene
from geocloud.models.registry import load_scorer

PLAIN = DetectOptions(overwrite=True, threads=1)


def make_scenes(folder: Path, count: int, side: int) -> list[Path]:
    """Compressed scenes of 4 bands with clouds of many sizes, all alike in cost."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    data = rng.integers(300, 900, (4, side, side)).astype(np.uint16)
    for row, col, radius in rng.integers((0, 0, 5), (side, side, side // 12), (60, 3)):
        data[:, np.hypot(y - row, x - col) < radius] = 6000
    layout = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "zlevel": 1}
    return [write_scene(folder / f"scene_{n}.tif", data=np.roll(data, 97 * n, axis=2), **layout) for n in range(count)]


def plain(scenes: list[Path], out: Path) -> float:
    """Seconds of one process that detects them in turn, its model loaded."""
    scorer = load_scorer()
    detect(scenes[0], out, PLAIN, scorer=scorer)
    started = time.perf_counter()
    for scene in scenes:
        detect(scene, out, PLAIN, scorer=scorer)
    return time.perf_counter() - started


def batch(scenes: list[Path], out: Path, workers: int) -> tuple[float, float]:
    """(seconds, seconds a scene that no task ran) of a batch on workers that have their model loaded."""
    with connect(BatchOptions(PLAIN, workers=workers)) as client:
        detect_many(scenes[:workers], out, BatchOptions(PLAIN), client=client)
        result = detect_many(scenes, out, BatchOptions(PLAIN), client=client)
    idle = result.seconds - sum(record.seconds for record in result.records) / workers
    return result.seconds, idle * workers / len(scenes)


def processor_seconds(scenes: list[Path], out: Path) -> tuple[float, float]:
    """(plain, as a task) processor seconds a scene in this process: steady also where others use the machine."""
    tasks = make_plan(scenes, out / "task", BatchOptions(PLAIN), {}).todo
    scorer = load_scorer()
    run_scene(tasks[0])
    spent = [0.0, 0.0]
    for task, scene in zip(tasks, scenes, strict=True):
        works = partial(detect, scene, out / "plain", PLAIN, scorer=scorer), partial(run_scene, task)
        for kind, work in enumerate(works):
            before = time.process_time()
            work()
            spent[kind] += time.process_time() - before
    return spent[0] / len(scenes), spent[1] / len(scenes)


@click.command()
@click.option("--scenes", default=6, show_default=True)
@click.option("--side", default=3072, show_default=True)
@click.option("--rounds", default=3, show_default=True, help="0: processor seconds alone.")
def main(scenes: int, side: int, rounds: int) -> None:
    """Print JSON lines: processor seconds a scene, then medians over the rounds, in which the three take turns."""
    seen: dict[str, list[float]] = {"plain": [], "1 worker": [], "2 workers": []}
    gaps: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = make_scenes(folder, scenes, side)
        alone, task = processor_seconds(paths, folder)
        told = {
            "plain": round(alone, 3),
            "task": round(task, 3),
            "overhead_percent": round(100 * (task / alone - 1), 1),
        }
        click.echo(json.dumps({"processor_seconds": told}))
        if not rounds:
            return
        for _ in range(rounds):
            seen["plain"].append(plain(paths, folder / "plain"))
            for workers, how in ((1, "1 worker"), (2, "2 workers")):
                seconds, gap = batch(paths, folder / how, workers)
                seen[how].append(seconds)
                gaps.append(gap)
    pixels = scenes * side * side / 1e6
    middle = {how: statistics.median(seconds) for how, seconds in seen.items()}
    click.echo(
        json.dumps(
            {
                "seconds": {how: [round(value, 2) for value in seconds] for how, seconds in seen.items()},
                "mpx_per_second": {how: round(pixels / seconds, 2) for how, seconds in middle.items()},
                "gap_seconds_a_scene": [round(gap, 3) for gap in gaps],
                "two_workers_over_one": round(middle["1 worker"] / middle["2 workers"], 2),
                "overhead_percent": round(100 * (middle["1 worker"] / middle["plain"] - 1), 1),
            }
        )
    )


if __name__ == "__main__":
    main()
