"""Other people's detectors, and a package's own, as models."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from testutils import run_cli, run_program

from geocloud import DetectOptions, ModelError, SceneOptions, detect, load_scorer
from geocloud.models.registry import installed_scorers

PAGE = Path(__file__).parents[2] / "docs" / "own-models.md"
FRAMES = "scenes/sentinel2_l1c_13band_frames"
NUMBERS = {
    "coastal": 1, "blue": 2, "green": 3, "red": 4, "rededge": 5, "nir": 8, "b8a": 9, "b09": 10, "cirrus": 11,
    "swir16": 12, "swir22": 13,
}  # fmt: skip


def examples() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    """The page's scorer in a package that is installed as pip leaves it."""
    folder = tmp_path / "site"
    info = folder / "my_package-2.0.dist-info"
    info.mkdir(parents=True)
    (folder / "my_package.py").write_text(examples()[0] + "\n\ndef broken():\n    raise OSError('no licence')\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 2.0\n")
    points = ("whiteness = my_package:Whiteness", "broken = my_package:broken", "nothing = my_package:np.array",
              "default = my_package:broken", "hot = my_package:broken")  # fmt: skip
    (info / "entry_points.txt").write_text("[geocloud.scorers]\n" + "\n".join(points) + "\n")
    installed_scorers.cache_clear()  # what an earlier test in this process looked up
    yield folder
    installed_scorers.cache_clear()


def test_a_package_s_scorer_is_a_model_in_every_command(
    sample: Path, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(package)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(package), os.environ.get("PYTHONPATH")))))
    listed = run_cli("models", "list")
    assert re.search(r"whiteness\s+installed\s+of my-package", listed.stdout), listed.stderr
    for command, run, more in (("detect", run_cli, ()), ("batch", run_program, ("--workers", 1))):
        out = tmp_path / command
        done = run(command, sample, "--model", "whiteness", "--out", out, *more)
        assert done.returncode == 0, done.stderr
        (made,) = out.rglob("scene_cloudmask.tif")
        with rasterio.open(made) as mask, rasterio.open(sample) as scene:
            pixels = scene.read((1, 2, 3)).astype(float)
            ratio = pixels.min(axis=0) / np.maximum(pixels.max(axis=0), 100)
            sure = (mask.read(1) != 255) & (np.abs(ratio - 0.6) > 1e-4)
            assert 0.01 < (ratio >= 0.6)[sure].mean() < 0.99
            assert ((mask.read(1) == 1) == (ratio >= 0.6))[sure].all()
    for name, sentence in (("broken", "cannot be loaded (OSError: no licence)"), ("nothing", "cannot be loaded")):
        done = run_cli("detect", sample, "--model", name, "--out", tmp_path / name)
        assert done.returncode == 1
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
    done = run_cli("detect", sample, "--model", "hot", "--out", tmp_path / "hot")
    assert done.returncode == 0  # geocloud's own names are not taken


def test_the_page_s_scorer_has_ten_lines_and_runs_as_it_stands(sample: Path, tmp_path: Path, monkeypatch) -> None:
    code = examples()
    assert sum(bool(line.strip()) for line in code[0].splitlines()) <= 10
    (tmp_path / "sample_data").mkdir()
    (tmp_path / "sample_data" / "scene.tif").write_bytes(sample.read_bytes())
    monkeypatch.chdir(tmp_path)
    exec("\n".join(code[:2]), {})  # noqa: S102 - the page's own code
    assert (tmp_path / "white" / "scene_cloudmask.tif").exists()


@pytest.mark.data
def test_s2cloudless_gives_its_own_mask(data_root: Path, tmp_path: Path) -> None:
    pytest.importorskip("s2cloudless", reason="needs pip install 'geocloud[bench]'")
    from geocloud.scorers.peers import reference_mask

    shares = []
    for frame in sorted((data_root / FRAMES).glob("*.tif")):
        options = DetectOptions(model="s2cloudless", scene=SceneOptions(bands=NUMBERS, scale=1.0), polygons="none",
                                dilate=2)  # fmt: skip
        found = rasterio.open(detect(frame, tmp_path / frame.stem, options).mask_path).read(1) == 1
        wanted = reference_mask(frame)
        inner = (slice(8, -8),) * 2  # its own smoothing ends at the picture's edge
        shares.append(((found == wanted)[inner].mean(), wanted.mean()))
    assert min(alike for alike, _ in shares) > 0.98
    assert max(cloud for _, cloud in shares) > 0.3


