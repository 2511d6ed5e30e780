"""evaluate-classes: labels that are the model's own mask come out as such; what does not fit is one sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from testutils import run_cli

import geocloud
from geocloud import DetectOptions
from geocloud.errors import InputError
from geocloud.verbs.evaluate_classes import evaluate_classes


@pytest.fixture(scope="module")
def own(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled folder of the sample scene, its label the default model's own classes."""
    folder = tmp_path_factory.mktemp("own")
    options = DetectOptions(classes=("thin", "haze", "dust", "shadow", "snow"), resolution=10, polygons="none")
    mask = geocloud.detect(sample, folder / "out", options).mask_path
    for name, path in (("images", sample), ("labels", mask)):
        (folder / name).mkdir()
        shutil.copy(path, folder / name / "scene.tif")
    return folder


def test_a_mask_is_right_about_itself(own: Path) -> None:
    truth = {"clear": (0,), "thick": (1,), "thin": (2,), "haze": (3,), "dust": (4,), "shadow": (5,), "snow": (6,)}
    (table,) = evaluate_classes(own, truth)
    for name, codes in truth.items():
        right = sum(int(table.counts[name][code]) for code in codes)
        assert right / table.counts[name].sum() > 0.97
    assert table.figures["F1 of cloud shadow among all that is labelled"] > 0.97
    assert table.figures["best F1 at any threshold of the shadow map, shadow against clear"] > 0.97
    assert table.figures["AUROC of the shadow map, shadow against clear"] > 0.99
    assert "| shadow |" in table.markdown()


def test_a_folder_without_labels_or_tags_is_one_sentence(own: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must have the subfolders images and labels"):
        evaluate_classes(tmp_path, {"clear": (0,)})
    result = run_cli("evaluate-classes", own, "--truth", "clear=0", "--tag", "haze")
    assert result.returncode == 1
    assert "leave out --tag" in result.stderr
    assert run_cli("evaluate-classes", own, "--truth", "clear").returncode == 2
    assert "there are ukis-csmask" in run_cli("evaluate-classes", own, "--truth", "clear=0", "--peer", "x").stderr
