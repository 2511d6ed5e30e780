"""Every figure of docs/performance.md by one command; minutes long, and best on a machine with nothing else to do.

python tests/benchmarks/run.py --out bench            # scenes are made once and kept in it
python tests/benchmarks/run.py --out bench --quick    # a twentieth of the pixels, to try it
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import matplotlib as mpl
from measure import alternate, geocloud, median, run
from scenes import make_jp2, make_scene

mpl.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
PAPER = ("dense", "conv")
"""Kinds of network as the paper has them."""
SIDE = 10980
"""Of a Sentinel-2 tile at 10 m."""
PEER_SIDE = 2048
"""Of the part that a peer is given: it takes minutes a scene."""


@click.command()
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option("--rounds", default=3, show_default=True)
@click.option("--quick", is_flag=True, help="Small scenes.")
def main(out: Path, rounds: int, quick: bool) -> None:  # noqa: FBT001 - a click flag
    """Measure, then write performance.json, performance.md, profile.png and scaling.png."""
    out.mkdir(parents=True, exist_ok=True)
    side = SIDE // (4 if quick else 1)
    scene = made(make_scene, out / f"scene_{side}.tif", side, side)
    figures: dict[str, Any] = {"machine": machine(), "side": side}
    figures["stages"] = python("stages.py", str(scene))
    figures["whole"] = whole(scene, out, rounds)
    figures["tiny"] = asdict(run(detect(made(make_scene, out / "scene_64.tif", 64, 64), out / "tiny")))
    figures["memory"] = memory(out, side)
    figures["speckles"] = asdict(run([sys.executable, str(HERE / "speckles.py")]))
    figures["start"] = {
        name: asdict(median(costs))
        for name, costs in alternate({"help": geocloud("--help"), "version": geocloud("version")}, 5).items()
    }
    figures["jp2"] = jp2(scene, out, rounds)
    figures["peer"] = peer(scene)
    (out / "performance.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    (out / "performance.md").write_text(table(figures), encoding="utf-8")
    plot_profile(figures, out / "profile.png")
    plot_scaling(figures, out / "scaling.png")
    click.echo(table(figures))


def machine() -> str:
    """Processor and cores."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        named = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = named[0].split(":", 1)[1].strip() if named else model
    from geocloud.pipeline.scoring import cores

    return f"{model}, {cores()} cores"


def made(make: Callable[..., Path], *arguments: Any) -> Path:
    """A scene made in a process of its own: what a large process starts counts that one's peak as its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(make, *arguments).result()


def python(script: str, *arguments: str) -> Any:
    """What a script of this folder prints as JSON."""
    printed = subprocess.run([sys.executable, HERE / script, *arguments], check=True, capture_output=True, text=True)
    return json.loads(printed.stdout)


def detect(scene: Path, out: Path, *options: str) -> list[str]:
    """A whole detection: mask and polygons."""
    return geocloud("detect", str(scene), "--out", str(out), "--overwrite", "--progress", "none", *options)


def whole(scene: Path, out: Path, rounds: int) -> dict[str, Any]:
    """The default model in several ways, the paper's networks, and everything but a network, in turn."""
    paper = {kind: trained(kind, scene, out) for kind in PAPER}
    commands = {
        "default": detect(scene, out / "default"),
        "default, every pixel (--resolution 10)": detect(scene, out / "every", "--resolution", "10"),
        "default, without polygons": detect(scene, out / "mask", "--polygons", "none"),
        "default, fp32": detect(scene, out / "fp32", "--precision", "fp32"),
        "default, one thread": detect(scene, out / "one", "--threads", "1"),
        "brightness, no network": detect(scene, out / "null", "--model", "brightness"),
        **{
            f"{kind}, without polygons": detect(scene, out / kind, "--polygons", "none", "--model", str(model))
            for kind, model in paper.items()
        },
    }
    return {name: asdict(median(costs)) for name, costs in alternate(commands, rounds).items()}


def trained(kind: str, scene: Path, out: Path) -> Path:
    """A network of the paper after one epoch on the scene: how well it has learnt makes it no quicker."""
    folder = out / f"model-{kind}"
    if not (folder / "card.json").exists():
        options = ["--kind", kind, "--channels", "blue,green,red", "--epochs", "1", "--max-patches", "2000"]
        subprocess.run(geocloud("train", str(scene), *options, "--out", str(folder)), check=True, capture_output=True)
    return folder


