"""Any single raster that rasterio opens: bands, radiometry, nodata, grid; and metadata files beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rasterio.enums import ColorInterp

from geocloud.errors import InputError
from geocloud.readers.bands.choosing import (
    SPECTROMETER_BANDS,
    ChosenBands,
    choose_bands,
    given_bands,
    last_name,
    nearest_hints,
)
from geocloud.readers.bands.evidence import ALPHA, BandHint
from geocloud.readers.bands.known_products import MAXAR, MAXAR_BANDS, THERMAL_CAMERAS, THERMAL_NAMES
from geocloud.readers.bands.names import to_micrometres
from geocloud.readers.bands.radiometry import ScaleEvidence
from geocloud.readers.bands.sensors import no_scene
from geocloud.readers.bands.spec import BandSource, Radiometry, SceneInfo
from geocloud.readers.files.opening import check_blocks, check_size, open_raster, read_errors
from geocloud.readers.files.paths import is_virtual, scene_name
from geocloud.readers.files.sampling import has_data, mask_band
from geocloud.readers.files.tree import MAX_METADATA_BYTES, local_name, parse_xml, texts
from geocloud.readers.products.assembly import ProductDescription, assemble, tagged_radiometry
from geocloud.readers.reader import SceneOptions

_PLANET = re.compile(r"(.*?)_[13][AB]_(?:Analytic|Visual|Basic|Pansharp).*", re.IGNORECASE)
_TILE_OF_MAXAR = re.compile(r"_R\d+C\d+(?=-)", re.IGNORECASE)
_SURFACE = re.compile(r"_SR|_toar", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Beside:
    """What metadata files beside a raster say; keys are band numbers from 1."""

    radiometry: dict[int, Radiometry] = field(default_factory=dict)
    wavelengths: dict[int, float] = field(default_factory=dict)
    """Micrometres."""
    names: dict[int, str] = field(default_factory=dict)
    texts: str = ""
    """Words that may state the sensor or product."""


def read_beside(source: str) -> Beside:
    """Read the metadata files beside a raster; empty without such files, or if it is not on a local disk."""
    if is_virtual(source):
        return Beside()
    path = Path(source)
    try:
        files = [entry for entry in path.parent.iterdir() if entry.suffix.lower() in (".xml", ".imd")]
    except OSError:
        return Beside()
    readers = ((file, read) for file in sorted(files) if (read := _reader_of(file, path)))
    file, read = next(readers, (path, None))
    return read(file) if read else Beside()


def _reader_of(file: Path, raster: Path) -> Callable[[Path], Beside] | None:
    """What reads a metadata file, if it belongs to the raster; else None."""
    stem, name = file.stem.lower(), raster.stem.lower()
    planet = _PLANET.fullmatch(name)
    if planet and stem.startswith(planet[1]) and stem.endswith("_metadata"):
        return None if _SURFACE.search(name) else _planet
    if stem.endswith("-metadata") and name.startswith(stem[:-9]):
        return _enmap
    if stem.startswith("dim_") and name.startswith(f"img_{stem[4:]}"):
        return _dimap
    return _maxar if re.search(MAXAR, stem, re.IGNORECASE) and stem == _TILE_OF_MAXAR.sub("", name) else None


def _dimap(path: Path) -> Beside:
    """DIMAP of Pléiades, SPOT 6 and 7: the bands in order, and whether the numbers are reflectance."""
    elements = _root(path)
    bands = {
        int(number[0]): name[0]
        for element in elements
        if local_name(element) == "Raster_Index"
        and (name := texts(element, "BAND_ID"))
        and (number := texts(element, "BAND_INDEX"))
        and number[0].isdigit()
    }
    kinds = [(element.text or "").strip() for element in elements if local_name(element) == "RADIOMETRIC_PROCESSING"]
    scale = Radiometry(1e-4, 0.0, f"reflectance by {path.name}, read as x 10000", guessed=True)
    return Beside(dict.fromkeys(bands, scale) if "REFLECTANCE" in kinds else {}, names=bands)


def _maxar(path: Path) -> Beside:
    """Maxar's IMD file, or the XML file that holds the same: the bands in order, by groups such as BAND_B."""
    if path.suffix.lower() == ".imd":
        found = re.findall(r"BEGIN_GROUP = BAND_(\w+)", path.read_text("utf-8", "replace")[:MAX_METADATA_BYTES])
    else:
        groups = [local_name(element) for element in _root(path) if len(element)]
        found = [group.removeprefix("BAND_") for group in groups if group.startswith("BAND_")]
    return Beside(names={n: MAXAR_BANDS.get(code, code) for n, code in enumerate(found, start=1)})


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
    """`bandCharacterisation` of EnMAP and DESIS: centres in nanometres."""
    centres = [element.text for element in _root(path) if local_name(element) == "wavelengthCenterOfBand"]
    waves = {n: value for n, text in enumerate(centres, start=1) if (value := to_micrometres(text, "nm"))}
    level = "L2A" if "L2A" in path.name.upper() else "L1"
    mission = "DESIS" if path.name.upper().startswith("DESIS") else "EnMAP"
    scale = {n: Radiometry(1e-4, 0.0, f"{mission} L2A") for n in waves} if level == "L2A" else {}
    return Beside(scale, waves, texts=f"{mission} {level}")


