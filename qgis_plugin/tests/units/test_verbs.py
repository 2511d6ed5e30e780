"""The algorithms offer what the program offers: the lists of options are compared."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from geocloud_qgis.locate import resolve
from geocloud_qgis.speech import field_titles, in_our_words
from geocloud_qgis.verbs import (
    CLASSES,
    COMPOSITE,
    DETECT,
    DEVICES,
    ENCODINGS,
    METHODS,
    OUTLINES,
    POLYGONIZE,
    PRECISIONS,
    SERIES,
    VERBS,
    as_options,
)


def help_of(program, verb):
    command = [str(resolve(Path(program))), verb.name, "--help"]
    environ = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_option_is_a_parameter_or_left_out_for_a_reason(program, verb):
    named = set(re.findall(r"^\s+(?:-\w, )?(--[a-z-]+)", help_of(program, verb), re.MULTILINE))
    assert {"--progress", "--overwrite"} <= named
    parameters = {*verb.options.values(), *verb.outputs.values()}
    assert named - parameters - set(verb.left_out) == set(), "options that the algorithm lacks"
    assert parameters - named == set(), "options that the program lacks"
    assert set(verb.left_out) - named == set(), "options that the program has no more"
    assert not set(verb.left_out) & parameters
    assert all(verb.left_out.values())


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        (DETECT, ", ".join(CLASSES)),
        (DETECT, "|".join(DEVICES)),
        (DETECT, "|".join(PRECISIONS)),
        (SERIES, "|".join(DEVICES)),
        (COMPOSITE, "|".join(METHODS)),
        (POLYGONIZE, "|".join(ENCODINGS)),
        (DETECT, "|".join(OUTLINES)),
    ],
)
def test_choices_are_the_programs(program, verb, words):
    assert words in help_of(program, verb)


def test_every_field_has_its_title_for_the_programs_sentences():
    options = {option for verb in VERBS for option in verb.options.values()}
    assert {f"--{name}" for name in field_titles()} == options


@pytest.mark.parametrize(
    ("text", "options", "ours"),
    [
        ("guessed: --scale if not", ["scale"], "guessed: “Advanced Parameters ▸ Scale to reflectance” if not"),
        ("name them: --bands red=1,green=2, or not", ["bands"], "name them: “Bands: red=1,green=2”, or not"),
        ("take --model hot; or --bands", ["model", "bands"], "take “Model” hot; or “Bands”"),
        ("no polygons; --pixel-polygons gives them in pixels", ["pixel-polygons"], "no polygons"),
        ("give --out DIR", ["out"], "give --out DIR"),
        ("--score is no --score-file", [], "--score is no --score-file"),
    ],
)
def test_sentences_name_the_dialogs_fields(text, options, ours):
    assert in_our_words(text, options) == ours


def test_arguments():
    values = {"MODEL": "", "MIN_AREA": 2500.0, "CLASSES": ["cloud", "thin"], "DILATE": 3, "OVERWRITE": True}
    outputs = {"MASK": "/o/m.tif", "SCORE": ""}
    assert as_options(DETECT, {**values, "ALLOW_EXTERNAL": False, "SCALE": None, **outputs}) == [
        "--min-area=2500",
        "--classes=cloud,thin",
        "--dilate=3",
        "--overwrite",
        "--mask-file=/o/m.tif",
    ]
    assert as_options(DETECT, {"SCALE": 2.75e-05, "THRESHOLD": "-2.6"}) == ["--scale=2.75e-05", "--threshold=-2.6"]
