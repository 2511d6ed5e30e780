"""How often the warning "unlike the training data" is given: ordinary scenes, and the same read wrongly.

GEOCLOUD_DATA=../shared/data python tests/benchmarks/unlike.py [--parts N]

Then the same scenes are read as whole numbers over other scales, through the guess of the scale: how many are refused,
warned of by the guess or by the check, and read too bright or dark without a word.

With --parts it is measured out of sample: the places are split into N parts, prototypes are fitted on all but one of
them, and the rates are those of the one, in turn; this for four splits by chance, whose mean is printed. Of each scene
500 pixels are taken by chance; clear and cloudy ones are told apart at a visible reflectance of 0.25 instead of by a
model. Prints the percentage of scenes with a warning for each reading, and the ordinary scenes that have one; the same
of the scenes that were held out of training.
"""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image

from geocloud.errors import InputError
from geocloud.models.registry import load_scorer
from geocloud.pipeline.domain_check import BAND_SETS, DomainCheck
from geocloud.readers.bands.radiometry import ScaleEvidence, choose_radiometry
from geocloud.readers.bands.spec import Samples, medians_of
from geocloud.scorers.card import TrainingDomain
from geocloud.training.prototypes import fit_prototypes
from geocloud.training.unmix.recipe import RECIPES

BANDS = ("blue", "green", "red", "nir", "swir16", "swir22", "cirrus")
SETS = {
    "labelled/sen12mscr/images/*.tif": 1e-4,
    "scenes/sen12mscr_series_italy/*.tif": 1e-4,
    "scenes/sen12mscr_clear/*.tif": 1e-4,
    "scenes/hls_l30_chips/images/*.tif": 1e-4,
    "scenes/biomassters_finland/*.tif": 1e-4,
    "labelled/s2chips/images/*.tif": 1e-4,
    "scenes/sentinel2_chips_unlabelled/*.tif": 1e-4,
    "scenes/sentinel2_series_alberta/*.tif": 1e-4,
    "labelled/l8biome/images/*.tif": 1.0,
}
PICTURES = ("labelled/s2cmc/images/*.png", "labelled/s2cmc_more/images/*")
HELD_OUT = set((RECIPES / "held-out.txt").read_text(encoding="utf-8").split())
"""Names of scenes of places that no training and no prototype saw."""
OVER = (1000, 2047, 4095, 10000, 20000, 32768, 65535)
"""Numbers that reflectance 1 is stored as: of these, 10000 is read right."""
SIDE, PIXELS, BRIGHT, LEAST = 64, 500, 0.25, 200
SPLITS = (1, 11, 12, 13)
"""Seeds of the splits of --parts."""


def order(*places: int) -> Callable[[np.ndarray], np.ndarray]:
    """Bands in another order; those beyond stay."""
    return lambda x: np.concatenate([x[:, list(places)], x[:, len(places) :]], axis=1)


def red_edge(x: np.ndarray) -> np.ndarray:
    """Sentinel-2's 12 bands taken for Landsat's: red edge as near and short-wave infrared."""
    red, nir = x[:, 2], x[:, 3]
    return np.stack([*x[:, :3].T, 0.75 * red + 0.25 * nir, 0.25 * red + 0.75 * nir, nir, *x[:, 6:].T], axis=1)


READINGS: dict[str, tuple[int, Callable[[np.ndarray], np.ndarray]]] = {
    "ordinary": (3, lambda x: x),
    "red and blue exchanged": (3, order(2, 1, 0)),
    "green, red, nir for blue, green, red": (4, order(1, 2, 3)),
    "red edge for infrared": (6, red_edge),
    "3.1 times as bright": (3, lambda x: 3.1 * x),
    "1.5 times as bright": (3, lambda x: 1.5 * x),
    "1/2.5 as bright": (3, lambda x: x / 2.5),
    "1/6.5 as bright": (3, lambda x: x / 6.5),
    "0.1 too bright": (3, lambda x: x + 0.1),
}
"""Reading -> bands it needs, and what it makes of (n, band) reflectance."""


def scenes(data: Path) -> Iterator[tuple[str, np.ndarray]]:
    """(name, (band, SIDE, SIDE) reflectance), blue first."""
    for pattern, scale in SETS.items():
        for path in sorted(data.glob(pattern)):
            with rasterio.open(path) as dataset:
                count = min(len(BANDS), dataset.count)
                yield path.name, dataset.read(list(range(1, count + 1)), out_shape=(count, SIDE, SIDE)) * scale
    for pattern in PICTURES:
        for path in sorted(data.glob(pattern)):
            picture = np.asarray(Image.open(path).convert("RGB").resize((SIDE, SIDE), 0))
            yield path.name, picture[:, :, ::-1].transpose(2, 0, 1) / 320


