"""A folder of band files without product metadata of its own, such as B02.tif or ..._SR_B4.TIF."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from geocloud.errors import InputError
from geocloud.readers.bands.choosing import ChosenBands, check_blue, choose_bands, given_bands, last_name
from geocloud.readers.bands.evidence import BandHint, NamedBand, named_at_all, read_evidence
from geocloud.readers.bands.known_products import LANDSAT_L1
from geocloud.readers.bands.names import VISIBLE
from geocloud.readers.bands.radiometry import ScaleEvidence
from geocloud.readers.bands.sensors import QUALITY, no_scene
from geocloud.readers.bands.spec import BandSource, FillSource, Radiometry, SceneInfo
from geocloud.readers.files.opening import open_raster
from geocloud.readers.files.paths import scene_name
from geocloud.readers.files.tree import Tree, first_text, parse_xml
from geocloud.readers.products.assembly import ProductDescription, assemble, inspect, require_visible, tagged_radiometry
from geocloud.readers.products.geotiff import unnamed_note
from geocloud.readers.products.sentinel2 import tile_radiometry
from geocloud.readers.products.stac_item import read_items_beside
from geocloud.readers.reader import SceneOptions

RASTER = re.compile(r".*\.(tiff?|jp2|vrt|img)", re.IGNORECASE)
_PICTURE = re.compile(r".*\.(png|jpe?g|webp)", re.IGNORECASE)
_NO_BAND = re.compile(
    r"(?:.*[_.-])?(?:udm2?|qai|qa|scl|aot|wvp|tci|pvi|visual|preview|browse|overview|thumbnail|cld|cldprb|mask|msk_\w+|"
    r"hot|vzn|ovv|dst|uncert\w*|(?:view|sun)_\w+|ang\w*|vaa|vza|saa|sza|b?qa_?\w*|st_\w+|cdist|atran|drad|emis|emsd|trad|urad)"
    r"(?:_clip|_harmonized|_file_format|_\d\d?m)*\.\w+",
    re.IGNORECASE,
)
"""Files beside the bands: classes, quality, angles, pictures."""
_TILE = re.compile(r"(.*?)-?(\d{10}-\d{10})(?: ?\(\d\))?\.tiff?", re.IGNORECASE)
_METRES = re.compile(r"_(\d\d)m\.")
"""Pixel size in names of Sentinel-2's files, of which one resampled to another's grid is not read."""
_PREFERRED = (("_FRE_", "_SRE_"),)
"""Of two files of one band the one whose name holds the first is read: Theia's flat reflectance before surface one."""


def rasters_of(tree: Tree) -> list[str]:
    """Names of the rasters of a folder or archive, without masks; those of its folders only if it holds none itself."""
    own = [name for name in tree.names() if RASTER.fullmatch(name) and not _NO_BAND.fullmatch(name)]
    if own:
        return own
    return [name for name in tree.below() if RASTER.fullmatch(name) and not _NO_BAND.fullmatch(name.rpartition("/")[2])]


def _beside(tree: Tree) -> list[str]:
    """Names of the rasters in a folder that are not bands."""
    return [name for name in tree.names() if RASTER.fullmatch(name) and _NO_BAND.fullmatch(name)]


def lone_raster(tree: Tree) -> list[str]:
    """The only picture, or the only file with an ENVI header beside it, of a folder or archive; else none."""
    names = tree.names()
    headers = {name[:-4] for name in names if name.lower().endswith(".hdr")}
    found = [
        name for name in names if _PICTURE.fullmatch(name) or name in headers or name.rpartition(".")[0] in headers
    ]
    found = [name for name in found if not name.lower().endswith((".hdr", ".aux.xml")) and not _NO_BAND.fullmatch(name)]
    return found if len(found) == 1 else []


