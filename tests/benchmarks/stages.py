"""The stages of a detection, each timed alone in this process: where each second goes.

python tests/benchmarks/stages.py SCENE
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from geocloud.geometry.geodesy import geodesic_areas, to_crs_coordinates
from geocloud.geometry.polygons import PolygonTracer
from geocloud.models.network_scorer import NetworkScorer, has_bf16
from geocloud.models.registry import load_scorer
from geocloud.pipeline.scoring import SEGMENT_PIXELS
from geocloud.pipeline.tiling import aggregation_factor, coarse_shape, read_segments
from geocloud.raster import PatchBatch, PatchGrid, Window, spread
from geocloud.readers import open_scene
from geocloud.scorers.contract import Scorer
from geocloud.writers.cog import MASK_FORMAT, RowWriter, copy_to_cog


def seconds(work: Callable[[], object], repeat: int = 1) -> float:
    """Of one call, after one to warm up where it is repeated."""
    if repeat > 1:
        work()
    started = time.perf_counter()
    for _ in range(repeat):
        work()
    return (time.perf_counter() - started) / repeat


def machine_rates() -> dict[str, float]:
    """GFLOP/s of one core: a large matrix product in fp32 and, where the processor has it, in bf16."""
    rates, kinds = {}, {"fp32": torch.float32} | ({"bf16": torch.bfloat16} if has_bf16() else {})
    for name, dtype in kinds.items():
        a, b = (torch.rand((2048, 2048)).to(dtype) for _ in range(2))
        rates[name] = 2 * 2048**3 / seconds(lambda a=a, b=b: a @ b, 6) / 1e9
    return rates


def network(scorer: Scorer) -> dict[str, float]:
    """Speed and efficiency of the network on whole blocks with their halo, one core."""
    side = scorer.card.block * 64
    total = side + 2 * scorer.card.halo
    bands = ("blue", "green", "red", "nir")
    data = np.random.default_rng(0).random((1, 4, total, total), dtype=np.float32) * 0.4
    batch = PatchBatch((Window(0, 0, side, side),), data, np.ones((1, total, total), dtype=bool), bands)
    with FlopCounterMode(display=False) as counter:
        scorer.score(batch)
    took = seconds(lambda: scorer.score(batch), 5)
    gflop = counter.get_total_flops() / 1e9
    return {"seconds_a_block": took, "megapixels": side**2 / 1e6, "gflop": gflop, "gflop_s": gflop / took}


def stages(path: Path) -> dict[str, object]:
    """Seconds of each stage for a whole scene, on one core each."""
    torch.set_num_threads(1)
    scorer = load_scorer()
    assert isinstance(scorer, NetworkScorer)
    precision = "bf16" if scorer.bf16 else "fp32"
    with open_scene(path) as scene, tempfile.TemporaryDirectory() as folder:
        georef = scene.georef
        side = aggregation_factor(georef, scorer)
        grid = PatchGrid(coarse_shape(georef.shape, side), scorer.card.block)
        bands = scorer.choose_bands(scene.bands)
        pixels = SEGMENT_PIXELS // side**2
        read = seconds(lambda: sum(1 for _ in read_segments(scene, bands, grid, scorer.card.halo, pixels, factor=side)))
        red = scene.read(Window(0, 0, *georef.shape), ("red",)).data[0]
        codes = spread((red[::side, ::side] > 0.3).astype(np.uint8), side, georef.shape)  # as large as what is scored
        writer = RowWriter(Path(folder) / "mask.tif", georef, MASK_FORMAT, {})
        write = seconds(lambda: [writer.write(row, codes[row : row + 1024]) for row in range(0, len(codes), 1024)])
        writer.close()
        cog = seconds(lambda: copy_to_cog(writer.path, Path(folder) / "cog.tif", MASK_FORMAT, side))
        tracer = PolygonTracer(georef.shape[1], side)
        p = np.where(codes, np.float32(0.9), np.float32(0.1))

        def trace() -> int:
            for row in range(0, len(codes), 1024):
                tracer.add(codes[row : row + 1024], p[row : row + 1024])
            shapes = tracer.finish()
            geodesic_areas(to_crs_coordinates(shapes.geometry, georef), georef)
            return len(shapes)

        polygons = seconds(trace)
        rates = machine_rates()
        nets = {kind: network(load_scorer(precision=kind)) for kind in rates}
        net = nets[precision]
        pixels = georef.shape[0] * georef.shape[1] / 1e6
        whole = net["seconds_a_block"] * grid.shape[0] * grid.shape[1] / 1e6 / net["megapixels"]
    return {
        "megapixels": pixels, "precision": precision, "rates": rates, "networks": nets,
        "stages": {"read, average and tile": read, "network": whole, "mask": write, "COG": cog, "polygons": polygons},
    }  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(json.dumps(stages(Path(sys.argv[1])), indent=1) + "\n")
