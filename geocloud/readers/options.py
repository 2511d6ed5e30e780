"""What a user may say about a scene that its files do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from geocloud.readers.paths import scene_name

__all__ = ["SceneOptions", "scene_name"]


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

    def __post_init__(self) -> None:
        """An offset alone, or a scale of 0, has no meaning."""
        if self.scale is not None and not 0 < abs(self.scale) < float("inf"):
            raise ValueError(f"scale {self.scale} must be a number other than 0")
