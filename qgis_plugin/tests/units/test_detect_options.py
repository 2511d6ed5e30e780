"""The dialog offers what the program offers: the two lists are compared."""

import os
import re
import subprocess
from pathlib import Path

from geocloud_qgis.detect_options import (
    CLASSES,
    DEVICES,
    LEFT_OUT,
    OPTIONS,
    OUTPUTS,
    PRECISIONS,
    as_options,
)
from geocloud_qgis.locate import resolve
from geocloud_qgis.speech import field_titles


def help_of(program):
    command = [str(resolve(Path(program))), "detect", "--help"]
    environ = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout


def test_every_option_of_detect_is_a_parameter_or_left_out_for_a_reason(program):
    named = set(re.findall(r"^\s+(?:-\w, )?(--[a-z-]+)", help_of(program), re.MULTILINE))
    assert {"--model", "--mask-file", "--overwrite"} <= named
    ours = {*OPTIONS.values(), *OUTPUTS.values(), *LEFT_OUT}
    assert named - ours == set(), "options that the dialog lacks"
    assert ours - named == set(), "options that the program lacks"
    assert not set(LEFT_OUT) & {*OPTIONS.values(), *OUTPUTS.values()}


def test_choices_are_the_programs(program):
    text = help_of(program)
    assert ", ".join(CLASSES) in text
    assert "|".join(DEVICES) in text
    assert "|".join(PRECISIONS) in text


def test_every_field_has_its_title_for_the_programs_sentences():
    assert {f"--{name}" for name in field_titles()} == set(OPTIONS.values())


def test_arguments():
    values = {"MODEL": "", "MIN_AREA": 2500.0, "CLASSES": ["cloud", "thin"], "DILATE": 3, "OVERWRITE": True}
    assert as_options({**values, "ALLOW_EXTERNAL": False, "SCALE": None}) == [
        "--min-area=2500",
        "--classes=cloud,thin",
        "--dilate=3",
        "--overwrite",
    ]
    assert as_options({"SCALE": 2.75e-05, "THRESHOLD": "-2.6"}) == ["--scale=2.75e-05", "--threshold=-2.6"]