def warned(pixels: np.ndarray, domain: TrainingDomain) -> bool:
    """True where a scene of these pixels would be called unlike the training data."""
    check = DomainCheck(domain)
    check.add_pixels(pixels, pixels[:, :3].mean(axis=1) > BRIGHT, BANDS[: pixels.shape[1]])
    return bool(check.warnings())


def looked_at(data: Path) -> Iterator[tuple[str, np.ndarray]]:
    """(name, (n, band) reflectance) of scenes with enough pixels."""
    for name, raster in scenes(data):
        pixels = raster.reshape(len(raster), -1).T.astype(np.float32)
        pixels = pixels[(pixels != 0).any(axis=1) & np.isfinite(pixels).all(axis=1)]
        if len(pixels) >= LEAST:
            yield name, pixels[np.random.default_rng(0).permutation(len(pixels))[:PIXELS]]


def place(name: str) -> str:
    """What scenes of one place share in their names."""
    found = re.search(r"_T(\d{2}[A-Z]{3})|^(\d{4}_\w+?_\d+)|^([0-9a-f]{4})[0-9a-f]{4}_S2|^(20\d\d)-\d\d", name)
    return next((text for text in found.groups() if text), name) if found else name


def fitted(domain: TrainingDomain, known: list[np.ndarray]) -> TrainingDomain:
    """The domain with prototypes of these scenes' pixels."""
    rng, kinds = np.random.default_rng(1), []
    for cloudy in (False, True):
        kind = []
        for bands in BAND_SETS:
            rows = [x[(x[:, :3].mean(axis=1) > BRIGHT) == cloudy] for x in known if x.shape[1] > BANDS.index(bands[-1])]
            values = np.concatenate([x[:100, [BANDS.index(band) for band in bands]] for x in rows])
            kind.append(fit_prototypes(values[rng.permutation(len(values))[:6000]], bands))
        kinds.append(tuple(kind))
    return replace(domain, clear=kinds[0], cloudy=kinds[1])


def measure(domain: TrainingDomain, known: list[tuple[str, np.ndarray]], found: dict[str, list[bool]]) -> None:
    """Adds whether there is a warning, by reading; names the ordinary scenes that have one."""
    for name, pixels in known:
        for reading, (count, change) in READINGS.items():
            if pixels.shape[1] >= count:
                found[reading].append(warned(change(pixels), domain))
        if found["ordinary"][-1]:
            sys.stdout.write(f"ordinary, yet warned: {name}\n")


def read_by_values(domain: TrainingDomain, known: list[tuple[str, np.ndarray]], over: int) -> dict[str, float]:
    """Outcome -> percent of the scenes whose reflectance is stored times `over`, and nothing says so."""
    told: list[str] = []
    for _, pixels in known:
        numbers = np.round(pixels.astype(np.float64) * over).clip(0, 65535)
        bands = BANDS[: pixels.shape[1]]
        medians = medians_of({band: numbers[:, n] for n, band in enumerate(bands)})
        samples = Samples(numbers.ravel(), ("uint16",) * len(bands), medians=medians)
        try:
            scale = choose_radiometry({"all": None}, ScaleEvidence("a scene"), lambda found=samples: found)["all"]
        except InputError:
            told.append("refused")
            continue
        read = (numbers * scale.scale).astype(np.float32)
        told.append("warned" if scale.guessed or warned(read, domain) else "no word")
    return {outcome: 100 * told.count(outcome) / len(told) for outcome in ("refused", "warned", "no word")}


def main() -> None:
    """Measure and print."""
    domain = load_scorer("default", "cpu").card.domain
    if domain is None:
        raise SystemExit("the default model's card does not say what it has seen")
    found: dict[str, list[bool]] = defaultdict(list)
    known = list(looked_at(Path(os.environ["GEOCLOUD_DATA"])))
    if "--parts" in sys.argv[1:-1]:
        count = int(sys.argv[sys.argv.index("--parts") + 1])
        for seed in SPLITS:
            places = np.random.default_rng(seed).permutation(sorted({place(name) for name, _ in known}))
            for part in (set(places[start::count]) for start in range(count)):
                others = [pixels for name, pixels in known if place(name) not in part]
                measure(fitted(domain, others), [one for one in known if place(one[0]) in part], found)
    else:
        measure(domain, known, found)
        unseen = [one for one in known if one[0].rpartition(".")[0] in HELD_OUT or one[0] in HELD_OUT]
        sys.stdout.write(f"of {len(unseen)} scenes that were held out of training:\n")
        apart: dict[str, list[bool]] = defaultdict(list)
        measure(domain, unseen, apart)
        found |= {f"held out, {reading}": told for reading, told in apart.items()}
        for over in OVER:
            shares = ", ".join(
                f"{outcome} {share:.1f} %" for outcome, share in read_by_values(domain, known, over).items()
            )
            sys.stdout.write(f"numbers over {over}: {shares}\n")
    for reading, told in found.items():
        sys.stdout.write(f"{reading}: {100 * np.mean(told):.1f} % of {len(told)}\n")


if __name__ == "__main__":
    main()