@pytest.mark.data
def test_ukis_csmask_by_tiles_is_as_on_the_whole(data_root: Path) -> None:
    pytest.importorskip("ukis_csmask", reason="needs pip install 'geocloud[bench]'")
    from geocloud import open_scene
    from geocloud.pipeline.scoring import score_scene
    from geocloud.raster import Window

    scorer = load_scorer("ukis-csmask")
    image = data_root / "labelled" / "csmask" / "images"
    six = ("blue", "green", "red", "nir", "swir16", "swir22")
    options = SceneOptions(bands={band: number for number, band in enumerate(six, start=1)}, scale=1.0)
    with open_scene(next(image.iterdir()), options) as scene:
        bands = scorer.choose_bands(scene.bands)
        tiled, _ = score_scene(scene, scorer, threads=1)
        whole = scorer.score_whole(scene.read(Window(0, 0, *scene.georef.shape), bands), bands)
    assert 0.02 < whole.mean() < 0.98
    assert (tiled == whole).mean() > 0.97


@pytest.mark.data
def test_omnicloudmask_with_a_network_of_its_input_and_output(data_root: Path, tmp_path: Path) -> None:
    pytest.importorskip("omnicloudmask", reason="needs pip install 'geocloud[omnicloudmask]'")
    import torch

    from geocloud.scorers.peers import omnicloudmask

    class Stub(torch.nn.Module):
        """Red, green and near infrared, normalised, to four classes: bright is thick cloud, dark shadow."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            bright = x.mean(1, keepdim=True)
            return torch.cat([torch.zeros_like(bright), 4 * bright - 2, 3 * bright - 2, -4 * bright - 4], 1)

    scene = next((data_root / "labelled" / "s2chips" / "images").glob("*.tif"))
    found = detect(scene, tmp_path, scorer=omnicloudmask(Stub().eval()))
    mask, green = rasterio.open(found.mask_path).read(1), rasterio.open(scene).read(2)
    assert 0.1 < found.cloud_cover < 99
    assert green[mask == 1].mean() > 1.5 * green[mask == 0].mean()
    options = DetectOptions(class_scores=True, classes="cloud,thin,shadow")
    every = detect(scene, tmp_path / "classes", options, scorer=omnicloudmask(Stub().eval()))
    with rasterio.open(every.files["class_scores"]) as file:
        assert file.descriptions == ("P(clear)", "P(cloud)", "P(thin cloud)", "P(cloud shadow)")
        shares, valid = file.read(), mask != 255
    assert (np.abs(shares.astype(int).sum(axis=0) - 250)[valid] <= 4).all()
    assert ((rasterio.open(every.mask_path).read(1) % 5 > 0) == (mask == 1))[valid].all()


def test_what_is_not_installed_says_what_to_install() -> None:
    from importlib.util import find_spec

    if find_spec("omnicloudmask"):
        pytest.skip("omnicloudmask is installed")
    done = run_cli("detect", "scene.tif", "--model", "omnicloudmask")
    assert done.returncode == 1
    assert "pip install 'geocloud[omnicloudmask]'" in done.stderr


def test_without_pytorch_the_baselines_run_and_a_network_is_one_sentence(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("geocloud.models.net")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert run_cli("detect", sample, "--model", "hot", "--out", tmp_path).returncode == 0
    done = run_cli("detect", sample, "--out", tmp_path / "default")
    assert done.returncode == 1
    assert "error: model default needs PyTorch, which is not installed: pip install torch" in done.stderr


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(ModelError, match="did you mean s2cloudless"):
        load_scorer("s2cloudles")