def _root(path: Path) -> list[Any]:
    """All elements of a metadata file; none if it is too large or not XML."""
    if not path.is_file() or path.stat().st_size > MAX_METADATA_BYTES:
        return []
    try:
        return list(parse_xml(path.read_bytes(), str(path)).iter())
    except InputError:
        return []


_COLOURS = {ColorInterp.red: "red", ColorInterp.green: "green", ColorInterp.blue: "blue"}
_WAVELENGTH_KEYS = ("central_wavelength_um", "wavelength", "wavelengths", "center_wavelength", "centre_wavelength")
_UNIT_KEYS = ("wavelength_units", "wavelength_unit", "units")
_NAME_KEYS = ("description", "band_name", "bandname", "long_name", "name")


def describe_raster(source: str, options: SceneOptions) -> SceneInfo:
    """The spec of one raster file.

    Raises:
        InputError: no such file, not a raster, fewer than 3 bands, bands or scale unknown, located by RPCs only.
        UsageError: `options.bands` names a band that the file does not have.
    """
    with open_raster(source, allow_external=options.allow_external) as dataset, read_errors(source):
        check_size(source, (dataset.height, dataset.width), options.max_pixels)
        check_blocks(dataset, source)
        beside = read_beside(source)
        labels = [_label(dataset, index) for index in dataset.indexes]
        labels = labels if any(labels) else _sources_of_vrt(dataset)
        words = "/".join(part for part in (beside.texts, *labels[:SPECTROMETER_BANDS], *_last_names(source)) if part)
        chosen = _bands(dataset, source, labels, words, beside, options)
        stated = {
            band: beside.radiometry.get(number) or tagged_radiometry(dataset, number)
            for band, number in chosen.numbers.items()
        }
        sources = [
            BandSource(band, dataset.name, number, label=labels[number - 1], evidence=chosen.why[band])
            for band, number in chosen.numbers.items()
        ]
        product = ProductDescription(
            scene_name(source),
            source,
            dataset.driver,
            notes=unnamed_note(chosen),
            scale=ScaleEvidence(source, words, chosen.sensor, labels),
            left_out=chosen.left_out,
            guess=chosen.guess,
        )
    return assemble(product, sources, options, stated)


def unnamed_note(chosen: ChosenBands) -> tuple[str, ...]:
    """A sentence on bands that nothing identifies, if there are only a few."""
    if not 0 < len(chosen.unnamed) <= SPECTROMETER_BANDS:
        return ()
    more = "s" if len(chosen.unnamed) > 1 else ""
    return (f"band{more} {', '.join(chosen.unnamed)} not read, for nothing says which: --bands names what is used",)


def _last_names(source: str) -> list[str]:
    """The names of the file and of its folders, as far as they identify products."""
    return source.replace("\\", "/").split("/")[-4:]


