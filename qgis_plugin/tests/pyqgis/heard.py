"""A feedback that remembers what a run says."""

from qgis.core import QgsProcessingFeedback


class Heard(QgsProcessingFeedback):
    """What a run says."""

    def __init__(self):
        super().__init__(False)
        self.stages, self.errors, self.warnings = [], [], []

    def setProgressText(self, text):
        self.stages.append(text)

    def reportError(self, text, fatalError=False):
        self.errors.append(text)

    def pushWarning(self, text):
        self.warnings.append(text)
