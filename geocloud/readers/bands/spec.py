"""What a file-backed scene is made of: which file and band holds which spectral band, and how to read it."""

from __future__ import annotations

from dataclasses import dataclass, field

from geocloud.georef import Georef


@dataclass(frozen=True, slots=True)
class Radiometry:
    """Reflectance = DN * scale + offset."""

    scale: float = 1.0
    offset: float = 0.0
    origin: str = "given"
    """Where the two numbers come from, in words: `given`, `the file's tags`, `8-bit values`, a metadata file."""


@dataclass(frozen=True, slots=True)
class BandSource:
    """Where one spectral band is stored."""

    band: str
    """Common name."""
    path: str
    """A path rasterio opens."""
    index: int = 1
    """Band number in that file, from 1."""
    radiometry: Radiometry = field(default_factory=Radiometry)
    nodata: float | None = None
    """The value that means no data; None where there is none (NaN never is data)."""
    masked: bool = False
    """True where the file carries an internal mask or alpha band that says what is valid."""


@dataclass(frozen=True, slots=True)
class FillSource:
    """A quality band whose bits say where there is no data at all."""

    path: str
    bit: int = 0
    """Set bit = fill (QA_PIXEL and BQA: bit 0)."""


@dataclass(frozen=True, slots=True)
class SceneSpec:
    """A scene as files: all a RasterScene needs."""

    name: str
    source: str
    georef: Georef
    sources: tuple[BandSource, ...]
    """One a recognised band."""
    file_block: tuple[int, int, int]
    """(height, width, bytes a pixel of all bands)."""
    notes: tuple[str, ...] = ()
    fill: FillSource | None = None
    kind: str = "raster"
    """What it was recognised as, in words."""
    taken: str = ""
    """Time of acquisition, ISO 8601; empty where unknown."""
    item: str = ""
    """Path or URL of the STAC item it was read from; empty where it was none."""
