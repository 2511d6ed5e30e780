"""The tables of docs/reliability.md and docs/security.md name tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TESTS = {path.name: path for path in (ROOT / "tests").rglob("*.py")}


@pytest.mark.parametrize("document", ["reliability.md", "security.md"])
def test_every_row_names_a_test_that_is_there(document: str) -> None:
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "docs/" not in line and "---" not in line]
    assert len(rows) > 10
    for name, test in re.findall(r"`(?:tests/[\w/]*?)?(\w+\.py)(?:::(\w+))?`", text):
        assert name in TESTS, name
        assert not test or f"def {test}(" in TESTS[name].read_text(encoding="utf-8"), f"{name}::{test}"
    for path in re.findall(r"`(tests/[\w/]+(?:\.py)?)", text):
        assert (ROOT / path).exists(), path