def _bands(
    dataset: Any,  # noqa: ANN401 - rasterio is untyped
    source: str,
    labels: list[str],
    words: str,
    beside: Beside,
    options: SceneOptions,
) -> ChosenBands:
    """Band -> number: as given, else from all that the file says."""
    if options.bands:
        return given_bands(options.bands, labels, source)
    _check_camera(dataset, source)
    alpha, _ = mask_band(dataset)
    count = len(labels) - (alpha > 0)
    if count < 3:
        raise InputError(_too_few(dataset, source, count, labels))
    hints = [
        BandHint(ALPHA)
        if index == alpha
        else BandHint(
            label or beside.names.get(index, ""),
            _wavelength(dataset, index) or beside.wavelengths.get(index),
            colour=_COLOURS.get(dataset.colorinterp[index - 1], ""),
        )
        for index, label in enumerate(labels, start=1)
    ]
    hints = nearest_hints(hints, words, lambda number: has_data(dataset, number))
    return choose_bands(hints, labels, source, words, file_name=last_name(source))


def _too_few(dataset: Any, source: str, count: int, labels: Sequence[str]) -> str:  # noqa: ANN401 - rasterio is untyped
    """Why a raster of one or two bands is no scene, and the way out."""
    if dataset.colorinterp[0] is ColorInterp.palette:
        return (
            f"{source} has 1 band with a table of colours: a map of classes, or a picture in few colours, to be "
            "expanded first, as with gdal_translate -expand rgb"
        )
    what = no_scene(last_name(source), labels)
    if what:
        return f"by its names, {source} is {what}"
    return (
        f"{source} has {count} band{'s' if count != 1 else ''}; a scene needs at least blue, green and red: give the "
        "folder where bands are files of their own"
    )


def _check_camera(dataset: Any, source: str) -> None:  # noqa: ANN401 - rasterio is untyped
    """InputError for a picture of heat, by the camera that took it or by the name that the camera gave it."""
    maker = dataset.tags().get("EXIF_Make", "").strip()
    if re.search(THERMAL_CAMERAS, maker, re.IGNORECASE) or re.search(THERMAL_NAMES, source, re.IGNORECASE):
        raise InputError(
            f"{source} is a picture of heat by its {f'camera ({maker})' if maker else 'name'}; give one in natural "
            "colour, or --bands red=1,green=2,blue=3 if it is one"
        )


def _label(dataset: Any, index: int) -> str:  # noqa: ANN401 - rasterio is untyped
    """The name of a band in the file: its description, else a tag of that kind, as openEO writes."""
    tags = {key.lower(): value for key, value in dataset.tags(index).items()}
    return dataset.descriptions[index - 1] or next((tags[key] for key in _NAME_KEYS if tags.get(key)), "")


def _sources_of_vrt(dataset: Any) -> list[str]:  # noqa: ANN401 - rasterio is untyped
    """Names of the files of a virtual raster with one file per band (gdalbuildvrt -separate); else empty."""
    text = dataset.tags(ns="xml:VRT").get("xml:VRT", "") if dataset.driver == "VRT" else "<none/>"
    bands = [
        element for element in parse_xml(text.encode(), dataset.name).iter() if "RasterBand" in local_name(element)
    ]
    files = [{name.replace("\\", "/").rpartition("/")[2] for name in texts(band, "SourceFilename")} for band in bands]
    names = [next(iter(one)).rpartition(".")[0] for one in files if len(one) == 1]
    return names if len(set(names)) == dataset.count else [""] * dataset.count


def _wavelength(dataset: Any, index: int) -> float | None:  # noqa: ANN401 - rasterio is untyped
    """Centre wavelength that a band's tags state, in micrometres."""
    tags = {key.lower(): value for key, value in {**dataset.tags(index), **dataset.tags(index, ns="IMAGERY")}.items()}
    unit = next((tags[key] for key in _UNIT_KEYS if key in tags), "")
    found = ((key, tags[key]) for key in _WAVELENGTH_KEYS if tags.get(key))
    return next((to_micrometres(text, "um" if key.endswith("_um") else unit) for key, text in found), None)
