"""Real headers and documents, and random harm done to them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faults.bad_scenes import vrt
from products import write_item, write_landsat, write_safe
from testutils import write_scene

from geocloud.models.registry import SHIPPED, default_name

INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
VALUES = (None, True, -1, 0, 10**18, 1e308, float("nan"), "", "x" * 5000, "../../etc/passwd", [], {}, [[[]]], {"a": {}})


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of input: a whole one, where a harmed one is written, and the command that reads it."""

    name: str
    seed: bytes
    path: Path
    command: tuple[str, ...]
    first: int = 0
    """Bytes of the beginning to harm; 0: anywhere."""


def targets(folder: Path) -> Iterator[Target]:
    """A header, a virtual raster, a SAFE's and a Landsat's metadata, STAC items, a model card."""
    folder.mkdir(parents=True)
    data = np.random.default_rng(0).integers(300, 900, (3, 60, 70)).astype(np.uint16)
    tiff = write_scene(folder / "a.tif", data=data, compress="deflate")
    fixed = (
        "--out",
        str(folder / "out"),
        "--model",
        "brightness",
        "--progress",
        "none",
        "--overwrite",
        "--threads",
        "1",
    )
    yield Target("GeoTIFF header", tiff.read_bytes(), tiff, ("detect", str(tiff), *fixed), 500)
    whole = write_scene(folder / "whole.tif", data=data)
    document = folder / "m.vrt"
    yield Target("VRT", vrt(whole.name, 70, 60).encode(), document, ("info", str(document)))
    safe, _ = write_safe(folder)
    metadata = safe / "MTD_MSIL1C.xml"
    yield Target("SAFE metadata", metadata.read_bytes(), metadata, ("info", str(safe)))
    product, _ = write_landsat(folder)
    mtl = next(product.glob("*_MTL.txt"))
    yield Target("Landsat metadata", mtl.read_bytes(), mtl, ("info", str(product)))
    for version in ("1.0.0", "1.1.0"):
        item, _ = write_item(folder / version, version)
        yield Target(f"STAC {version} item", item.read_bytes(), item, ("info", str(item)))
    model = folder / "model"
    model.mkdir()
    source = SHIPPED / default_name()
    (model / "weights.safetensors").write_bytes((source / "weights.safetensors").read_bytes())
    card = model / "card.json"
    scene = write_scene(folder / "b.tif")
    arguments = ("detect", str(scene), "--out", str(folder / "scored"), "--model", str(model), "--overwrite")
    yield Target("model card", (source / "card.json").read_bytes(), card, (*arguments, "--progress", "none"))


def mutate(seed: bytes, chance: random.Random, first: int = 0) -> bytes:
    """One to six random harms: bits, numbers, runs of bytes removed, doubled or put in, the end cut off."""
    content = seed
    for _ in range(chance.randint(1, 6)):
        if content:
            content = _harm(content, chance, chance.randrange(min(first or len(content), len(content))))
    return content


def _harm(content: bytes, chance: random.Random, at: int) -> bytes:
    """One harm at a place."""
    before, length = content[:at], chance.randint(1, 40)
    match chance.randrange(8):
        case 0 | 1:
            return before + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]
        case 2 | 3:
            return before + chance.choice(INTERESTING).to_bytes(4, "little") + content[at + 4 :]
        case 4:
            return before + chance.choice(INTERESTING[:7]).to_bytes(2, "little") + content[at + 2 :]
        case 5:
            return before + content[at + length :]
        case 6:
            return before + content[at : at + length] + content[at:]
        case _:
            return before if chance.random() < 0.3 else before + chance.randbytes(length) + content[at:]


def mutate_json(seed: bytes, chance: random.Random) -> bytes:
    """A value anywhere in a JSON document replaced, removed or doubled, so that it stays JSON."""
    document = json.loads(seed)
    for _ in range(chance.randint(1, 4)):
        parent, key = _somewhere(document, chance)
        if parent is None:
            break
        harm = chance.random()
        if harm < 0.15:
            del parent[key]
        elif harm < 0.3 and isinstance(parent, list):
            parent.append(parent[key])
        else:
            parent[key] = chance.choice(VALUES)
    return json.dumps(document).encode()


def _somewhere(document: Any, chance: random.Random) -> tuple[Any, Any]:
    """A container in the document and a key of it."""
    places = []

    def walk(value: Any, depth: int = 0) -> None:
        keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        for key in keys:
            places.append((value, key))
            if depth < 12:
                walk(value[key], depth + 1)

    walk(document)
    return chance.choice(places) if places else (None, None)


def harmed(target: Target, number: int) -> bytes:
    """The target's input of this number; the same on every machine."""
    chance = random.Random(f"{target.name}/{number}")  # noqa: S311 - repeatable, no secret
    if target.path.suffix == ".json" and chance.random() < 0.7:
        return mutate_json(target.seed, chance)
    return mutate(target.seed, chance, target.first)
