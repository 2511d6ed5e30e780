"""A suite: data sets, the meaning of their labels, and the conditions by which their scenes are grouped."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from geocloud.datasets.labels import LabelCodes
from geocloud.errors import InputError
from geocloud.evaluation.samples import DataOptions, source_name
from geocloud.readers.files.paths import check_plain
from geocloud.scorers.peers import ProductLevel

SUITES = Path(__file__).parent / "suites"


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions such as "snow" or "sea", and which scenes meet them."""

    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Scene -> its row of the table of tags, of column -> "0" or "1"; empty: rules are patterns of scene names."""
    rules: Mapping[str, str] = field(default_factory=dict)
    """Condition -> a column of the tags, with ! in front for its opposite; or a pattern of scene names."""

    def of(self, scene: str) -> tuple[str, ...]:
        """The conditions that a scene meets."""
        return tuple(name for name, rule in self.rules.items() if self._meets(scene, rule))

    def _meets(self, scene: str, rule: str) -> bool:
        """Whether a scene meets a rule; one without tags meets none."""
        if not self.tags:
            return fnmatchcase(scene, rule)
        row = self.tags.get(scene, {})
        wanted = "0" if rule.startswith("!") else "1"
        return row.get(rule.removeprefix("!")) == wanted


@dataclass(frozen=True, slots=True)
class SuiteSource:
    """One data set of a suite."""

    name: str
    data: Path
    """Folder or zip of its files."""
    options: DataOptions
    conditions: Conditions = field(default_factory=Conditions)
    product_level: ProductLevel = "l1c"
    """Of its reflectance, for peers that need to know."""


@dataclass(frozen=True, slots=True)
class Suite:
    """The data sets of an evaluation."""

    sources: tuple[SuiteSource, ...]
    pools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name of a pool -> the sources whose scenes are also counted together under that name."""


def plain_suite(paths: Sequence[Path], options: DataOptions) -> Suite:
    """A suite of folders named on the command line, all read with the same options."""
    return Suite(tuple(SuiteSource(source_name(path), path, options) for path in paths))


def read_suite(name: str, root: Path, options: DataOptions) -> Suite:
    """Read a suite; data sets that are not in the root folder are left out.

    Args:
        name: of a suite that ships with geocloud, or path of a TOML file.
        root: folder that holds the data sets.
        options: for all data sets, where the suite does not say otherwise.

    Raises:
        InputError: the suite cannot be read, or none of its data sets is there.
    """
    shipped = SUITES / f"{name}.toml"
    path = shipped if shipped.is_file() else Path(name)
    check_plain(str(path))
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        sources = tuple(_source(entry, root, options) for entry in raw["source"] if (root / entry["data"]).is_dir())
        pools = {str(pool["name"]): tuple(map(str, pool["sources"])) for pool in raw.get("pool", ())}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        names = ", ".join(sorted(suite.stem for suite in SUITES.glob("*.toml")))
        raise InputError(f"{name} is no suite that can be read ({error}); give a file or one of {names}") from error
    if not sources:
        wanted = ", ".join(dict.fromkeys(str(entry["data"]) for entry in raw["source"]))
        raise InputError(f"{root} holds none of the data sets of suite {name} ({wanted}); give the folder that does")
    return Suite(sources, pools)


def _source(entry: Mapping[str, Any], root: Path, options: DataOptions) -> SuiteSource:
    """A data set from one [[source]] table of the file."""
    cloud, ignore = (tuple(entry.get(key, ())) for key in ("cloud_codes", "ignore_codes"))
    codes = LabelCodes(cloud, ignore, float(entry.get("covers", 1)))
    tags: dict[str, dict[str, str]] = {}
    if "tags" in entry:
        with (root / entry["tags"]).open(newline="", encoding="utf-8") as file:
            tags = {row["scene"]: row for row in csv.DictReader(file)}
    return SuiteSource(
        str(entry["name"]),
        root / entry["data"],
        replace(
            options,
            codes=codes,
            labels=root / entry["labels"] if "labels" in entry else options.labels,
            bands=tuple(entry.get("bands", ())),
            reference=entry.get("reference"),
        ),
        Conditions(tags, {str(k): str(v) for k, v in entry.get("conditions", {}).items()}),
        entry.get("product_level", "l1c"),
    )
