"""Prints the figures of docs/reliability.md: `python tests/faults/figures.py --seconds 600`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from faults.mutation import targets
from faults.test_corpus import run_corpus
from faults.test_fuzz import fuzz


def main() -> int:
    """A Markdown table on stdout, what went wrong on stderr; 1 where anything did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="of fuzzing, over all kinds")
    seconds, problems, rows = parser.parse_args().seconds, [], {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        found, harness = run_corpus(folder / "corpus")
        problems += found
        rows["bad scenes"] = harness.figures()
        kinds = list(targets(folder / "fuzz"))
        for target in kinds:
            found, harness = fuzz(target, seconds / len(kinds))
            problems += found
            rows[f"fuzz: {target.name}"] = harness.figures()
    columns = list(rows["bad scenes"])
    print("| |", " | ".join(columns), "|")
    print("|---|", "---|" * len(columns), sep="")
    for name, figures in rows.items():
        print("|", name, "|", " | ".join(str(figures[column]) for column in columns), "|")
    print("\n".join(problems), file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
