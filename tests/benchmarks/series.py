"""What several dates add to one: simulated cloud and shadow over clear dates, by surface.

    python tests/benchmarks/series.py [DATA] [NAME ...]

DATA is the folder of real imagery (else GEOCLOUD_DATA), NAME some of the sets below. Italy, Finland and its roofs
are real clear dates. Of the others one clear image is at hand, so its dates are made: brightness, tint and a slow drift
by up to some 10 %, shifts below half a pixel, noise. Cloud and shadow come from the simulator that trains the default
model, which flatters the single date. Both masks are cut at P = 0.5. No label is read; the constants of the method were
set with these sets in view.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from geocloud.models.registry import load_scorer
from geocloud.raster import PatchBatch, Window
from geocloud.readers import SceneOptions, open_scene
from geocloud.series.casts import FARTHEST, cut_out
from geocloud.series.explain import Explained, explain, learn_usual, take_dates
from geocloud.series.masks import LIT, SHADED
from geocloud.training.unmix.simulator import cast_shadow, chance, sharp_clouds, simulate, small_clouds

BANDS = ("blue", "green", "red", "nir", "swir16", "swir22", "cirrus")
SIDE = 256
CLOUDY, CLEAR = 0.12, 0.03
"""Opacity from which a pixel is cloud, and up to which it is none; between, nothing is asked."""
SHADED_FROM, SEEN = 0.15, 0.015
"""Share of light lost from which a pixel is shaded, and the least change of reflectance that it makes."""
ITALY = ("02-10", "04-26", "05-31", "06-25", "07-20", "08-09", "09-28", "10-23")
PLACES = {
    "italy": ("ordinary", [f"scenes/sen12mscr_series_italy/2018-{day}_patch0.tif" for day in ITALY]),
    "finland": (
        "ordinary",
        [f"scenes/biomassters_finland/0060c0a5_S2_{m}.tif" for m in ("00", "01", "07", "08", "09", "10")],
    ),
    "roofs": ("bright", [f"scenes/biomassters_finland/000aa810_S2_{month}.tif" for month in ("07", "08", "10")]),
    "sahara": ("bright", ["scenes/S2A_29RKH_20200219_0_L2A"]),
    "zion": ("bright", ["scenes/landsat8_extra/zion_desert_rock.tif"]),
    "alberta": ("snow", ["scenes/sentinel2_series_alberta/2020-04-11.tif"]),
    "snow and ice": ("snow", ["labelled/l8biome/images/SnowIce_00_1415.tif"]),
}
"""Surface and clear dates of each set, of four or more bands; the first 256 x 256 pixels, of the Sahara the middle."""
CATALOGUE = SceneOptions(bands={"red": 1, "green": 2, "blue": 3}, scale=1 / 320, offset=0.0)
DESERTS = {
    f"desert {number}": ("bright", [f"labelled/s2cmc_more/images/{name}.webp"])
    for number, name in enumerate(
        (
            "S2A_MSIL1C_20180219T094031_N0206_R036_T32QQF_20180219T114328",
            "S2B_MSIL1C_20180119T110349_N0206_R094_T29QMV_20180119T131401",
            "S2B_MSIL1C_20180522T093029_N0206_R136_T33QUB_20180522T131802",
            "S2B_MSIL1C_20180920T085619_N0206_R007_T34RGR_20180920T125807",
        ),
        start=1,
    )
}
"""The middles of the four brightest deserts of the catalogue that are labelled wholly clear and not saturated, RGB."""
SETS = PLACES | DESERTS
SEEDS = {name: first + number for first, group in ((100, PLACES), (200, DESERTS)) for number, name in enumerate(group)}
MADE_DATES = 6


def read(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    with open_scene(path, CATALOGUE if path.suffix == ".webp" else None) as scene:
        bands = tuple(band for band in BANDS if band in scene.bands)
        start = 300 if "29RKH" in path.name else 128 if path.suffix == ".webp" else 0
        return scene.read(Window(start, start, SIDE, SIDE), bands).data, bands


def made_dates(base: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(date, band, h, w) of one clear image."""
    dates = []
    for _ in range(MADE_DATES):
        tint = rng.uniform(0.9, 1.08) * (1 + 0.015 * rng.standard_normal(len(base)))
        down, right = rng.uniform(0, 0.5, 2)
        moved = (1 - down) * base + down * np.roll(base, 1, axis=1)
        moved = (1 - right) * moved + right * np.roll(moved, 1, axis=2)
        coarse = torch.from_numpy(rng.standard_normal((1, 1, 4, 4)))
        drift = torch.nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic", align_corners=True)[0, 0]
        dates.append(moved * tint[:, None, None] * (1 + 0.05 * drift.numpy()) + rng.normal(0, 0.004, base.shape))
    return np.stack(dates).astype(np.float32)


