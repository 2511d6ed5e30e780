"""Every error geocloud raises on purpose.

GeocloudError               exit 1, code "internal"
├── UsageError              exit 2, code "input"    two options contradict, an option has a wrong value
├── InputError              exit 1, code "input"    the scene, label or picture cannot be used as it is
├── OutputError             exit 1, code "output"   a result cannot be written where it was asked for
├── ModelError              exit 1, code "model"    weights or card are missing, damaged or do not fit the scene
├── EnvironmentProblem      exit 1, code "env"      the installation itself is broken
├── MissingExtraError       exit 1, code "env"      an optional package is needed; says which extra to install
└── Cancelled               exit 130                the user stopped the run

A message is one sentence: the value, what is allowed, the way out.
"""

from __future__ import annotations

import re

_QUERY = re.compile(r"(?<=://)([^\s?'\"]+)\?[^\s'\")]+")
_LOGIN = re.compile(r"(?<=://)[^\s/@'\"]+@")


def without_secrets(text: str) -> str:
    """The text without the queries and logins of its URLs, which may hold keys."""
    return _LOGIN.sub("", _QUERY.sub(r"\1", text)) if "://" in text else text


class GeocloudError(Exception):
    """Base of all errors raised on purpose; `str(error)` is one sentence for the user."""

    exit_code = 1
    code = "internal"

    def __str__(self) -> str:
        """The sentence, without keys that URLs in it may hold."""
        return without_secrets(super().__str__())


class UsageError(GeocloudError):
    """Two options contradict each other, or one has a value that is not allowed."""

    exit_code = 2
    code = "input"


class InputError(GeocloudError):
    """A scene, label or picture cannot be used as it is."""

    code = "input"


class OutputError(GeocloudError):
    """A result cannot be written where it was asked for."""

    code = "output"


class ModelError(GeocloudError):
    """Weights or card are missing, damaged, or do not fit the scene."""

    code = "model"


class EnvironmentProblem(GeocloudError):  # noqa: N818 - EnvironmentError is a builtin
    """The installation itself is broken (projection data, GDAL drivers)."""

    code = "env"


class MissingExtraError(GeocloudError):
    """An optional package is needed."""

    code = "env"

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        """Say that `purpose` needs `package`, which the extra `extra` of geocloud installs."""
        super().__init__(f"{purpose} needs {package}: pip install 'geocloud[{extra}]'")


class Cancelled(GeocloudError):  # noqa: N818 - it is no failure
    """The user stopped the run; no incomplete output is left."""

    exit_code = 130
    code = "cancelled"


def too_long(path: str) -> str:
    """The sentence for a path that no file can have."""
    return f"{path[:60]}… has {len(path)} letters, in all or in one name more than the disk takes; give a shorter one"
