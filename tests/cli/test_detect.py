"""The real program, as people and other programs call it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from products import write_item
from rio_cogeo import cog_validate
from testutils import clean_environment, events, pausing, run_cli, run_program, write_scene

from geocloud.cli.common import LEAKED

Make = Callable[..., Path]
NULL = ("--model", "brightness")


def test_one_json_line_a_scene_when_piped(make_scene: Make, tmp_path: Path) -> None:
    one, two = make_scene("one.tif"), make_scene("two.tif")
    result = run_cli("detect", one, two, "--out", tmp_path / "out", *NULL)
    assert result.returncode == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [Path(line["mask"]).name for line in lines] == ["one_cloudmask.tif", "two_cloudmask.tif"]
    assert lines[0]["cloud_percent"] == pytest.approx(100 * 1250 / 13000, abs=0.001)
    assert lines[0]["polygon_count"] == 2
    assert lines[0]["threshold_rule"] == "fixed"
    assert "reflectance = DN * 0.0001" in result.stderr


def test_one_scene_failing_does_not_stop_the_others(make_scene: Make, tmp_path: Path) -> None:
    good = make_scene("good.tif")
    empty = make_scene("empty.tif", data=np.zeros((4, 64, 64), dtype=np.uint16), nodata=0)
    result = run_cli("detect", tmp_path / "absent.tif", good, empty, "--out", tmp_path / "out", *NULL)
    assert result.returncode == 1
    assert (tmp_path / "out" / "good_cloudmask.tif").exists()
    assert "absent.tif does not exist" in result.stderr
    assert "3 scenes, mean 9.6 % cloud, 1 with a warning, 1 failed" in result.stderr


@pytest.mark.skipif(os.name == "nt", reason="other errors there")
@pytest.mark.parametrize("option", [(), ("scene.tif", "--model"), ("scene.tif", "--aoi")])
def test_too_long_a_path_is_one_sentence(option: tuple[str, ...], make_scene: Make, tmp_path: Path) -> None:
    given = [str(make_scene()) if text == "scene.tif" else text for text in option]
    result = run_cli("detect", *given, "y" * 300, "--out", tmp_path / "out")
    assert result.returncode == 1
    assert "more than the disk takes" in result.stderr
    assert "Traceback" not in result.stderr


def test_two_scenes_of_one_name_are_refused_before_anything_starts(make_scene: Make, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    one, other = make_scene("same.tif"), write_scene(tmp_path / "sub" / "same.tif")
    result = run_cli("detect", one, other, "--out", tmp_path / "out", *NULL)
    assert result.returncode == 2
    assert str(one) in result.stderr
    assert str(other) in result.stderr
    assert not (tmp_path / "out").exists()


def test_items_are_named_by_their_ids(tmp_path: Path) -> None:
    items = []
    for name, ident in (("a", "first"), ("b", "second"), ("c", "first")):
        path, _ = write_item(tmp_path / name)
        path.write_text(json.dumps({**json.loads(path.read_text()), "id": ident}))
        items.append(path)
    result = run_cli("detect", *items[:2], "--out", tmp_path / "out", *NULL)
    assert result.returncode == 0, result.stderr
    masks = [Path(json.loads(line)["mask"]).name for line in result.stdout.splitlines()]
    assert masks == ["first_cloudmask.tif", "second_cloudmask.tif"]
    same = items[2].rename(tmp_path / "c" / "other.json")
    refused = run_cli("detect", items[0], same, "--out", tmp_path / "two", *NULL)
    assert refused.returncode == 2
    assert "would both write first_cloudmask.tif" in refused.stderr


def test_a_folder_of_scenes_runs_each(tmp_path: Path) -> None:
    for name in ("a.tif", "b.tif"):
        write_scene(tmp_path / name)
    result = run_cli("detect", tmp_path, "--out", tmp_path / "out", *NULL, "--polygons", "none")
    masks = [Path(json.loads(line)["mask"]).name for line in result.stdout.splitlines()]
    assert masks == ["a_cloudmask.tif", "b_cloudmask.tif"]


def test_without_out_the_folder_clouds_is_made_and_no_key_is_null(make_scene: Make, tmp_path: Path) -> None:
    result = run_cli("detect", make_scene(), *NULL, cwd=tmp_path)
    record = json.loads(result.stdout)
    assert Path(record["mask"]) == Path("clouds") / "scene_cloudmask.tif"
    assert (tmp_path / "clouds" / "scene_clouds.geojson").exists()
    assert None not in record.values()


def test_named_files(make_scene: Make, tmp_path: Path) -> None:
    files = {"--mask-file": "a/m.tif", "--polygons-file": "b/p.gpkg", "--score-file": "c/s.tif"}
    arguments = [part for flag, name in files.items() for part in (flag, tmp_path / name)]
    assert run_cli("detect", make_scene(), *arguments, *NULL).returncode == 0
    assert all((tmp_path / name).exists() for name in files.values())
    none = run_cli("detect", make_scene(), "--mask-file", tmp_path / "m.tif", "--polygons", "gpkg", *NULL)
    assert none.returncode == 2
    assert "name the file with --polygons-file" in none.stderr


def test_the_cloud_free_estimate_as_a_named_file(make_scene: Make, tmp_path: Path) -> None:
    mask, estimate = tmp_path / "m.tif", tmp_path / "c.tif"
    scene, into = make_scene(), ("--clear-sky-file", estimate)
    done = run_cli("detect", scene, "--mask-file", mask, *into, "--polygons", "none")
    assert json.loads(done.stdout)["clear_sky"] == str(estimate)
    assert estimate.exists()
    assert run_cli("detect", scene, *into).returncode == 2


def test_score_is_followed_by_a_word_or_by_none(make_scene: Make, tmp_path: Path) -> None:
    scene = make_scene()
    one = run_cli("detect", "--score", scene, "--out", tmp_path / "a", *NULL)
    assert {"score", "class_scores"} & set(json.loads(one.stdout)) == {"score"}
    both = run_cli("detect", scene, "--out", tmp_path / "b", "--score", "classes", "--score", *NULL)
    assert {"score", "class_scores"} <= set(json.loads(both.stdout))
    named = run_cli("detect", scene, "--mask-file", tmp_path / "m.tif", "--score=classes", *NULL)
    assert (named.returncode, named.stderr.count("\n")) == (2, 1)
    assert "name its file with --class-scores-file" in named.stderr


def test_probabilities_of_classes_and_uncertainty_as_named_files(make_scene: Make, tmp_path: Path) -> None:
    files = {"class_scores": tmp_path / "c.tif", "uncertainty": tmp_path / "u.tif"}
    into = [f"--{key.replace('_', '-')}-file={path}" for key, path in files.items()]
    done = run_cli("detect", make_scene(), "--mask-file", tmp_path / "m.tif", *into, "--polygons", "none")
    assert {key: json.loads(done.stdout)[key] for key in files} == {key: str(path) for key, path in files.items()}
    with rasterio.open(files["class_scores"]) as dataset:
        assert dataset.descriptions[:2] == ("P(clear)", "P(cloud)")
    alone = run_cli("detect", make_scene(), into[1])
    assert (alone.returncode, alone.stderr.count("\n")) == (2, 1)


def test_protocol_2(make_scene: Make, tmp_path: Path) -> None:
    result = run_program("detect", make_scene(), "--out", tmp_path / "out", "--progress", "json", *NULL)
    told = events(result.stdout)
    assert (told[0]["event"], told[0]["protocol"]) == ("start", 2)
    assert told[-1]["event"] == "result"
    assert {"scene", "mask", "polygons", "polygon_count", "cloud_percent", "seconds", "model"} <= set(told[-1])
    percents = [event["percent"] for event in told if event["event"] == "progress"]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    failed = run_cli("detect", tmp_path / "no.tif", "--out", tmp_path / "o", "--progress", "json", *NULL)
    last = events(failed.stdout)[-1]
    assert (last["event"], last["code"]) == ("error", "input")
    assert failed.returncode == 1


def test_a_threshold_in_probability(make_scene: Make, tmp_path: Path) -> None:
    scene = make_scene()
    low, high = (
        json.loads(run_cli("detect", scene, "--out", tmp_path / name, "--probability", p, *NULL).stdout)
        for name, p in (("low", 0.01), ("high", 0.99))
    )
    assert low["threshold"] < high["threshold"]
    assert low["threshold_rule"] == "probability 0.01"
    both = run_cli("detect", scene, "--out", tmp_path / "o", "--probability", 0.5, "--threshold", 0.5, *NULL)
    assert (both.returncode, (tmp_path / "o").exists()) == (2, False)
    assert "--threshold and --probability" in both.stderr


def test_protocol_carries_levels_and_options(make_scene: Make, tmp_path: Path) -> None:
    """A warning is told from an assumption, and options by name: another interface calls them otherwise."""
    empty = make_scene("empty.tif", data=np.zeros((4, 64, 64), dtype=np.uint16), nodata=0)
    result = run_cli("detect", empty, "--out", tmp_path / "out", "--progress", "json", *NULL)
    logs = [event for event in events(result.stdout) if event["event"] == "log"]
    assert [log["level"] for log in logs if "wholly nodata" in log["text"]] == ["warning"]
    assert {log["level"] for log in logs if "squares" in log["text"]} <= {"info"}
    bad = make_scene(crs=None), "--out", tmp_path / "o", "--min-area", 9
    failed = run_cli("detect", *bad, "--progress", "json", *NULL)
    assert events(failed.stdout)[-1]["options"] == ["min-area"]


def test_closed_stdin_cancels(tmp_path: Path) -> None:
    path, more = write_scene(tmp_path / "scene.tif"), ("--progress", "json", "--stop-on-stdin-eof")
    command = pausing(tmp_path / "never", "detect", path, "--out", tmp_path / "out", *NULL, *more)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if '"inference"' in line:
                process.stdin.close()
                break
        rest = process.stdout.read()
        assert process.wait() == 130
    assert json.loads(rest.splitlines()[-1])["event"] == "cancelled"
    assert not list((tmp_path / "out").iterdir())


def test_a_leaked_environment_does_no_harm(make_scene: Make, tmp_path: Path) -> None:
    (tmp_path / "foreign").mkdir()
    environment = clean_environment(**dict.fromkeys(LEAKED, str(tmp_path / "foreign")))
    assert run_program("detect", make_scene(), "--out", tmp_path / "out", *NULL, env=environment).returncode == 0
    with rasterio.open(tmp_path / "out" / "scene_cloudmask.tif") as mask:
        assert mask.crs.to_epsg() == 32633


def test_broken_projections_are_said_instead_of_a_mask_without_a_place(tmp_path: Path) -> None:
    code = "from geocloud.cli.common import check_projections; check_projections()"
    environment = clean_environment(PROJ_DATA=str(tmp_path), PROJ_LIB=str(tmp_path))
    broken = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "EnvironmentProblem: projection data do not work here" in broken.stderr


@pytest.mark.faults
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX's")
def test_killed_at_any_moment_nothing_half_written_stays_and_the_next_run_clears_up(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "scene.tif", shape=(3000, 1500), compress="deflate")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "geocloud", "detect", str(path), "--out", str(out), *NULL, "--score"]
    for delay in (0.8, 1.1, 1.3, 1.5, 1.8, 2.2):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        mask = out / "scene_cloudmask.tif"
        if mask.exists():
            assert cog_validate(mask)[0]
            assert (out / "scene_clouds.geojson").exists()
            for file in out.glob("scene_*"):
                file.unlink()
    assert run_cli("detect", path, "--out", out, "--score", *NULL).returncode == 0
    assert cog_validate(out / "scene_cloudmask.tif")[0]
    assert not list(out.glob(".*"))


def corrupted(folder: Path) -> Path:
    folder.mkdir()
    (folder / "card.json").write_text('{"name": "x"')
    return folder


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("absent", "does not exist"),
        ("text", "not a raster"),
        ("truncated", "damaged or incomplete"),
        ("two bands", "has 2 bands"),
        ("unwritable", "cannot be written"),
        ("wrong band", "'purple' is unknown"),
        ("wrong band number", "which has bands 1 to 4"),
        ("model", "no model 'nonsense': give a model folder, an ONNX file or one of"),
        ("card", "not a valid model card"),
        ("threshold", "rule 'magic' is not in the card"),
    ],
)
def test_bad_input_is_one_sentence(make_scene: Make, tmp_path: Path, case: str, sentence: str) -> None:
    good, out = make_scene(), tmp_path / "out"
    (tmp_path / "text.tif").write_text("no raster")
    whole = good.read_bytes()
    (tmp_path / "short.tif").write_bytes(whole[: len(whole) // 2])
    arguments = {
        "absent": (tmp_path / "no.tif", "--out", out, *NULL),
        "text": (tmp_path / "text.tif", "--out", out, *NULL),
        "truncated": (tmp_path / "short.tif", "--out", out, *NULL),
        "two bands": (make_scene("two.tif", bands=2, names=None), "--out", out, *NULL),
        "unwritable": (good, "--out", tmp_path / "text.tif" / "out", *NULL),
        "wrong band": (good, "--out", out, "--bands", "purple=1", *NULL),
        "wrong band number": (good, "--out", out, "--bands", "red=9", *NULL),
        "model": (good, "--out", out, "--model", "nonsense"),
        "card": (good, "--out", out, "--model", corrupted(tmp_path / "model")),
        "threshold": (good, "--out", out, "--threshold", "magic", *NULL),
    }[case]
    result = run_cli("detect", *arguments)
    assert result.returncode in (1, 2)
    assert sentence in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("error:")]) == 1
    assert "Traceback" not in result.stderr
    assert not out.exists() or not list(out.iterdir())


def test_info_and_version_and_models() -> None:
    assert "detect" in run_cli("--help").stdout
    assert json.loads(run_cli("version", "--json").stdout)["protocol"] == 2
    assert "brightness" in run_cli("models", "list").stdout


def test_info_tells_bands_scale_and_grid(make_scene: Make) -> None:
    described = json.loads(run_cli("info", make_scene(), "--json").stdout)
    assert list(described["bands"]) == ["blue", "green", "red", "nir"]
    assert described["crs"] == "EPSG:32633"
    assert described["resolution"] == [10, 10]
    said = run_cli("info", make_scene("b.tif")).stdout
    assert "nir         band 4" in said
    assert "reflectance = DN * 0.0001" in said