def is_band_set(names: Sequence[str]) -> bool:
    """True if file names are those of bands: at least two of blue, green and red."""
    stems = [_stem(name) for name in names]
    hints = [BandHint(stem) for stem in stems]
    found = read_evidence(hints, " ".join(names), numbers_mean_bands=True)
    maybe = [found.numbers(), *(found.readings or {}).values()]
    return any(len(set(VISIBLE) & set(numbers)) >= 2 for numbers in maybe)


def describe_folder(source: str, tree: Tree, options: SceneOptions) -> SceneInfo:
    """The spec of a folder of band files, of any resolutions.

    Scale and offset come from the options, else from a STAC item in the folder that names the files, else from
    Sentinel-2's metadata in it or above it, else from each file's tags, else they are assumed for all files together.

    Raises:
        InputError: bands are not recognised, two files claim one band, or a band's file cannot be used.
        UsageError: a band is given that there is not.
    """
    allow = options.allow_external
    names = rasters_of(tree)
    if not options.bands:
        check_blue(source, "/".join(tree.names()))
    files = {name: path for name in names if (path := tree.find(name))}
    chosen = choose_files(files, source, options)
    from_item, taken = read_items_beside(tree)
    of_tile = tile_radiometry(source, tree)
    of_theia = _theia_radiometry(tree)
    ordered = list(files)
    sources, stated = [], {}
    for band, number in chosen.numbers.items():
        name = ordered[number - 1]
        path = files[name]
        stated[band] = from_item.get(_key(name)) or of_tile.get(band) or of_theia or _tags(path, allow_external=allow)
        sources.append(BandSource(band, path, label=name.rpartition("/")[2], evidence=chosen.why[band]))
    quality = next(
        (path for name in tree.names() if re.fullmatch(QUALITY, name, re.IGNORECASE) and (path := tree.find(name))),
        None,
    )
    fill = FillSource(quality, LANDSAT_L1.fill_bit or 0) if quality else None
    texts = "/".join((*source.replace("\\", "/").split("/")[-5:], *ordered[:40]))
    product = ProductDescription(
        scene_name(source),
        source,
        "folder of band files",
        taken,
        notes=unnamed_note(chosen),
        fill=fill,
        scale=ScaleEvidence(source, texts, chosen.sensor, [_stem(name) for name in ordered]),
        left_out=(
            *chosen.left_out,
            *(f"{name}: a mask, a picture or a layer beside the bands" for name in _beside(tree)),
        ),
        guess=chosen.guess,
    )
    return assemble(product, sources, options, stated)


def _theia_radiometry(tree: Tree) -> Radiometry | None:
    """Scale from the metadata file of a Theia product; None without such a file."""
    name = next((name for name in tree.names() if name.upper().endswith("_MTD_ALL.XML")), "")
    text = first_text(parse_xml(tree.read(name), name), "REFLECTANCE_QUANTIFICATION_VALUE") if name else ""
    return Radiometry(1 / int(text), 0.0, name) if text.isdigit() and int(text) else None


def choose_files(files: Mapping[str, str], source: str, options: SceneOptions) -> ChosenBands:
    """Band -> number from 1, in the order of `files`, of the file that is read for it: the finest of several.

    Raises:
        InputError: bands are unknown, or two files of one resolution claim a band.
        UsageError: a band is given that there is not.
    """
    names = list(files)
    stems = [_stem(name) for name in names]
    if options.bands:
        return given_bands(options.bands, [name.rpartition("/")[2] for name in names], source)
    texts = "/".join((*source.replace("\\", "/").split("/")[-4:], *names))
    hints = _hints(stems, texts)
    check_blue(source, texts)
    evidence = read_evidence(hints, texts, numbers_mean_bands=_all_prefixed(stems))
    found = named_at_all(hints, texts)
    what = no_scene(last_name(source), files=stems)
    if what and not set(VISIBLE) <= found:
        raise InputError(f"by its names, {source} is {what}")
    if found and not evidence.readings:
        require_visible(source, tuple(found), {}, f"its files are {', '.join(names[:8])}; --bands names others")
    chosen = choose_bands(hints, [name.rpartition("/")[2] for name in names], source, texts, once=False)
    claims: dict[str, list[str]] = {}
    for name, band in zip(names, evidence.bands, strict=True):
        if band and band.band:
            claims.setdefault(band.band, []).append(name)
    ranks = {name: band.rank for name, band in zip(names, evidence.bands, strict=True) if band}
    numbers = {
        band: names.index(_finest(band, claimed, ranks, files, source, allow_external=options.allow_external)) + 1
        for band, claimed in claims.items()
        if band in chosen.numbers
    }
    read = set(numbers.values())
    left = tuple(
        f"{name}: {_why_not(band, numbers, names)}"
        for number, (name, band) in enumerate(zip(names, evidence.bands, strict=True), start=1)
        if number not in read
    )
    return ChosenBands(numbers, chosen.why, chosen.sensor, chosen.guess, left, chosen.unnamed)


