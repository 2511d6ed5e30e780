"""What every scene looks like to the rest of geocloud, wherever it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from geocloud.georef import Georef
from geocloud.raster import Raster
from geocloud.readers.counts import Counts
from geocloud.window import Window


@runtime_checkable
class SceneReader(Protocol):
    """A scene that can be read a window at a time.

    Behaviour: opening reads metadata only; `read` may be called from several threads at once and returns the same
    pixels for a window however it is reached; after `close` a read raises ValueError. Closing twice is allowed.
    """

    @property
    def name(self) -> str:
        """The stem that outputs are named after."""

    @property
    def source(self) -> str:
        """Where it was read from, as the user named it."""

    @property
    def georef(self) -> Georef:
        """Grid and reference system."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Common names of the bands that were recognised, such as blue, green, red, nir, swir16, swir22, cirrus."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What had to be assumed, a sentence each, for the user to confirm or correct."""

    @property
    def file_block(self) -> tuple[int, int, int]:
        """(height, width, bytes a pixel of all bands) of the blocks the files are stored in, for sizing caches."""

    def describe(self) -> dict[str, Any]:
        """What was understood, as JSON values: source, size, crs, and of each band file, number, scale, offset."""

    def read(self, window: Window, bands: Sequence[str]) -> Raster:
        """The window's reflectance in these bands; the window must lie inside the scene.

        Raises:
            InputError: the file cannot be read there (truncated, changed while reading).
            ValueError: the reader is closed.
        """

    def counts(self, window: Window, bands: Sequence[str]) -> Counts:
        """The same before scale and offset; raises as `read`."""

    def close(self) -> None:
        """Close all files."""

    def __enter__(self) -> Self:
        """Itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""


class Closing:
    """The context manager half of a reader, for classes that have `close`."""

    def close(self) -> None:
        """Close all files."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
