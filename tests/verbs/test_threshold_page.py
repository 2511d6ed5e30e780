"""The page for choosing a threshold: what it shows is what detect gives, and it needs nothing but itself."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
import rasterio
from testutils import PATIENCE, run_cli, write_scene

from geocloud import DetectOptions, UsageError, detect, load_scorer
from geocloud.calibration import Probability
from geocloud.errors import GeocloudError
from geocloud.scorers.card import read_card
from geocloud.verbs.threshold_page import ThresholdOptions, keep_threshold, threshold_page


def facts_of(page: Path) -> dict:
    return json.loads(re.search(r"^const facts = (.*);$", page.read_text(encoding="utf-8"), re.MULTILINE).group(1))


def levels_of(scene: dict) -> np.ndarray:
    content = zlib.decompress(base64.b64decode(scene["levels"]))
    return np.frombuffer(content, np.uint8).reshape(scene["height"], scene["width"])


@pytest.mark.parametrize(("model", "step"), [("default", 125), ("default", 190), ("brightness", 125), ("chroma", 90)])
def test_each_step_is_the_mask_that_the_printed_option_gives(
    model: str, step: int, sample: Path, tmp_path: Path
) -> None:
    page = threshold_page([sample], tmp_path / "page.html", ThresholdOptions(model=model))
    facts = facts_of(page.path)
    assert facts["option"] == "--probability"
    value = Probability(facts["values"][step])
    found = detect(sample, tmp_path, DetectOptions(model=model, threshold=value, polygons="none"))
    mask = rasterio.open(found.mask_path).read(1)
    levels = levels_of(facts["scenes"][0])
    every = -(-mask.shape[0] // levels.shape[0])
    shown = np.where(levels == 255, 255, levels >= step)
    assert (shown == mask[::every, ::every]).mean() > 0.9995
    counts = np.array(facts["scenes"][0]["counts"])
    assert abs(100 * counts[step:].sum() / counts.sum() - found.cloud_cover) < 0.05


def test_a_model_without_probabilities_is_cut_in_its_own_unit(sample: Path, tmp_path: Path) -> None:
    from testutils import EchoScorer

    import geocloud.verbs.threshold_page as module

    scale = module._scale_of(EchoScorer())
    assert scale.option == "--threshold"
    assert scale.values[scale.start] == 0.5
    scores = np.array([[0.49, 0.5, 0.51, np.nan]], dtype=np.float32)
    levels = scale.levels(scores, EchoScorer().card.calibration)
    assert [bool(level >= scale.start) for level in levels[0, :3]] == [False, True, True]
    assert levels[0, 3] == 255


def test_the_page_loads_nothing_and_names_are_never_markup(tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "<script>alert(1)<'\".tif")
    text = threshold_page([scene], tmp_path / "page.html").path.read_text(encoding="utf-8")
    assert "<script>alert(1)" not in text
    assert not re.findall(r"(?:src|href)\s*=\s*[\"']?(?!data:)\w+:|https?://|@import|url\(", text)
    assert "default-src 'none'" in text


def test_in_a_browser_the_slider_starts_at_the_model_s_own_cover(sample: Path, tmp_path: Path) -> None:
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
    if browser is None:
        pytest.skip("no browser that runs without a window is here")
    page = threshold_page([sample], tmp_path / "page.html")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
               "--virtual-time-budget=5000", "--dump-dom", page.path.as_uri()]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout
    (cover,) = page.cover.values()
    assert f"{cover:.1f} % cloud" in re.sub(r"<[^>]*>", "", shown)
    assert "--probability=0.5" in shown


def test_a_kept_threshold_is_the_model_s_own_from_then_on(sample: Path, tmp_path: Path) -> None:
    copy = tmp_path / "mine"
    chosen = keep_threshold("default", copy, Probability(0.7))
    before = load_scorer("default").card.calibration
    after = read_card(copy).calibration
    assert after.threshold == chosen.threshold > before.threshold
    assert dict(after.alternatives)[before.rule.name] == before.threshold
    ours, theirs = (
        detect(sample, tmp_path / name, DetectOptions(model=model, threshold=value)).cloud_cover
        for name, model, value in (("a", copy, None), ("b", "default", Probability(0.7)))
    )
    assert ours == theirs
    keep_threshold(copy, copy, -1.0)
    assert read_card(copy).calibration.threshold == -1.0
    with pytest.raises(UsageError, match="exists"):
        keep_threshold("default", copy, -1.0)
    with pytest.raises(GeocloudError, match="never rewritten"):
        keep_threshold("default", Path(__import__("geocloud").__file__).parent / "models" / "shipped" / "x", -1.0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "no scene is named"),
        (["SCENE", "--out", "page.txt"], "must end in .html"),
        (["SCENE", "--probability", "0.5"], "need --keep MODEL"),
        (["--keep", "m"], "give either --probability or --threshold"),
        (["SCENE", "--keep", "m", "--probability", "0.5"], "leave out the scenes"),
        (["SCENE"] * 25, "25 scenes do not fit on a page"),
        (["--keep", "m", "--probability", "1.5"], "must be more than 0 and less than 1"),
    ],
)
def test_mistakes_are_one_sentence(arguments: list[str], sentence: str, sample: Path, tmp_path: Path) -> None:
    done = run_cli("threshold", *(sample if one == "SCENE" else one for one in arguments), cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
