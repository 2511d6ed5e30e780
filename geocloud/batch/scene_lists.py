"""Read lists of scenes from a text file or a STAC Collection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from geocloud.errors import InputError, UsageError
from geocloud.readers.files.lists import read_lines
from geocloud.readers.files.paths import resolve
from geocloud.readers.products.stac_item import is_item, load_document

MAX_DEPTH = 16
"""Maximum depth of nested collections."""
MAX_PAGES = 100_000
"""A server with more pages of items than this is assumed to repeat itself."""
LONGEST = 8192
"""Maximum length of a path or a URL with its signature; a file with longer lines is not a list of scenes."""


def read_list(path: str) -> list[str]:
    """Scenes of a text file, one per line; empty lines and those that begin with # are skipped. `-`: standard input.

    Raises:
        UsageError: the file cannot be read, names no scene, or has a line longer than LONGEST characters.
        InputError: it is a device, or a pipe that no shell holds open.
    """
    try:
        lines = [line.strip() for line in read_lines(path)]
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be read as a list of scenes ({error}); give a text file with one scene per line"
        ) from error
    too_long = next((number for number, line in enumerate(lines, 1) if len(line) > LONGEST), None)
    if too_long is not None:
        raise UsageError(
            f"line {too_long} of {path} has {len(lines[too_long - 1])} letters, a path or URL at most {LONGEST}; give "
            "a text file with one scene per line"
        )
    scenes = [line for line in lines if line and not line.startswith("#")]
    if not scenes:
        raise UsageError(f"{path} names no scene; give a text file with one scene per line")
    return scenes


def read_collection(source: str, *, allow_external: bool = False) -> list[str]:
    """Paths or URLs of the items of a STAC Collection or Catalog, with all its children, or of an ItemCollection.

    A server's `items` link and its pages are followed. The rules of `geocloud.readers.files.paths` apply to links.

    Raises:
        InputError: `source` is none of these, or a document cannot be read.
    """
    items = list(dict.fromkeys(_items(source, allow_external=allow_external, deep=MAX_DEPTH)))
    if not items:
        raise InputError(f"{source} has no items; give a STAC Collection with items, or a saved search")
    return items


def _items(source: str, *, allow_external: bool, deep: int) -> Iterator[str]:
    """The items of a document, which may be repeated; children are followed to a depth of `deep`."""
    document = load_document(source)
    if isinstance(document, dict) and document.get("type") == "FeatureCollection":
        yield from _pages(source, document, allow_external=allow_external)
        return
    if not isinstance(document, dict) or document.get("type") not in ("Collection", "Catalog"):
        raise InputError(f"{source} is no STAC Collection; give the path or URL of one, or of a saved search")
    if not deep:
        raise InputError(f"{source} lies more than {MAX_DEPTH} catalogs deep; give one that is nearer to its items")
    served = _links(document, "items")
    yield from (resolve(source, href, allow_external=allow_external) for href in _links(document, "item"))
    for href in served or _links(document, "child"):
        target = resolve(source, href, allow_external=allow_external)
        yield from _items(target, allow_external=allow_external, deep=deep - 1)


def _pages(source: str, page: dict[str, Any], *, allow_external: bool) -> Iterator[str]:
    """The items of an ItemCollection, by their links to themselves, page by page."""
    for _ in range(MAX_PAGES):
        features = page.get("features") if isinstance(page, dict) else None
        for feature in features if isinstance(features, list) else ():
            links = _links(feature, "self") if is_item(feature) else []
            if not links:
                name = feature.get("id") if isinstance(feature, dict) else feature
                raise InputError(f"{source} holds {name!r} without a link to itself; save items as files of their own")
            yield resolve(source, links[0], allow_external=allow_external)
        following = _links(page, "next") if isinstance(page, dict) else []
        if not following:
            return
        source = resolve(source, following[0], allow_external=allow_external)
        page = load_document(source)
    raise InputError(f"{source} has more than {MAX_PAGES} pages; give a narrower search")


def _links(document: dict[str, Any], rel: str) -> list[str]:
    """Hrefs of the links of a document with this `rel`."""
    links = document.get("links")
    found = [link for link in links if isinstance(link, dict)] if isinstance(links, list) else []
    return [str(link["href"]) for link in found if link.get("rel") == rel and link.get("href")]
