"""Landsat's metadata file (MTL), in its three spellings: ODL text, XML, JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from geocloud.errors import InputError
from geocloud.readers.files.tree import local_name, parse_xml

MTL_FILE = re.compile(r".*_MTL\.(txt|xml|json)", re.IGNORECASE)
Groups = dict[str, dict[str, str]]
"""Name of a group -> its keys and values, as written, without quotes."""
_LINE = re.compile(r"\s*(\w+)\s*=\s*(.*?)\s*$")


def read_mtl(content: bytes, name: str) -> Groups:
    """The groups of an MTL file; InputError if it is not one.

    A Level 2 file repeats the keys of its Level 1 ancestor in groups of their own, so groups are kept apart.
    """
    suffix = name.rpartition(".")[2].lower()
    groups = {"json": _from_json, "xml": _from_xml}.get(suffix, _from_text)(content, name)
    if not any("LANDSAT_PRODUCT_ID" in group or "SPACECRAFT_ID" in group for group in groups.values()):
        raise InputError(f"{name} is no Landsat metadata file: it names no product; fetch it again")
    return groups


def lookup(groups: Mapping[str, Mapping[str, str]], key: str, *preferred: str) -> str:
    """Value of a key, first from the preferred groups, then from any; empty if no group has it."""
    ordered = [*(groups[name] for name in preferred if name in groups), *groups.values()]
    return next((group[key] for group in ordered if key in group), "")


def _from_text(content: bytes, name: str) -> Groups:
    groups: Groups = {}
    current: list[str] = [""]
    for line in content.decode("utf-8", "replace").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        key, value = match[1], match[2].strip('"')
        if key == "GROUP":
            current.append(value)
        elif key == "END_GROUP":
            current = current[:-1] or [""]
        else:
            groups.setdefault(current[-1], {})[key] = value
    if not groups:
        raise InputError(f"{name} is no Landsat metadata file: it holds no KEY = VALUE lines; fetch it again")
    return groups


def _from_xml(content: bytes, name: str) -> Groups:
    return {
        local_name(group): {local_name(entry): (entry.text or "").strip() for entry in group}
        for group in parse_xml(content, name)
    }


def _from_json(content: bytes, name: str) -> Groups:
    try:
        root = json.loads(content)
        groups = next(iter(root.values()))
        return {group: {key: str(value) for key, value in entries.items()} for group, entries in groups.items()}
    except (ValueError, AttributeError, StopIteration, RecursionError) as error:
        raise InputError(f"{name} is not the JSON of a Landsat metadata file ({error}); fetch it again") from error
