"""The base class of the algorithms: it runs the program, passes on its messages, and reports its errors once."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, Iterable, Optional, Sequence

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingOutputNumber,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterNumber,
    QgsProviderRegistry,
)
from qgis.PyQt.QtGui import QIcon

from . import notify, settings
from .parameters import Entry
from .runner import Listener, ProgramCancelled, ProgramError, run
from .texts import tr
from .window import main_window

ICON = Path(__file__).parent / "icon.svg"
OWN_TABLES = {"clouds", "cover"}
"""Tables that the program writes into GeoPackages, one per file."""


class FeedbackListener(Listener):
    """Passes the messages of a run to QGIS's feedback, and keeps them."""

    def __init__(self, feedback: QgsProcessingFeedback) -> None:
        """Begin without messages."""
        self._feedback = feedback
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def progress(self, percent: float) -> None:
        """Move the progress bar."""
        self._feedback.setProgress(percent)

    def stage(self, text: str) -> None:
        """Show the text above the progress bar."""
        self._feedback.setProgressText(text)

    def info(self, text: str) -> None:
        """Add a line to the log."""
        self.lines.append(text)
        self._feedback.pushInfo(text)

    def warning(self, text: str) -> None:
        """Add a highlighted line to the log."""
        self.warnings.append(text)
        self.lines.append(tr("Warning: {text}").format(text=text))
        self._feedback.pushWarning(text)

    def cancelled(self) -> bool:
        """True once the user has pressed Cancel."""
        return self._feedback.isCanceled()


def fraction(percent: Optional[float]) -> Optional[float]:
    """Percent as a fraction, for models and scripts; None if nothing was measured."""
    return None if percent is None else round(percent / 100, 6)


def as_exception(error: ProgramError) -> QgsProcessingException:
    """The error with its hint, as an exception that QGIS shows once."""
    return QgsProcessingException(f"{error}\n{error.hint}" if error.hint else str(error))