def clouded(clear: np.ndarray, bands: tuple[str, ...], seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Seven dates of ten under cloud: reflectance, opacity (date, h, w) and share of light lost (date, h, w)."""
    rng, dates = torch.Generator().manual_seed(seed), len(clear)
    veil = simulate(dates, SIDE, rng, small=0.3)
    sharp = torch.where(chance(dates, 0.5, rng), small_clouds(dates, SIDE, rng), sharp_clouds(dates, SIDE, rng))
    use, on = chance(dates, 0.5, rng), chance(dates, 0.7, rng).float()
    opacity = torch.where(use, sharp.expand(-1, 7, -1, -1), veil.opacity) * on
    shadow = (torch.where(use, cast_shadow(sharp, 60, rng), veil.shadow) * on).numpy()
    index = [BANDS.index(band) for band in bands]
    opaque, colour = opacity[:, index].numpy(), veil.cloud[:, index].numpy()
    mixed = (1 - opaque) * (1 - shadow) * clear + opaque * colour
    return mixed.astype(np.float32), opaque[:, :4].mean(axis=1), shadow[:, 0]


def alone(scene: np.ndarray, bands: tuple[str, ...], scorer: object) -> tuple[np.ndarray, np.ndarray]:
    """P(cloud) and shadow (h, w) of one date by itself."""
    taken, halo = scorer.choose_bands(bands), scorer.card.halo
    padded = np.pad(scene[[bands.index(band) for band in taken]], ((0, 0), (halo, halo), (halo, halo)), mode="reflect")
    valid = np.ones((1, *padded.shape[1:]), dtype=bool)
    parts = scorer.unmix(PatchBatch((Window(0, 0, SIDE, SIDE),), padded[None], valid, taken))
    p = scorer.card.calibration.probability(parts.score[0])
    return p, (parts.shadow[0] >= scorer.card.class_thresholds.shadow) & (p < 0.5)


def together(x: np.ndarray, p: np.ndarray, dark: np.ndarray, bands: tuple[str, ...]) -> Explained:
    """What the dates say together: all of the place is one sample."""
    whole, maps = Window(0, 0, SIDE, SIDE), (x, np.ones(p.shape, dtype=bool), p, np.where(dark, SHADED, LIT), bands)
    usual, sky = learn_usual(take_dates(*maps))
    casts = tuple(sky.cast(date, [cut_out(own, whole, whole.grow(FARTHEST))]) for date, own in enumerate(p))
    moved = np.stack([cut_out(own, whole, cast.source(whole)) for own, cast in zip(p, casts, strict=True)])
    return explain(take_dates(*maps, moved), replace(usual, casts=casts))


def balanced(found: np.ndarray, cloudy: np.ndarray, clear: np.ndarray) -> tuple[float, float, float]:
    """Balanced accuracy, recall of cloud, recall of clear."""
    recall, kept = (found & cloudy).sum() / cloudy.sum(), (~found & clear).sum() / clear.sum()
    return (recall + kept) / 2, recall, kept


def f1(found: np.ndarray, shaded: np.ndarray, lit: np.ndarray) -> float:
    hits = (found & shaded).sum()
    return float(2 * hits / max(2 * hits + (found & lit).sum() + (~found & shaded).sum(), 1))


def measure(name: str, data: Path, scorer: object) -> str:
    surface, paths = SETS[name]
    images = [read(data / path) for path in paths]
    bands = images[0][1]
    clear = (
        np.stack([image for image, _ in images])
        if len(images) > 1
        else made_dates(images[0][0], np.random.default_rng(5))
    )
    x, opacity, lost = clouded(clear, bands, SEEDS[name])
    singles = [alone(date, bands, scorer) for date in x]
    p, dark = (np.stack(part) for part in zip(*singles, strict=True))
    told = together(x, p, dark, bands)
    cloudy, free = opacity > CLOUDY, opacity < CLEAR
    seen = (np.abs(clear * lost[:, None]).max(axis=1) > SEEN) & (opacity < CLEAR)
    shaded, lit = (lost > SHADED_FROM) & seen, (lost < CLEAR) & (opacity < CLEAR)
    one, all_dates = balanced(p >= 0.5, cloudy, free), balanced(told.cloud >= 0.5, cloudy, free)
    shadows = f1(dark, shaded, lit), f1(told.shadow >= 0.5, shaded, lit)
    figures = [f"{before:.3f} | {after:.3f}" for before, after in zip(one, all_dates, strict=True)]
    return f"| {name} | {surface} | {len(x)} | {' | '.join(figures)} | {shadows[0]:.3f} | {shadows[1]:.3f} |"


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    words = sys.argv[1:]
    data = Path(words.pop(0) if words and Path(words[0]).is_dir() else os.environ["GEOCLOUD_DATA"])
    scorer = load_scorer()
    torch.set_num_threads(1)
    names = "balanced accuracy", "recall of cloud", "recall of clear", "shadow F1"
    say("| set | surface | dates | " + " | ".join(f"{name}: single | series" for name in names) + " |")
    say("|---" * 11 + "|")
    for name in SETS:
        if not words or name in words:
            say(measure(name, data, scorer))


if __name__ == "__main__":
    main()
