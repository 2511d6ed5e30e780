"""What the algorithms share: running the program, passing on what it says, failing with its sentence once."""

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
"""Of a GeoPackage: the program writes one of them into a file."""


class FeedbackListener(Listener):
    """Passes a run on to QGIS's feedback, and keeps what was said."""

    def __init__(self, feedback: QgsProcessingFeedback) -> None:
        """Nothing was said yet."""
        self._feedback = feedback
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def progress(self, percent: float) -> None:
        """The bar."""
        self._feedback.setProgress(percent)

    def stage(self, text: str) -> None:
        """The line above the bar."""
        self._feedback.setProgressText(text)

    def info(self, text: str) -> None:
        """A line of the log."""
        self.lines.append(text)
        self._feedback.pushInfo(text)

    def warning(self, text: str) -> None:
        """A line of the log that stands out."""
        self.warnings.append(text)
        self.lines.append(tr("Warning: {text}").format(text=text))
        self._feedback.pushWarning(text)

    def cancelled(self) -> bool:
        """True once the user pressed Cancel."""
        return self._feedback.isCanceled()


def fraction(percent: Optional[float]) -> Optional[float]:
    """Percent as a fraction for models and scripts; None where nothing was measured."""
    return None if percent is None else round(percent / 100, 6)


def as_exception(error: ProgramError) -> QgsProcessingException:
    """The sentence and its hint, as QGIS shows them once."""
    return QgsProcessingException(f"{error}\n{error.hint}" if error.hint else str(error))


class GeocloudAlgorithm(QgsProcessingAlgorithm):
    """An algorithm that runs one command of the program."""

    NAME = TITLE = SUMMARY = HELP = ""
    RESULTS: Sequence[tuple[str, str]] = ()
    """Outputs that are no layers, and what they tell."""
    TAGS: Sequence[str] = ("cloud", "mask", "satellite", "sentinel", "landsat")
    told = ""
    """What a run says in the message bar at its end; nothing where it is empty."""

    def table(self) -> Iterable[Entry]:
        """The parameters in the order of the dialog; to override."""
        return ()

    def numbers(self) -> Sequence[tuple[str, str]]:
        """Outputs that are numbers, and their titles; to override."""
        return ()

    def initAlgorithm(self, config: object = None) -> None:  # noqa: ARG002, N802 - QGIS's name
        """The table, then the numbers."""
        for parameter, text, advanced in self.table():
            self.add(parameter, text, advanced=advanced)
        for name, title in self.numbers():
            self.addOutput(QgsProcessingOutputNumber(name, title))

    def name(self) -> str:
        """For scripts and models; never changes."""
        return self.NAME

    def displayName(self) -> str:  # noqa: N802 - QGIS's name
        """For the toolbox."""
        return self.TITLE

    def shortDescription(self) -> str:  # noqa: N802 - QGIS's name
        """For the tooltip."""
        return self.SUMMARY

    def shortHelpString(self) -> str:  # noqa: N802 - QGIS's name
        """For the panel beside the parameters: what it does, then a paragraph for each parameter and output."""
        parameters = [(one.description(), one.help()) for one in self.parameterDefinitions()]
        return _help_text(self.HELP or self.SUMMARY, parameters, self.RESULTS)

    def helpUrl(self) -> str:  # noqa: N802 - QGIS's name
        """The manual."""
        return "https://github.com/geocloud/geocloud/blob/main/docs/qgis.md"

    def tags(self) -> list[str]:
        """Words to search for."""
        return list(self.TAGS)

    def icon(self) -> QIcon:
        """The plugin's icon."""
        return QIcon(str(ICON))

    def createInstance(self) -> QgsProcessingAlgorithm:  # noqa: N802 - QGIS's name
        """A new one for each run."""
        return type(self)()

    def add(self, parameter: QgsProcessingParameterDefinition, text: str, *, advanced: bool = False) -> None:
        """Add a parameter with its help."""
        parameter.setHelp(text)
        if advanced:
            parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
        self.addParameter(parameter)

    def values(self, parameters: dict, names: Iterable[str], context: Any) -> dict[str, Any]:  # noqa: ANN401
        """These parameters as the program takes them; None where one is empty."""
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
        """Also that no GeoPackage with other tables would be replaced."""
        for definition in self.destinationParameterDefinitions():
            value = parameters.get(definition.name())
            path = str(value.sink.staticValue() if isinstance(value, QgsProcessingOutputLayerDefinition) else value)
            others = _tables(path) - OWN_TABLES if path.lower().endswith(".gpkg") else set()
            if others:
                text = tr("{file} has other tables ({names}), which would be lost; choose another file.")
                return False, text.format(file=path, names=", ".join(sorted(others)))
        return super().checkParameterValues(parameters, context)

    def prepareAlgorithm(self, parameters: dict, context: Any, feedback: Any) -> bool:  # noqa: ANN401, ARG002, N802
        """On the main thread: the program's environment, which has QGIS's proxy in it."""
        self.environ = settings.environment()
        return True

    def postProcessAlgorithm(self, context: Any, feedback: Any) -> dict:  # noqa: ANN401, ARG002, N802
        """On the main thread: the result in the message bar."""
        if self.told:
            notify.tell(self.displayName(), self.told, self.heard.warnings, self.heard.lines, feedback)
        return {}

    def run_program(
        self, arguments: Sequence[str], outputs: Sequence[str], feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Run the program, which writes `outputs`; its result.

        Raises on failure and on cancel, since returning is success.
        """
        self.heard = FeedbackListener(feedback)
        try:
            command = [str(settings.program(self.environ)), *arguments, "--progress", "json", "--stop-on-stdin-eof"]
            line = " ".join(map(shlex.quote, command))
            self.heard.lines.append(line)
            feedback.pushCommandInfo(line)
            return run(command, self.environ, self.heard, outputs)
        except ProgramError as error:
            raise as_exception(error) from error
        except ProgramCancelled as error:
            raise QgsProcessingException(tr("Cancelled; nothing was written.")) from error


def _tables(path: str) -> set[str]:
    """Names of the layers in a file; none where there is no such file."""
    if not Path(path).is_file():
        return set()
    return {layer.name() for layer in QgsProviderRegistry.instance().querySublayers(path)}


def _help_text(summary: str, parameters: Sequence[tuple[str, str]], outputs: Sequence[tuple[str, str]]) -> str:
    """HTML for the window; plain lines for `qgis_process`, which would print the tags."""
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