class GeocloudAlgorithm(QgsProcessingAlgorithm):
    """An algorithm that runs one command of the program."""

    NAME = TITLE = SUMMARY = HELP = ""
    RESULTS: Sequence[tuple[str, str]] = ()
    """(title, help) of the outputs that are no layers."""
    TAGS: Sequence[str] = ("cloud", "mask", "satellite", "sentinel", "landsat")
    outcome = ""
    """Text for the message bar at the end of a run; empty: no message."""

    def table(self) -> Iterable[Entry]:
        """The parameters in the order of the dialog; override it."""
        return ()

    def numbers(self) -> Sequence[tuple[str, str]]:
        """(name, title) of outputs that are numbers; override it."""
        return ()

    def initAlgorithm(self, config: object = None) -> None:  # noqa: ARG002, N802 - QGIS's name
        """Add parameters and outputs, from `table` and `numbers`."""
        for parameter, text, advanced in self.table():
            self.add(parameter, text, advanced=advanced)
        for name, title in self.numbers():
            self.addOutput(QgsProcessingOutputNumber(name, title))

    def name(self) -> str:
        """Name in scripts and models; it must never change."""
        return self.NAME

    def displayName(self) -> str:  # noqa: N802 - QGIS's name
        """Title in the toolbox."""
        return self.TITLE

    def shortDescription(self) -> str:  # noqa: N802 - QGIS's name
        """Text of the tooltip."""
        return self.SUMMARY

    def shortHelpString(self) -> str:  # noqa: N802 - QGIS's name
        """Text beside the parameters: what the algorithm does, then a paragraph per parameter and output."""
        parameters = [(one.description(), one.help()) for one in self.parameterDefinitions()]
        return _help_text(self.HELP or self.SUMMARY, parameters, self.RESULTS)

    def helpUrl(self) -> str:  # noqa: N802 - QGIS's name
        """Address of the manual."""
        return "https://github.com/geocloud/geocloud/blob/main/docs/qgis.md"

    def tags(self) -> list[str]:
        """Words to search for."""
        return list(self.TAGS)

    def icon(self) -> QIcon:
        """The plugin's icon."""
        return QIcon(str(ICON))

    def createInstance(self) -> QgsProcessingAlgorithm:  # noqa: N802 - QGIS's name
        """A new algorithm for each run."""
        return type(self)()

    def add(self, parameter: QgsProcessingParameterDefinition, text: str, *, advanced: bool = False) -> None:
        """Add a parameter with its help."""
        parameter.setHelp(text)
        if advanced:
            parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
        self.addParameter(parameter)

    def values(self, parameters: dict, names: Iterable[str], context: Any) -> dict[str, Any]:  # noqa: ANN401
        """Name of each parameter -> its value as the program takes it; None if it is empty."""
        return {name: self._value(parameters, name, context) for name in names}

    def _value(self, parameters: dict, name: str, context: Any) -> Any:  # noqa: ANN401
        definition = self.parameterDefinition(name)
        if parameters.get(name, definition.defaultValue()) in (None, "", []):
            return None
        if isinstance(definition, QgsProcessingParameterEnum):
            many = definition.allowMultiple()
            read = self.parameterAsEnumStrings if many else self.parameterAsEnumString
            return read(parameters, name, context)
        if isinstance(definition, QgsProcessingParameterNumber):
            whole = definition.dataType() == QgsProcessingParameterNumber.Type.Integer
            return (self.parameterAsInt if whole else self.parameterAsDouble)(parameters, name, context)
        if definition.type() == "boolean":
            return self.parameterAsBool(parameters, name, context)
        return self.parameterAsString(parameters, name, context).strip()

    def checkParameterValues(self, parameters: dict, context: Any) -> tuple[bool, str]:  # noqa: ANN401, N802
        """Refuse to replace a GeoPackage that has other tables, besides QGIS's own checks."""
        for definition in self.destinationParameterDefinitions():
            value = parameters.get(definition.name())
            path = str(value.sink.staticValue() if isinstance(value, QgsProcessingOutputLayerDefinition) else value)
            others = _tables(path) - OWN_TABLES if path.lower().endswith(".gpkg") else set()
            if others:
                text = tr("{file} has other tables ({names}), which would be lost; choose another file.")
                return False, text.format(file=path, names=", ".join(sorted(others)))
        return super().checkParameterValues(parameters, context)

    def prepareAlgorithm(self, parameters: dict, context: Any, feedback: Any) -> bool:  # noqa: ANN401, ARG002, N802
        """Get the program's environment, with QGIS's proxy; runs on the main thread."""
        self.environ = settings.environment()
        return True

    def postProcessAlgorithm(self, context: Any, feedback: Any) -> dict:  # noqa: ANN401, ARG002, N802
        """Show the outcome in the message bar; runs on the main thread."""
        if self.outcome:
            notify.show_result(self.displayName(), self.outcome, self.listener.warnings, self.listener.lines, feedback)
        return {}

    def run_program(
        self, arguments: Sequence[str], outputs: Sequence[str], feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Run the program, which writes `outputs`, and return its result.

        Raises:
            QgsProcessingException: the program failed, or the user cancelled it.
        """
        self.listener = FeedbackListener(feedback)
        try:
            command = [str(settings.program(self.environ)), *arguments, "--progress", "json", "--stop-on-stdin-eof"]
            line = " ".join(map(shlex.quote, command))
            self.listener.lines.append(line)
            feedback.pushCommandInfo(line)
            return run(command, self.environ, self.listener, outputs)
        except ProgramError as error:
            raise as_exception(error) from error
        except ProgramCancelled as error:
            raise QgsProcessingException(tr("Cancelled; nothing was written.")) from error


def _tables(path: str) -> set[str]:
    """Names of the layers in a file; empty if there is no such file."""
    if not Path(path).is_file():
        return set()
    return {layer.name() for layer in QgsProviderRegistry.instance().querySublayers(path)}


def _help_text(summary: str, parameters: Sequence[tuple[str, str]], outputs: Sequence[tuple[str, str]]) -> str:
    """The help as HTML in a window, and as plain lines in `qgis_process`, which would print tags."""
    if main_window() is None:
        lines = [summary]
        for title, entries in ((tr("Parameters"), parameters), (tr("Results"), outputs)):
            lines += [f"\n{title}", *(f"  {name}: {text}" for name, text in entries)] if entries else []
        return "\n".join(lines)
    parts = [f"<p>{summary}</p>"]
    for title, entries in ((tr("Parameters"), parameters), (tr("Results"), outputs)):
        if entries:
            parts.append(f"<h3>{title}</h3>")
            bold = "font-weight: bold"  # a <b> has a colour of its own in QGIS, dark in a dark theme
            parts += [f"<p><span style='{bold}'>{name}</span>: {text}</p>" for name, text in entries]
    return "\n".join(parts)
