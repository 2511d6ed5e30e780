"""Suites: sources with codes and bands of their own, conditions, pools, subsets, sheets, a page filled in."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from PIL import Image

from geocloud.cli.main import cli
from geocloud.errors import InputError, MissingExtraError, UsageError
from geocloud.evaluation.samples import DataOptions
from geocloud.scorers.peers import UkisMask
from geocloud.verbs import evaluate as module
from geocloud.verbs.evaluate import EvaluateOptions, evaluate
from geocloud.verbs.evaluate_classes import evaluate_classes

SUITE = """
[[source]]
name = "all bands"
data = "set"
cloud_codes = [2]
ignore_codes = [9]
tags = "set/tags.csv"
[source.conditions]
snow = "snow/ice"
"no snow" = "!snow/ice"

[[source]]
name = "rgb"
data = "set"
cloud_codes = [2]
ignore_codes = [9]
bands = ["blue", "green", "red"]
[source.conditions]
first = "s0*"

[[source]]
name = "not here"
data = "nowhere"

[[pool]]
name = "both"
sources = ["all bands", "rgb", "not here"]
"""
QUIET = {"draws": 5, "data": DataOptions(threads=1)}


@pytest.fixture(scope="module")
def root(labelled, tmp_path_factory):
    """A data folder with one labelled set of three scenes and a fourth that is saturated white."""
    root = tmp_path_factory.mktemp("root")
    for part in ("images", "labels"):
        (root / "set" / part).mkdir(parents=True)
        for path in (labelled / part).iterdir():
            (root / "set" / part / path.name).write_bytes(path.read_bytes())
    with rasterio.open(labelled / "images" / "s0.tif") as file:
        profile, names = file.profile, file.descriptions
    with rasterio.open(root / "set" / "images" / "white.tif", "w", **profile) as file:
        file.write(np.full((4, 90, 130), 10_000, dtype=np.uint16))
        file.descriptions = names
    Image.fromarray(np.zeros((90, 130), np.uint8)).save(root / "set" / "labels" / "white.png")
    (root / "set" / "tags.csv").write_text("scene,snow/ice\ns0,1\ns1,0\ns2,0\nwhite,1\n")
    (root / "suite.toml").write_text(SUITE)
    return root


def _evaluate(root, out=None, **more):
    options = {**QUIET, **more}
    return evaluate([root], out, EvaluateOptions(("hot",), ("brightness",), suite=str(root / "suite.toml"), **options))


def test_sources_pools_and_conditions_count_their_own_scenes(root):
    found = _evaluate(root)
    assert [(row.source, row.model, row.scenes) for row in found.rows] == [
        (name, model, 8 if name == "both" else 4)
        for name in ("all bands", "rgb", "both")
        for model in ("hot", "brightness")
    ]
    counts = {(row.source, row.model): row.counts for row in found.rows}
    assert counts["both", "hot"] == counts["all bands", "hot"] + counts["rgb", "hot"]
    parts = {(row.source, row.group.condition): row for row in found.conditions if row.model == "hot"}
    assert {key: row.scenes for key, row in parts.items()} == {
        ("all bands", "snow"): 1,
        ("all bands", "no snow"): 2,
        ("all bands", "unsaturated"): 3,
        ("rgb", "first"): 1,
        ("rgb", "unsaturated"): 3,
    }
    plain = [parts["all bands", name].counts for name in ("snow", "no snow")]
    assert plain[0] + plain[1] == parts["all bands", "unsaturated"].counts
    white = counts["all bands", "hot"].total - parts["all bands", "unsaturated"].counts.total
    assert white == 90 * 130


def test_a_model_that_lacks_a_band_is_left_out_of_that_source_with_a_sentence(root, tmp_path, monkeypatch):
    monkeypatch.setitem(module.PEERS, "ukis-csmask", lambda level: UkisMask(_Bright, level))
    found = _evaluate(root, peers=("ukis-csmask",))
    assert {row.source for row in found.rows if row.model == "ukis-csmask"} == {"all bands"}
    assert found.notes[0].startswith("rgb: ukis-csmask is left out (model ukis-csmask needs the bands")
    (row,) = [row for row in found.rows if row.model == "ukis-csmask"]
    assert row.supervision == "S"
    assert row.metrics["recall"] > 0.9


class _Bright:
    """Stands in for the peer's class, which brings its own runtime: cloud where the mean is above 0.3."""

    def __init__(self, img, band_order, product_level, providers, intra_op_num_threads):
        assert img.shape[2] == len(band_order) == 4
        assert product_level == "l1c"
        self.csm = (img.mean(axis=2, keepdims=True) > 0.3).astype(np.uint8)


def test_the_real_peer_scores_where_it_is_installed(data_root, tmp_path):
    pytest.importorskip("ukis_csmask", reason="pip install 'geocloud[bench]' to measure the peer")
    suite = tmp_path / "suite.toml"
    suite.write_text('[[source]]\nname = "a"\ndata = "labelled/csmask"\ncloud_codes = [4]\n')
    options = EvaluateOptions(("hot",), (), peers=("ukis-csmask",), suite=str(suite), **QUIET)
    rows = {row.model: row for row in evaluate([data_root], options=options).rows}
    assert rows["ukis-csmask"].metrics["balanced_accuracy"] > 0.85
    truth = {"shadow": (0,), "clear": (1, 2, 3), "thick": (4,)}
    _, peer = evaluate_classes(data_root / "labelled" / "csmask", truth, peer="ukis-csmask")
    assert peer.name == "labelled, by ukis-csmask"
    assert peer.figures["F1 of cloud shadow among all that is labelled"] > 0.7


