"""Fill the tables of a page of the manual from a report of `geocloud evaluate --out REPORT`.

usage: python tests/benchmarks/page.py REPORT docs/accuracy.md

The first table of REPORT/evaluation.md goes between `<!-- table accuracy -->` and `<!-- end -->`, the second, by
condition, between `<!-- table conditions -->` and `<!-- end -->`.
"""

import re
import sys
from pathlib import Path

PLACE = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def refill(text: str, tables: dict[str, str]) -> str:
    """The text with each place of a known name filled; other places stay as they are."""
    if not set(tables) & {match.group(2) for match in PLACE.finditer(text)}:
        sys.exit(f"the page has no place for a table: {', '.join(f'<!-- table {name} -->' for name in tables)}")

    def fill(match: re.Match[str]) -> str:
        begin, name, end = match.groups()
        return f"{begin}\n{tables[name].strip()}\n\n{end}" if name in tables else match.group(0)

    return PLACE.sub(fill, text)


if __name__ == "__main__":
    report, page = map(Path, sys.argv[1:])
    tables = (report / "evaluation.md").read_text(encoding="utf-8").strip().split("\n\n")
    filled = refill(page.read_text(encoding="utf-8"), dict(zip(("accuracy", "conditions"), tables, strict=False)))
    page.write_text(filled, encoding="utf-8")
