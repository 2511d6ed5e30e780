"""Virtual rasters (VRT) as documents: which files they name, found before GDAL opens any of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from geocloud.errors import InputError
from geocloud.readers.files.paths import check_named, is_virtual, is_vrt, resolve
from geocloud.readers.files.tree import local_name, parse_xml
from geocloud.readers.files.vrt_grammar import check_grammar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

NESTED = 8
"""Virtual rasters of virtual rasters are followed this deep."""
MAX_SOURCES = 1_000_000
"""GDAL reads every part anew wherever it is named, so nesting multiplies."""
MAX_BYTES = 64 << 20
"""A virtual raster larger than this is none."""
_FILES = ("SourceFilename", "SourceDataset")
"""Elements whose text is a file."""
_PREFIX = re.compile(r"<|(?!(?:https?|s3|gs|az|oss|ftp)://)\w{2,}:")
"""Datasets that GDAL builds from a text instead of a path: inline XML, `NETCDF:file:variable`, `GTIFF_DIR:1:file`."""


def check_file(path: str, *, allow_external: bool = False) -> list[str]:
    """Check a virtual raster of this machine before it is opened; returns the files it is made of, however deep.

    Any other path passes. The caller sees to it that none of the files is a document of another kind.

    Raises:
        InputError: it, or one it is made of, names a file that the reading rule forbids, or itself, or nests too deep.
    """
    counts: dict[str, int] = {}
    if _count(path, (), counts, allow_external=allow_external) > MAX_SOURCES:
        raise InputError(
            f"{path} is made of more than {MAX_SOURCES} parts, counted through the virtual rasters in it; flatten it"
        )
    return [target for target in counts if target != path]


def check_text(document: str, text: bytes, *, allow_external: bool = False) -> list[str]:
    """The same for the text of a virtual raster that is elsewhere, whose files may be no virtual rasters."""
    named = list(dict.fromkeys(named_files(document, text, allow_external=allow_external)))
    for target in named:
        check_named(document, target, allow_external=allow_external)
    return named


def named_files(document: str, text: bytes, *, allow_external: bool = False) -> Iterator[str]:
    """The paths and URLs that a virtual raster names, as seen from here.

    Raises:
        InputError: it is no XML, runs Python, holds what is not known to be harmless (`vrt_grammar`; skipped with
            `allow_external`), or names no plain path but a text for GDAL to build a dataset from.
    """
    root = parse_xml(text, document)
    for element in root.iter():
        _refuse_python(document, element)
    if not allow_external:
        check_grammar(document, text, root)
    for element in root.iter():
        content = element.text or ""
        if local_name(element) not in _FILES or not content.strip():
            continue
        if _PREFIX.match(content.strip()) or content != content.strip() or not content.isprintable():
            raise InputError(f"{document} names {content[:80]!r}, which is no path or URL; give it files")
        yield _target(document, element, content)


def _refuse_python(document: str, element: Element) -> None:
    """GDAL tells neither letter case nor attributes and elements apart."""
    texts = {local_name(element): element.text or "", **element.attrib}
    for name, content in texts.items():
        if name.lower() == "pixelfunctionlanguage" and content.strip().lower() != "c":
            raise InputError(f"{document} runs Python code, which is never done; compute its bands beforehand")


def _target(document: str, element: Element, content: str) -> str:
    """As GDAL takes it: relative to the document where it says so, else to where the program runs."""
    if element.get("relativeToVRT", "0") == "1" and not Path(content).is_absolute():
        return resolve(document, content, allow_external=True)
    return content


def _count(path: str, trail: tuple[str, ...], counts: dict[str, int], *, allow_external: bool) -> int:
    """How many parts GDAL reads for a raster, checked on the way; each document is read once."""
    if path in counts:
        return counts[path]
    if not is_vrt(path):
        counts[path] = 1
        return 1
    if path in trail:
        raise InputError(f"{path} is a virtual raster that is made of itself; build it anew, as with gdalbuildvrt")
    if len(trail) == NESTED:
        raise InputError(f"{trail[0]} is a virtual raster of virtual rasters more than {NESTED} deep; flatten it")
    if Path(path).stat().st_size > MAX_BYTES:
        raise InputError(f"{path} is larger than any virtual raster; build it anew, as with gdalbuildvrt")
    total = 1
    for target in named_files(path, Path(path).read_bytes(), allow_external=allow_external):
        check_named(path, target, allow_external=allow_external)
        if not is_virtual(target) and not Path(target).is_file():
            raise InputError(f"{path} names {target}, which does not exist; fetch it or build the virtual raster anew")
        total += _count(target, (*trail, path), counts, allow_external=allow_external)
    counts[path] = total
    return total