def _why_not(band: NamedBand | None, numbers: Mapping[str, int], names: Sequence[str]) -> str:
    """The reason why a file is not read."""
    if band is None:
        return "nothing says which band it is"
    read = numbers.get(band.band)
    return f"{band.band}, of which {names[read - 1]} is read" if read else "no band that models take"


def _hints(stems: Sequence[str], texts: str) -> list[BandHint]:
    """File names as hints; words that all share are left out if that helps: `blue_patch_1`, `red_patch_1`."""
    words = [re.split(r"[-_. ]+", stem) for stem in stems]
    shared = set(words[0]).intersection(*words) if words else set()
    apart = [BandHint("_".join(word for word in name if word not in shared)) for name in words]
    plain = [BandHint(stem) for stem in stems]
    one, other = (set(VISIBLE) <= named_at_all(hints, texts) for hints in (plain, apart))
    return apart if other and not one else plain


def join_tiles(names: Sequence[str]) -> str:
    """The common name of files such as `NAME-0000000000-0000006912.tif`, as Earth Engine cuts exports; else empty.

    InputError if two have the same place, as Google Drive keeps those of an export that was run twice: `... (1).tif`.
    """
    found = [_TILE.fullmatch(name.rpartition("/")[2]) for name in names]
    stems = {match[1] for match in found if match}
    if len(names) < 2 or not all(found) or len(stems) > 1:
        return ""
    places: dict[str, str] = {}
    for name, match in zip(names, found, strict=True):
        other = places.setdefault(match[2] if match else "", name)
        if other is not name:
            raise InputError(f"{other} and {name} are one tile of an export that was run twice; take one of them away")
    return stems.pop()


def _all_prefixed(stems: Sequence[str]) -> bool:
    """True if file names are more than a number: `scene_B1` is a band's name, `B1` alone may be a number."""
    return all(re.search(r"[a-z0-9]{3,}.*b\d", stem, re.IGNORECASE) for stem in stems)


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0]


def _key(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _tags(path: str, *, allow_external: bool) -> Radiometry | None:
    with open_raster(path, allow_external=allow_external) as dataset:
        return tagged_radiometry(dataset, 1)


def _finest(
    band: str,
    claimed: Sequence[str],
    ranks: Mapping[str, tuple[int, float]],
    files: Mapping[str, str],
    source: str,
    *,
    allow_external: bool,
) -> str:
    best = min(ranks[name] for name in claimed)
    wide = [name for name in claimed if ranks[name] == best]
    for first, second in _PREFERRED:
        if any(first in name for name in wide):
            wide = [name for name in wide if second not in name]
    if len(wide) == 1 or band == "rededge":
        return wide[0]
    areas = {name: inspect(files[name], allow_external=allow_external).pixel_area for name in wide}
    finest = [name for name in wide if areas[name] == min(areas.values())]
    metres = {name: int(found[-1]) if (found := _METRES.findall(name)) else 0 for name in finest}
    finest = [name for name in finest if metres[name] == min(metres.values())]
    if len(finest) > 1:
        raise InputError(f"{source} holds several files for {band} ({finest[0]}, {finest[1]}); give a scene a folder")
    return finest[0]