def memory(out: Path, side: int) -> list[dict[str, Any]]:
    """Seconds and peak memory over heights, with 13 bands, and for a very wide scene."""
    shapes = [(side // 4, side, 4), (side // 2, side, 4), (side, side, 4), (2 * side, side, 4), (side, side, 13)]
    shapes.append((side // 4, 60000 * side // SIDE, 4))
    rows = []
    for height, width, bands in shapes:
        scene = made(make_scene, out / f"scene_{height}x{width}x{bands}.tif", height, width, bands)
        rows.append({"height": height, "width": width, "bands": bands, **asdict(run(detect(scene, out / "memory")))})
    return rows


def jp2(scene: Path, out: Path, rounds: int) -> dict[str, float]:
    """Seconds to decode the four bands, stored as Sentinel-2 stores them, and nothing else, and to detect in them."""
    folder = made(make_jp2, scene, out / "jp2")
    decode = [sys.executable, str(HERE / "decode.py"), *map(str, sorted(folder.glob("*.jp2")))]
    command = detect(folder, out / "from-jp2", "--polygons", "none", "--scale", "0.0001", "--offset", "0")
    costs = alternate({"decoding": decode, "detection": command}, rounds)
    return {name: median(each).wall for name, each in costs.items()}


def peer(scene: Path) -> dict[str, float] | None:
    """Mpx/s of ukis-csmask where it is installed; None where it is not."""
    if find_spec("ukis_csmask") is None:
        return None
    command = [sys.executable, str(HERE / "peer.py"), str(scene), str(PEER_SIDE)]
    took = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {"seconds": took, "megapixels_s": PEER_SIDE**2 / 1e6 / took}


def table(figures: dict[str, Any]) -> str:
    """The figures beside the goals, as Markdown."""
    pixels, whole_runs = figures["stages"]["megapixels"], figures["whole"]
    nets, rates = figures["stages"]["networks"], figures["stages"]["rates"]
    default, bare = whole_runs["default"]["wall"], whole_runs["brightness, no network"]["wall"]
    every = whole_runs["default, every pixel (--resolution 10)"]["wall"]
    decoding, from_jp2 = figures["jp2"]["decoding"], figures["jp2"]["detection"]
    at = {(r["height"], r["width"], r["bands"]): r["peak"] for r in figures["memory"]}
    side = figures["side"]
    rows = [
        ("default model, whole scene", speed(pixels, default), "≥ 8 Mpx/s"),
        ("every pixel scored (`--resolution 10`)", speed(pixels, every), ""),
        *(
            (
                f"`{kind}`, without polygons",
                speed(pixels, whole_runs[f"{kind}, without polygons"]["wall"]),
                "≥ 12 Mpx/s",
            )
            for kind in PAPER
        ),
        ("everything but the network", f"{100 * bare / default:.0f} % of it", "≤ 25 %"),
        *(
            (
                f"network in {kind} against the machine's rate",
                f"{100 * nets[kind]['gflop_s'] / rate:.0f} % of {rate:.0f} GFLOP/s",
                "≥ 50 %",
            )
            for kind, rate in rates.items()
        ),
        ("peak memory", f"{at[side, side, 4]:.0f} MB", "≤ 800 MB"),
        ("twice the height", f"{100 * at[2 * side, side, 4] / at[side, side, 4] - 100:+.1f} %", "≤ +5 %"),
        ("13 bands", f"{at[side, side, 13]:.0f} MB", "≤ 1200 MB"),
        ("60,000 px wide", f"{figures['memory'][-1]['peak']:.0f} MB", "≤ 1200 MB"),
        ("300k specks to polygons", f"{figures['speckles']['wall']:.1f} s", "≤ 8 s"),
        ("memory of that", f"{figures['speckles']['peak']:.0f} MB", "≤ 500 MB"),
        ("JP2, against decoding its bands", f"{from_jp2 / decoding:.2f} x of {decoding:.1f} s", "≤ 1.3 x"),
        ("`geocloud --help`", f"{figures['start']['help']['wall']:.2f} s", "≤ 0.4 s"),
        ("`geocloud version`", f"{figures['start']['version']['wall']:.2f} s", "≤ 0.4 s"),
    ]
    if figures["peer"]:
        rate = figures["peer"]["megapixels_s"]
        slower = f"{rate:.2f} Mpx/s: {pixels / default / rate:.0f} x slower, {pixels / every / rate:.0f} x at 10 m"
        rows.insert(2, ("ukis-csmask, inference only", slower, "≥ 20 x"))
    lines = [f"{figures['machine']}; {side} x {side} x 4 uint16", "", "| what | measured | goal |", "|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", "| whole run | wall s | cpu s | peak MB |", "|---|---|---|---|"]
    lines += [f"| {name} | {c['wall']:.1f} | {c['cpu']:.1f} | {c['peak']:.0f} |" for name, c in whole_runs.items()]
    lines += ["", "| part of a whole run, stages each alone on one core | core-s |", "|---|---|"]
    lines += [f"| {name} | {took:.1f} |" for name, took in shares(figures).items()]
    return "\n".join(lines) + "\n"


def speed(megapixels: float, seconds: float) -> str:
    """As in `9.0 Mpx/s, 13.4 s`."""
    return f"{megapixels / seconds:.1f} Mpx/s, {seconds:.1f} s"


def shares(figures: dict[str, Any]) -> dict[str, float]:
    """Core-seconds of a whole run: what a scene of 64 pixels takes too, each stage alone, and what is more in it."""
    parts = {"start and end": figures["tiny"]["cpu"], **figures["stages"]["stages"]}
    return {**parts, "more, side by side": figures["whole"]["default"]["cpu"] - sum(parts.values())}


def plot_profile(figures: dict[str, Any], path: Path) -> None:
    """Where each core-second goes."""
    parts = shares(figures)
    figure, axes = plt.subplots(figsize=(8, 2.8), layout="constrained")
    bars = axes.barh(list(parts), list(parts.values()))
    axes.bar_label(bars, fmt="%.1f s", padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set(xlabel="core-seconds of a whole run; stages each alone on one core", title="Where each second goes")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def plot_scaling(figures: dict[str, Any], path: Path) -> None:
    """Seconds grow with the pixels, memory does not."""
    rows = [r for r in figures["memory"] if r["width"] == figures["side"] and r["bands"] == 4]
    pixels = [r["height"] * r["width"] / 1e6 for r in rows]
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    left.plot(pixels, [r["wall"] for r in rows], "o-")
    left.set(xlabel="megapixels", ylabel="seconds", xlim=(0, None), ylim=(0, None), title="Time")
    right.plot(pixels, [r["peak"] for r in rows], "o-")
    right.set(xlabel="megapixels", ylabel="peak memory, MB", xlim=(0, None), title="Memory")
    right.set_ylim(0, 1.15 * max(r["peak"] for r in rows))
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
