"""The program's commands that the algorithms run, with the option of each parameter. Imports no qgis.

A test compares these tables with the options that the program has.
"""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple


class Verb(NamedTuple):
    """A command of the program, with all its options."""

    name: str
    options: Mapping[str, str]
    """Parameter of the algorithm -> option."""
    outputs: Mapping[str, str]
    """Output of the algorithm -> the option that names its file or folder."""
    left_out: Mapping[str, str]
    """Options without a parameter -> why they have none."""


MESSAGES = {
    "--progress": "the plugin's own",
    "--json": "the plugin's own",
    "--quiet": "the plugin shows what the program says",
    "--verbose": "the plugin shows what the program says",
    "--stop-on-stdin-eof": "the plugin's own",
    "--help": "the panel beside the parameters",
}
"""Options that no algorithm has."""
REPLACES = {"--overwrite": "always: QGIS has asked already"}
AREA = {"EXTENT": "--bounds", "AREA": "--aoi"}
READING = {
    "SCALE": "--scale",
    "OFFSET": "--offset",
    "NODATA": "--nodata",
    "TIME": "--time",
    "MAX_PIXELS": "--max-pixels",
    "ALLOW_EXTERNAL": "--allow-external",
}
"""Parameters that say how a scene is read."""

DETECT = Verb(
    "detect",
    {
        **AREA,
        "MODEL": "--model",
        "PROBABILITY": "--probability",
        "BANDS": "--bands",
        "CLASSES": "--classes",
        "MIN_AREA": "--min-area",
        "OUTLINE": "--outline",
        "DILATE": "--dilate",
        "THRESHOLD": "--threshold",
        "RESOLUTION": "--resolution",
        **READING,
        "DEVICE": "--device",
        "PRECISION": "--precision",
        "THREADS": "--threads",
        "OVERWRITE": "--overwrite",
    },
    {
        "MASK": "--mask-file",
        "POLYGONS": "--polygons-file",
        "SCORE": "--score-file",
        "CLASS_SCORES": "--class-scores-file",
        "UNCERTAINTY": "--uncertainty-file",
        "CLEAR_SKY": "--clear-sky-file",
    },
    {
        "--out": "QGIS names each output",
        "--score": "the outputs SCORE and CLASS_SCORES",
        "--uncertainty": "the output UNCERTAINTY",
        "--clear-sky": "the output CLEAR_SKY",
        "--polygons": "the suffix of POLYGONS says the format",
        "--pixel-polygons": "QGIS draws pixel coordinates upside down",
        "--quicklook": "the layers on the map show more",
        "--stac": "an item describes a folder of files, which QGIS does not write",
        "--encoding": "the styles and the other algorithms read geocloud's codes",
        **MESSAGES,
    },
)
POLYGONIZE = Verb(
    "polygonize",
    {"MIN_AREA": "--min-area", "SCORE": "--score-file", "OUTLINE": "--outline", "ENCODING": "--encoding"},
    {"POLYGONS": "--out"},
    {**REPLACES, **MESSAGES},
)
APPLY_MASK = Verb(
    "apply-mask",
    {
        "CODES": "--codes",
        "ENCODING": "--encoding",
        "NODATA": "--nodata",
        "MAX_PIXELS": "--max-pixels",
        "ALLOW_EXTERNAL": "--allow-external",
    },
    {"OUTPUT": "--out"},
    {
        "--bands": "all bands are copied",
        "--scale": "values are copied as they are",
        "--offset": "values are copied as they are",
        **REPLACES,
        **MESSAGES,
    },
)
SERIES = Verb(
    "series",
    {**AREA, "MODEL": "--model", "BANDS": "--bands", **READING, "DEVICE": "--device", "THREADS": "--threads"},
    {"OUTPUT": "--out"},
    {**REPLACES, **MESSAGES},
)
COMPOSITE = Verb(
    "composite",
    {
        **AREA,
        "METHOD": "--method",
        "MASKS": "--mask-dir",
        "MODEL": "--model",
        "BANDS": "--bands",
        **READING,
        "DEVICE": "--device",
    },
    {"OUTPUT": "--out"},
    {
        "--stac": "an item describes a file of an archive, which QGIS does not keep",
        "--workers": "for composites of many scenes on several machines",
        "--scheduler": "the same",
        "--scheduler-file": "the same",
        **REPLACES,
        **MESSAGES,
    },
)
COVER = Verb(
    "cover",
    {"ZONES": "--zones", "ENCODING": "--encoding"},
    {"OUTPUT": "--out"},
    {**REPLACES, **MESSAGES},
)
ADAPT = Verb(
    "adapt",
    {
        "CLEAR": "--clear",
        "CLOUDY": "--cloudy",
        "POLYGONS": "--polygons",
        "MASKS": "--masks",
        "MODEL": "--model",
        "BANDS": "--bands",
        **READING,
        "STEPS": "--steps",
        "SEED": "--seed",
        "THREADS": "--threads",
        "ALLOW_WORSE": "--allow-worse",
        "OVERWRITE": "--overwrite",
    },
    {"OUTPUT": "--out"},
    MESSAGES,
)
VERBS = (DETECT, POLYGONIZE, APPLY_MASK, SERIES, COMPOSITE, COVER, ADAPT)
CLASSES = ("cloud", "thin", "haze", "dust", "shadow", "snow")
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16")
METHODS = ("median", "medoid", "best", "mean")
ENCODINGS = ("geocloud", "scl", "qa_pixel", "binary", "omnicloudmask")
OUTLINES = ("pixel", "smooth")


def as_options(verb: Verb, values: Mapping[str, Any]) -> list[str]:
    """Arguments for the program.

    Args:
        verb: the command.
        values: parameter or output -> a text, a number, a list of texts or a flag; for None, an empty text or an empty
            list the program uses its default.
    """
    arguments, names = [], {**verb.options, **verb.outputs}
    for name, value in values.items():
        if value is None or value == "" or value is False or value == []:
            continue
        option = names[name]
        if value is True:
            arguments.append(option)
        elif isinstance(value, (list, tuple)):
            arguments.append(f"{option}={','.join(value)}")
        else:
            arguments.append(f"{option}={value:.15g}" if isinstance(value, float) else f"{option}={value}")
    return arguments
