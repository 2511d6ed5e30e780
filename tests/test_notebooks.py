"""The notebooks run from top to bottom on the sample data, and draw."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
@pytest.mark.parametrize(("name", "pictures"), [("clouds", 5), ("dates", 4), ("train", 5)])
def test_notebook(name: str, pictures: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="needs pip install 'geocloud[docs]'")
    from nbclient import NotebookClient

    folder = tmp_path / "docs" / "notebooks"
    folder.mkdir(parents=True)
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # the program is found by the kernel's own Python
    notebook = nbformat.read(ROOT / "docs" / "notebooks" / f"{name}.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # kept without them: nothing can go stale
    NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": folder}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == pictures
    shown = os.environ.get("GEOCLOUD_NOTEBOOKS")
    if shown:
        nbformat.write(notebook, Path(shown) / f"{name}.ipynb")
