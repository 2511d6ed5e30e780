"""The version, in one place: the build reads it here."""

__version__ = "1.0.0"
