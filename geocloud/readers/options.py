"""What a user may say about a scene that its files do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from geocloud.readers.paths import scene_name

__all__ = ["MAX_PIXELS", "SceneOptions", "scene_name"]

MAX_PIXELS = 10**11
"""316,000 x 316,000 pixels: larger than any mosaic that is scored in one piece."""


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """Overrides for reading one scene."""

    bands: Mapping[str, int] = field(default_factory=dict)
    """Common name -> band number from 1; empty: found from the file."""
    scale: float | None = None
    """Reflectance = DN * scale + offset; None: found from the file."""
    offset: float | None = None
    """See scale."""
    allow_external: bool = False
    """Let a local document (STAC item, VRT) name files outside its own folder."""
    max_pixels: int = MAX_PIXELS
    """A scene that claims more pixels, height times width, is refused: a few bytes can claim any size."""

    def __post_init__(self) -> None:
        """Numbers that have no meaning."""
        if self.scale is not None and not 0 < abs(self.scale) < float("inf"):
            raise ValueError(f"scale {self.scale} must be a number other than 0")
        if self.offset is not None and not abs(self.offset) < float("inf"):
            raise ValueError(f"offset {self.offset} must be a finite number")
        if self.max_pixels < 1:
            raise ValueError(f"max_pixels {self.max_pixels} must be 1 or more")
