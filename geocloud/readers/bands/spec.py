"""What is known of a scene before its pixels are read: bands, radiometry, place, and what had to be assumed."""

from __future__ import annotations

from dataclasses import dataclass, field

from geocloud.raster import Georef


@dataclass(frozen=True, slots=True)
class Radiometry:
    """Reflectance = DN * scale + offset."""

    scale: float = 1.0
    offset: float = 0.0
    origin: str = "given"
    """Where the two numbers come from, in words: `given`, `the file's tags`, `8-bit values`, a metadata file."""
    guessed: bool = False
    """True where nothing states them."""

    def __str__(self) -> str:
        """As a formula."""
        return f"DN * {self.scale:.6g} {'-' if self.offset < 0 else '+'} {abs(self.offset):g} ({self.origin})"


@dataclass(frozen=True, slots=True)
class BandSource:
    """One spectral band: where it is stored, how it is read, and why it was taken for that band."""

    band: str
    """Common name."""
    path: str
    """A path rasterio opens; for arrays the scene's source."""
    index: int = 1
    """Band number in that file, from 1."""
    radiometry: Radiometry = field(default_factory=Radiometry)
    nodata: float | None = None
    """The value that means no data; None where there is none (NaN never is data)."""
    masked: bool = False
    """True where the file carries an internal mask that says what is valid."""
    alpha: int = 0
    """Number of the file's alpha band, 0 = no data; 0 where it has none."""
    label: str = ""
    """What the file calls the band."""
    evidence: str = ""
    """Why it was taken for that band, in words."""


@dataclass(frozen=True, slots=True)
class FillSource:
    """A quality band whose bits say where there is no data at all."""

    path: str
    bit: int = 0
    """Set bit = fill (QA_PIXEL and BQA: bit 0)."""


@dataclass(frozen=True, slots=True)
class SceneInfo:
    """All that is known of a scene before a pixel is read."""

    name: str
    """The stem that outputs are named after."""
    source: str
    """As the user named it."""
    georef: Georef
    sources: tuple[BandSource, ...]
    """One a recognised band."""
    file_block: tuple[int, int, int] = (1, 1, 0)
    """(height, width, bytes a pixel of all bands) of the blocks the files are stored in; (1, 1, 0): no file."""
    notes: tuple[str, ...] = ()
    """What was understood and assumed, a sentence each: a `Warn` where it was guessed."""
    fill: FillSource | None = None
    kind: str = "raster"
    """What it was recognised as, in words."""
    taken: str = ""
    """Time of acquisition, ISO 8601; empty where unknown."""
    item: str = ""
    """Path or URL of the STAC item it was read from; empty where it was none."""
    left_out: tuple[str, ...] = ()
    """Bands of its files that are not read, and why, a sentence each."""
