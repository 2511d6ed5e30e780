"""Which option of `geocloud detect` each parameter of the algorithm stands for. Imports no qgis.

A test compares this with the options that the program names itself.
"""

from __future__ import annotations

from typing import Any, Mapping

OPTIONS = {
    "MODEL": "--model",
    "PROBABILITY": "--probability",
    "BANDS": "--bands",
    "CLASSES": "--classes",
    "MIN_AREA": "--min-area",
    "DILATE": "--dilate",
    "THRESHOLD": "--threshold",
    "RESOLUTION": "--resolution",
    "SCALE": "--scale",
    "OFFSET": "--offset",
    "NODATA": "--nodata",
    "DEVICE": "--device",
    "PRECISION": "--precision",
    "THREADS": "--threads",
    "MAX_PIXELS": "--max-pixels",
    "ALLOW_EXTERNAL": "--allow-external",
    "OVERWRITE": "--overwrite",
}
"""Parameter -> option."""
OUTPUTS = {"MASK": "--mask-file", "POLYGONS": "--polygons-file", "SCORE": "--score-file"}
"""Output -> the option that names its file."""
LEFT_OUT = {
    "--out": "QGIS names each output",
    "--score": "the output SCORE",
    "--polygons": "the suffix of POLYGONS says the format",
    "--pixel-polygons": "QGIS draws pixel coordinates upside down",
    "--quicklook": "the layers on the map show more",
    "--stac": "an item describes a folder of files, which QGIS does not write",
    "--encoding": "the styles and the other algorithms read geocloud's codes",
    "--clear-sky": "the program writes it into a folder only",
    "--progress": "the plugin's own",
    "--json": "the plugin's own",
    "--quiet": "the plugin shows what the program says",
    "--verbose": "the plugin shows what the program says",
    "--stop-on-stdin-eof": "the plugin's own",
    "--help": "the panel beside the parameters",
}
"""Options that no parameter stands for, and why."""
CLASSES = ("cloud", "thin", "haze", "dust", "shadow", "snow")
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16")


def as_options(values: Mapping[str, Any]) -> list[str]:
    """Arguments for the program.

    Args:
        values: by parameter: a text, a number, a list of texts or a flag; None and an empty text leave the choice to
            the program.
    """
    arguments = []
    for name, value in values.items():
        if value is None or value == "" or value is False or value == []:
            continue
        option = OPTIONS[name]
        if value is True:
            arguments.append(option)
        elif isinstance(value, (list, tuple)):
            arguments.append(f"{option}={','.join(value)}")
        else:
            arguments.append(f"{option}={value:.15g}" if isinstance(value, float) else f"{option}={value}")
    return arguments
