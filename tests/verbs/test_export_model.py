"""An exported network gives detect's own mask, in ONNX Runtime."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from geocloud.errors import ModelError, UsageError
from geocloud.models.registry import load_scorer
from geocloud.raster import PatchBatch, Window
from geocloud.readers import open_scene
from geocloud.verbs.export_model import export_model

BANDS = ("blue", "green", "red", "nir")
SIDE = 256


def test_masks_agree_with_torch(sample: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs pip install 'geocloud[onnx]'")
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs pip install 'geocloud[onnx]'")
    session = onnxruntime.InferenceSession(export_model("default", tmp_path / "m.onnx", BANDS, side=SIDE))
    facts = {key: json.loads(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}
    with open_scene(sample) as scene:
        data = scene.read(Window(0, 0, SIDE, SIDE), tuple(facts["geocloud_bands"])).data[None]
    (raw,) = session.run(None, {"reflectance": data})
    scorer = load_scorer("default", "cpu", "fp32")
    halo = facts["geocloud_halo"]
    window = Window(halo, halo, SIDE - 2 * halo, SIDE - 2 * halo)
    expected = scorer.score(PatchBatch((window,), data, np.ones((1, SIDE, SIDE), bool), BANDS))
    inner = raw[:, halo:-halo, halo:-halo]
    threshold = facts["geocloud_threshold"]
    assert ((inner >= threshold) == (expected >= threshold)).mean() >= 0.9999
    assert 0.02 < (inner >= threshold).mean() < 0.98  # there is something to agree on
    with pytest.raises(UsageError, match="exists"):
        export_model("default", tmp_path / "m.onnx", BANDS)


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs pip install 'geocloud[onnx]'")
    with pytest.raises(ModelError, match="no network"):
        export_model("hot", tmp_path / "m.onnx", BANDS)
    with pytest.raises(UsageError, match="multiple of 64"):
        export_model("default", tmp_path / "m.onnx", BANDS, side=100)


def test_a_file_that_is_replaced_keeps_no_card_of_another_size(tmp_path: Path) -> None:
    """Tiles no larger than the halo have no card; an older one would run them as what they are not."""
    pytest.importorskip("onnx", reason="needs pip install 'geocloud[onnx]'")
    export_model("default", tmp_path / "m.onnx", BANDS, side=128)
    assert {path.name for path in tmp_path.iterdir()} == {"m.onnx", "m.toml"}
    export_model("default", tmp_path / "m.onnx", BANDS, side=64, overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {"m.onnx"}


def test_only_an_onnx_file_and_its_own_card_are_replaced(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs pip install 'geocloud[onnx]'")
    for name in ("weights.safetensors", "pyproject.toml"):
        (tmp_path / name).write_text("theirs = 1")
    with pytest.raises(UsageError, match=r"must end in \.onnx"):
        export_model("default", tmp_path / "weights.safetensors", BANDS, overwrite=True)
    with pytest.raises(UsageError, match=r"pyproject\.toml is no card of an ONNX file, so it is not replaced"):
        export_model("default", tmp_path / "pyproject.onnx", BANDS, side=128, overwrite=True)
    assert {path.read_text() for path in tmp_path.iterdir()} == {"theirs = 1"}
