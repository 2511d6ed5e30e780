"""Any single raster that rasterio opens: what its bands, radiometry, nodata and grid are."""

from __future__ import annotations

from typing import Any

from rasterio.enums import ColorInterp

from geocloud.errors import InputError
from geocloud.readers.bands.choosing import ChosenBands, choose_bands, given_bands
from geocloud.readers.bands.evidence import BandHint
from geocloud.readers.bands.names import CENTRES, RANGES, SCORED, to_micrometres
from geocloud.readers.bands.radiometry import ScaleEvidence, tagged_radiometry
from geocloud.readers.bands.spec import BandSource, SceneInfo
from geocloud.readers.files.opening import check_blocks, check_size, open_raster, read_errors
from geocloud.readers.files.sampling import has_data
from geocloud.readers.products.assembly import ProductDescription, assemble
from geocloud.readers.products.beside import Beside, read_beside
from geocloud.readers.reader import SceneOptions, scene_name

_COLOURS = {ColorInterp.red: "red", ColorInterp.green: "green", ColorInterp.blue: "blue"}
_WAVELENGTH_KEYS = ("central_wavelength_um", "wavelength", "wavelengths", "center_wavelength", "centre_wavelength")
_UNIT_KEYS = ("wavelength_units", "wavelength_unit", "units")
MANY = 30
"""Bands from which a raster is taken for an imaging spectrometer's."""


def describe_raster(source: str, options: SceneOptions) -> SceneInfo:
    """What one raster file says of itself.

    Raises:
        InputError: no such file, not a raster, fewer than 3 bands, bands or scale not told, located by RPCs only.
        UsageError: `options.bands` names a band that the file does not have.
    """
    with open_raster(source, allow_external=options.allow_external) as dataset, read_errors(source):
        check_size(source, (dataset.height, dataset.width), options.max_pixels)
        check_blocks(dataset, source)
        beside = read_beside(source)
        labels = [text or "" for text in dataset.descriptions]
        texts = "/".join(part for part in (beside.texts, *_last_names(source)) if part)
        chosen = _bands(dataset, source, labels, texts, beside, options)
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
            scale=ScaleEvidence(source, texts, chosen.sensor, labels),
            left_out=chosen.left_out,
            guess=chosen.guess,
        )
    return assemble(product, sources, options, stated)


def unnamed_note(chosen: ChosenBands) -> tuple[str, ...]:
    """A sentence on bands of which nothing says which they are, where there are a few."""
    if not 0 < len(chosen.unnamed) <= MANY:
        return ()
    more = "s" if len(chosen.unnamed) > 1 else ""
    return (f"band{more} {', '.join(chosen.unnamed)} not read, for nothing says which: --bands names what is used",)


def _last_names(source: str) -> list[str]:
    """The file's name and those of its folders, as far as they tell products apart."""
    return source.replace("\\", "/").split("/")[-4:]


def _bands(
    dataset: Any,  # noqa: ANN401 - rasterio is untyped
    source: str,
    labels: list[str],
    texts: str,
    beside: Beside,
    options: SceneOptions,
) -> ChosenBands:
    """As given, else by all that the file says."""
    if options.bands:
        return given_bands(options.bands, labels, source)
    data = [i for i in dataset.indexes if dataset.colorinterp[i - 1] is not ColorInterp.alpha]
    if len(data) < 3:
        raise InputError(
            f"{source} has {len(data)} band{'s' if len(data) != 1 else ''}; a scene needs at least blue, green and "
            "red: give the folder where bands are files of their own"
        )
    hints = [
        BandHint(
            label or beside.names.get(index, ""),
            _wavelength(dataset, index) or beside.wavelengths.get(index),
            colour=_COLOURS.get(dataset.colorinterp[index - 1], ""),
        )
        for index, label in enumerate(labels, start=1)
    ]
    if sum(hint.wavelength is not None for hint in hints) > MANY:
        hints = _spectrometer(dataset, hints, texts)
    return choose_bands(hints, labels, source, texts, file_name=_last_names(source)[-1])


def _wavelength(dataset: Any, index: int) -> float | None:  # noqa: ANN401 - rasterio is untyped
    """The centre that a band's tags state, in micrometres."""
    tags = {key.lower(): value for key, value in {**dataset.tags(index), **dataset.tags(index, ns="IMAGERY")}.items()}
    unit = next((tags[key] for key in _UNIT_KEYS if key in tags), "")
    return next((to_micrometres(tags[key], unit) for key in _WAVELENGTH_KEYS if tags.get(key)), None)


def _spectrometer(dataset: Any, hints: list[BandHint], texts: str) -> list[BandHint]:  # noqa: ANN401
    """Of hundreds of narrow bands, for each common name the one nearest its centre that holds data.

    Around 1.375 micrometres, surface reflectance is interpolated or empty: it counts where the file says that it is
    of the top of the atmosphere.
    """
    top = any(word in texts.upper() for word in ("TOA", "L1", "RADIANCE"))
    kept: dict[int, str] = {}
    for name in SCORED:
        low, high = RANGES[name]
        near = [n for n, hint in enumerate(hints, start=1) if hint.wavelength and low <= hint.wavelength < high]
        near.sort(key=lambda n: abs((hints[n - 1].wavelength or 0) - CENTRES[name]))
        if name != "cirrus" or top:
            best = next((n for n in near if has_data(dataset, n)), None)
            kept |= {best: name} if best else {}
    return [
        BandHint(hint.text, hint.wavelength, kept[n]) if n in kept else BandHint("-")
        for n, hint in enumerate(hints, start=1)
    ]