def test_the_peer_is_never_needed(root):
    if find_spec("ukis_csmask") is None:
        with pytest.raises(MissingExtraError, match=r"pip install 'geocloud\[bench\]'"):
            _evaluate(root, peers=("ukis-csmask",))
    with pytest.raises(UsageError, match="peer 'fmask' is unknown; there are ukis-csmask"):
        EvaluateOptions(peers=("fmask",))


def test_scenes_can_be_chosen_and_left_out(root):
    def scenes(**names):
        found = _evaluate(root, data=DataOptions(threads=1, **names))
        return found.rows[0].scenes

    assert (scenes(only=("s0", "s2")), scenes(without=("s0",)), scenes(only=("s0", "s1"), without=("s0",))) == (2, 3, 1)
    with pytest.raises(InputError, match="none of its scenes is wanted"):
        scenes(only=("elsewhere",))


def test_plots_and_sheets_are_drawn_and_the_page_is_refilled(root, tmp_path, clear_model):
    page = tmp_path / "page.md"
    page.write_text(
        "# Title\n\n<!-- table accuracy -->\nold\n<!-- end -->\n\nwords\n\n<!-- table other -->\nx\n<!-- end -->\n"
    )
    few = tmp_path / "few.toml"
    few.write_text("".join(part for part in SUITE.split("\n\n") if '"rgb"' in part and "pool" not in part))
    (tmp_path / "names.txt").write_text("# held out\ns0.tif\ns1\n")
    given = {"suite": few, "model": clear_model, "baseline": "hot", "sheets": 2, "draws": 5, "out": tmp_path / "out",
             "only": tmp_path / "names.txt", "threads": 1}  # fmt: skip
    arguments = ["evaluate", root, *(part for name, value in given.items() for part in (f"--{name}", value))]
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert {row["scenes"] for row in rows if row["source"] == "rgb" and not row["condition"]} == {2}
    script = Path(__file__).parents[1] / "benchmarks" / "page.py"
    subprocess.run([sys.executable, script, tmp_path / "out", page], check=True)
    text = page.read_text()
    assert text.startswith("# Title\n\n<!-- table accuracy -->\n\n| source | model |")
    assert "\nold\n" not in text
    assert "<!-- table other -->\nx\n<!-- end -->" in text
    assert "| rgb | clear | T1 | 2 |" in text
    written = {path.name for path in (tmp_path / "out").iterdir()}
    drawn = ("rgb_roc", "rgb_reliability", "rgb_clear_sweep", "rgb_clear_worst", "rgb_clear_best")
    assert {f"{name}.png" for name in drawn} <= written
    assert "rgb_hot_worst.png" not in written


def test_sheets_show_what_the_mask_did(root, tmp_path):
    from geocloud.evaluation.contact_sheet import ALARM, HIT, MISS, Case, verdict, write_sheet

    truth, called, known = (np.zeros((8, 8), dtype=bool) for _ in range(3))
    truth[:4], called[2:6], known[:, :6] = True, True, True
    case = Case("a" * 60, "half right", np.full((8, 8, 3), 0.2, np.float32), called, truth, known)
    colours = verdict(case)
    assert (tuple(colours[0, 0]), tuple(colours[3, 0]), tuple(colours[5, 0])) == (MISS, HIT, ALARM)
    assert tuple(colours[0, 7]) == (110, 110, 110)
    assert colours[7, 0].max() < 110
    write_sheet([case], tmp_path / "sheet.png", "one scene")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[0] > 1000


def test_what_is_no_suite_is_one_sentence(root, tmp_path):
    with pytest.raises(InputError, match=r"nosuch is no suite .* accuracy"):
        evaluate([root], options=EvaluateOptions(("hot",), suite="nosuch"))
    with pytest.raises(InputError, match="holds none of the data sets of suite accuracy"):
        evaluate([root], options=EvaluateOptions(("hot",), suite="accuracy"))
    with pytest.raises(UsageError, match="a suite takes one folder"):
        evaluate([root, root], options=EvaluateOptions(("hot",), suite="accuracy"))


def test_agreement_is_measured_where_the_reference_is_installed(tmp_path, data_root):
    suite = tmp_path / "suite.toml"
    folder = data_root / "scenes" / "sentinel2_l1c_13band_frames"
    suite.write_text(f'[[source]]\nname = "a"\ndata = "{folder.name}"\nreference = "s2cloudless"\n')
    options = EvaluateOptions(("hot",), (), suite=str(suite), **QUIET)
    found = evaluate([folder.parent], options=options) if find_spec("s2cloudless") else None
    if found is None:
        with pytest.raises(InputError, match="nothing of the suite could be measured"):
            evaluate([folder.parent], options=options)
        return
    assert found.rows[0].scenes == 5
    assert found.rows[0].metrics["balanced_accuracy"] > 0.6
