"""The algorithm `checkinstallation`, and the report that the settings dialog shows too."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsProcessingOutputString

from . import settings
from .algorithm import GeocloudAlgorithm, as_exception
from .locate import read_versions
from .runner import ProgramError
from .texts import tr


def make_report(program: Path, environ: dict[str, str]) -> str:
    """What works here, as text to copy into a question; ProgramError where the program does not work."""
    versions = read_versions(program, environ, check=True)
    lines = [f"program {program}", f"QGIS {Qgis.QGIS_VERSION} on {platform.platform()}"]
    return "\n".join(lines + [f"{name} {value}" for name, value in versions.items()])


class CheckInstallation(GeocloudAlgorithm):
    """Whether the program is found and works."""

    NAME = "checkinstallation"

    def __init__(self) -> None:
        """Texts in QGIS's language."""
        super().__init__()
        self.TITLE = tr("Check installation")
        self.SUMMARY = tr("Shows whether the geocloud program is found and works.")
        self.HELP = tr(
            "Shows where the geocloud program is, its versions and device, and whether projections work there."
        )
        self.RESULTS = (
            ("REPORT", tr("text to copy into a question.")),
            ("VERSION", tr("the program's version.")),
        )

    def initAlgorithm(self, config: object = None) -> None:  # noqa: ARG002, N802 - QGIS's name
        """No parameters."""
        self.addOutput(QgsProcessingOutputString("REPORT", tr("Report")))
        self.addOutput(QgsProcessingOutputString("VERSION", tr("Version of geocloud")))

    def processAlgorithm(self, parameters: dict, context: Any, feedback: Any) -> dict:  # noqa: ANN401, ARG002, N802
        """Find the program and ask it."""
        try:
            report = make_report(settings.program(self.environ), self.environ)
        except ProgramError as error:
            raise as_exception(error) from error
        feedback.pushInfo(report)
        version = next((line.split()[1] for line in report.splitlines() if line.startswith("geocloud ")), "")
        return {"REPORT": report, "VERSION": version}
