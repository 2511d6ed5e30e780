"""Metadata files that lie beside a raster and say what its numbers are: Planet, EnMAP."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geocloud.errors import InputError
from geocloud.readers.bands.names import to_micrometres
from geocloud.readers.bands.spec import Radiometry
from geocloud.readers.files.paths import is_virtual
from geocloud.readers.files.tree import MAX_METADATA_BYTES, local_name, parse_xml, texts

_PLANET = re.compile(r"(.*?)_3[AB]_(?:Analytic|Visual|Basic|Pansharp).*", re.IGNORECASE)
_SURFACE = re.compile(r"_SR|_toar", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Beside:
    """What was found; keys are band numbers from 1."""

    radiometry: dict[int, Radiometry] = field(default_factory=dict)
    wavelengths: dict[int, float] = field(default_factory=dict)
    """Micrometres."""
    names: dict[int, str] = field(default_factory=dict)
    texts: str = ""
    """Words that may state the sensor or product."""


def read_beside(source: str) -> Beside:
    """What metadata files beside a raster say of it; nothing where there are none, or it is not on a disk here."""
    if is_virtual(source):
        return Beside()
    path = Path(source)
    try:
        files = [entry for entry in path.parent.iterdir() if entry.suffix.lower() == ".xml"]
    except OSError:
        return Beside()
    planet = _PLANET.fullmatch(path.stem)
    for file in sorted(files):
        if planet and file.name.lower().startswith(planet[1].lower()) and file.stem.lower().endswith("_metadata"):
            return Beside() if _SURFACE.search(path.stem) else _planet(file)
        if file.stem.upper().endswith("-METADATA") and path.stem.upper().startswith(file.stem.upper()[:-9]):
            return _enmap(file)
    return Beside()


def _planet(path: Path) -> Beside:
    """Planet's `bandSpecificMetadata`: reflectance = DN * reflectanceCoefficient."""
    found: dict[int, Radiometry] = {}
    for element in _root(path):
        if local_name(element) != "bandSpecificMetadata":
            continue
        number, coefficient = texts(element, "bandNumber"), texts(element, "reflectanceCoefficient")
        if number and coefficient:
            found[int(number[0])] = Radiometry(float(coefficient[0]), 0.0, "Planet's metadata file")
    return Beside(found)


def _enmap(path: Path) -> Beside:
    """EnMAP's `bandCharacterisation`: centres in nanometres."""
    centres = [element.text for element in _root(path) if local_name(element) == "wavelengthCenterOfBand"]
    waves = {n: value for n, text in enumerate(centres, start=1) if (value := to_micrometres(text, "nm"))}
    level = "L2A" if "L2A" in path.name.upper() else "L1"
    scale = {n: Radiometry(1e-4, 0.0, "EnMAP L2A") for n in waves} if level == "L2A" else {}
    return Beside(scale, waves, texts=f"EnMAP {level}")


def _root(path: Path) -> list[Any]:
    """All elements of a metadata file; none where it is too large or no XML."""
    if path.stat().st_size > MAX_METADATA_BYTES:
        return []
    try:
        return list(parse_xml(path.read_bytes(), str(path)).iter())
    except InputError:
        return []
