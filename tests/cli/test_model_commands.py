import json
from importlib.util import find_spec

import pytest
from click.testing import CliRunner

from geocloud.cli.main import cli


def _run(*arguments, code=0):
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def test_train_prints_the_paper_s_lines_and_one_record(tagged, tmp_path):
    result = _run("train", tagged, "--out", tmp_path / "m", "--folders", "field", "--epochs", 2, "--widths", "8",
                  "--latent", 4)  # fmt: skip
    lines = [line for line in result.stderr.splitlines() if line.startswith("Epoch:")]
    assert [line.split(",")[0] for line in lines] == ["Epoch:1", "Epoch:2"]
    assert lines[0].split("Loss:")[1].replace(".", "").isdigit()
    assert json.loads(result.stdout)["threshold"] == 0.02


def test_a_config_file_stands_in_for_options_and_the_command_line_wins(tagged, tmp_path):
    config = tmp_path / "train.toml"
    config.write_text('[train]\nepochs = 5\nbatch-size = 8\nwidths = "8"\nlatent = 4\nfolders = ["cloudy"]\n')
    result = _run("train", tagged, "--config", config, "--epochs", 1, "--out", tmp_path / "m")
    assert len(json.loads(result.stdout)["losses"]) == 1
    card = json.loads((tmp_path / "m" / "card.json").read_text())
    assert card["architecture"] == {"widths": [8], "latent": 4}
    assert "--folders cloudy --epochs 1 --batch-size 8" in card["training"]["recipe"]
    config.write_text("epoch = 5\n")
    assert "'epoch', which is no option" in _run("train", tagged, "--config", config, "--out", "x", code=2).output


def test_the_list_of_models_for_programs():
    found = json.loads(_run("models", "list", "--json").stdout)
    assert found["default"] in [model["name"] for model in found["models"]]
    assert {model["name"] for model in found["models"] if model["kind"] == "baseline"} >= {"brightness", "hot"}
    peers = {model["name"]: model["description"] for model in found["models"] if model["kind"] == "peer"}
    needs = "; needs pip install 'geocloud[omnicloudmask]'" if find_spec("omnicloudmask") is None else ""
    assert peers["omnicloudmask"] == f"detector of the package omnicloudmask{needs}"


def test_classify_says_a_json_line_a_picture_and_goes_on_after_a_bad_one(tagged, clear_model, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"x")
    good = tagged / "cloudy" / "cloudy_1.png", tagged / "field" / "field_1.png"
    result = _run("classify", good[0], tmp_path / "bad.png", good[1], "--model", clear_model, code=1)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["statement"] for one in found] == ["cloudy", "not cloudy"]
    assert "bad.png is no picture" in result.stderr


def test_calibrate_and_evaluate_print_records(tagged, clear_model, tmp_path):
    result = _run("calibrate", clear_model, tagged, "--rule", "quantile", "--parameter", 0.9, "--out", tmp_path / "c")
    assert json.loads(result.stdout)["rule"] == "quantile"
    result = _run("evaluate", tagged, "--model", tmp_path / "c", "--baseline", "brightness,chroma", "--draws", 5)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["model"] for row in rows] == ["c", "brightness", "chroma"]
    assert set(rows[0]["confusion"]) == {"tp", "fp", "fn", "tn"}


def test_evaluate_reads_label_codes(labelled):
    result = _run("evaluate", labelled / "images", "--model", "hot", "--cloud-codes", "2", "--ignore-codes", "9",
                  "--draws", 5)  # fmt: skip
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["model"] for row in rows] == ["hot", "brightness"]
    assert rows[0]["unit"] == "pixel"


def test_evaluate_takes_folds_and_no_model_besides(labelled, tmp_path):
    (tmp_path / "one.txt").write_text("s0\ns1\n")
    (tmp_path / "other.txt").write_text("s2\n")
    result = _run("evaluate", labelled, "--fold", "hot", tmp_path / "one.txt", "--fold", "brightness",
                  tmp_path / "other.txt", "--baseline", "chroma", "--cloud-codes", "2", "--ignore-codes", "9",
                  "--draws", 5)  # fmt: skip
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["model"], row["scenes"]) for row in rows] == [("hot, cross-validated", 3), ("chroma", 3)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "TAGGED", "--out", "m", "--folders", "desert"], "cloudy, field"),
        (["evaluate", "TAGGED", "--model", "nosuch"], "no model 'nosuch'"),
        (["evaluate", "nowhere", "--model", "hot"], "nowhere does not exist"),
        (["evaluate", "TAGGED", "--model", "hot", "--cloud-codes", "1,x"], "whole numbers"),
        (["calibrate", "hot", "TAGGED", "--rule", "f1"], "no model 'hot'"),
    ],
)
def test_mistakes_are_one_sentence_without_a_traceback(arguments, sentence, tagged, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, [str(tagged) if part == "TAGGED" else part for part in arguments])
    assert result.exit_code in (1, 2)
    assert sentence in result.stderr
    assert "Traceback" not in result.output
