"""Detect: a scene in, a georeferenced cloud mask and polygons out."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import numpy as np

from geocloud.calibration import Calibration, Probability, ThresholdRule
from geocloud.classes import EncodingName, wanted_classes
from geocloud.errors import UsageError
from geocloud.geometry.shapes import Outline
from geocloud.models.registry import DEFAULT_MODEL
from geocloud.readers import SceneOptions
from geocloud.readers.area import AreaSource, Box, area_text
from geocloud.scorers.card import Precision
from geocloud.scorers.contract import Scorer
from geocloud.writers.vectors import VectorFormat

MAX_DILATE = 500
"""Pixels; beyond that a mask says nothing."""


@dataclass(frozen=True, slots=True)
class DetectOptions:
    """How to detect; the defaults need nothing."""

    model: str | os.PathLike[str] = DEFAULT_MODEL
    """Name of a model, a model folder, or an ONNX file with its card beside it."""
    scene: SceneOptions = field(default_factory=SceneOptions)
    """Bands, scale and offset where the scene does not say."""
    aoi: AreaSource | None = None
    """Area to mask: a vector file, a frame of polygons, or (west, south, east, north) in degrees; pixels outside it are
    nodata, and only what it needs is read. None: the whole scene."""
    bounds: Box | None = None
    """The same as (west, south, east, north) in the scene's own CRS."""
    threshold: float | str | Probability | None = None
    """Raw score in the model's unit, the name of a rule in its card, or a `Probability`; None: the card's own."""
    min_area: float = 0.0
    """Clouds smaller than this many m² (geodesic) are left out of mask and polygons alike."""
    polygons: VectorFormat = "geojson"
    """Format of the polygons file, or `none`."""
    outline: Outline = "pixel"
    """Of the polygons: along the pixels' edges, equal to the mask, or `smooth`, where P(cloud) crosses one half between
    the pixels' centres."""
    pixel_polygons: bool = False
    """Write polygons in pixel coordinates where a scene has no georeference."""
    score: bool = False
    """Write P(cloud) as a raster too."""
    quicklook: bool = False
    """Write a PNG of scene and mask side by side too."""
    stac: bool = False
    """Write a STAC item beside the mask too."""
    encoding: EncodingName = "geocloud"
    """Codes of the mask: geocloud's own, Sentinel-2's SCL or Landsat's QA_PIXEL."""
    dilate: int = 0
    """Pixels by which clouds grow, in mask, polygons and cloud cover alike; min_area then means the grown clouds."""
    resolution: float | None = None
    """Metres: score the scene as if its pixels were this large; outputs stay on its own grid. None: as large as the
    model's card says that nothing is lost by."""
    classes: tuple[str, ...] = ("cloud",)
    """Classes of the mask besides clear, by their keys in `CLASSES`: all but cloud need a model that unmixes."""
    clear_sky: bool = False
    """Write the cloud-free estimate of a model that unmixes too."""
    overwrite: bool = False
    """Replace outputs that exist; otherwise they are kept."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `mps`."""
    precision: Precision = "auto"
    """`fp32`, `bf16`, or `auto`: bf16 where the model's card allows it and the machine has instructions for it."""
    threads: int | None = None
    """Scoring threads; None: one per core."""

    @property
    def has_maps(self) -> bool:
        """Whether more than the score is drawn from the model."""
        return self.clear_sky or len(wanted_classes(self.classes)) > 1

    def __post_init__(self) -> None:
        """Numbers and names a user can mistype."""
        if self.min_area < 0 or not np.isfinite(self.min_area):
            raise UsageError(f"min_area {self.min_area} must be 0 or more square metres")
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"threads {self.threads} must be 1 or more")
        if not 0 <= self.dilate <= MAX_DILATE:
            raise UsageError(f"dilate {self.dilate} must be 0 to {MAX_DILATE} pixels")
        if self.resolution is not None and not 0 < self.resolution < float("inf"):
            raise UsageError(f"resolution {self.resolution} must be more than 0 metres")
        if self.outline == "smooth" and len(wanted_classes(self.classes)) > 1:
            raise UsageError("smooth outlines are of cloud alone; leave out --outline smooth, or further classes")
        wanted_classes(self.classes)
        if self.aoi is not None and self.bounds is not None:
            raise UsageError("--aoi and --bounds are two ways to give an area; give one of them")
        if self.bounds is not None:
            area_text(None, self.bounds)


def choose_threshold(scorer: Scorer, threshold: float | str | Probability | None) -> Calibration:
    """The scorer's calibration at the user's threshold; UsageError for a rule its card does not know."""
    if threshold is None:
        return scorer.card.calibration
    if isinstance(threshold, Probability):
        return scorer.card.calibration.at_probability(threshold)
    if isinstance(threshold, str):
        try:
            return scorer.card.calibration.by_rule(threshold)
        except KeyError as error:
            rules = ", ".join(
                dict.fromkeys((scorer.card.calibration.rule.name, "paper", *dict(scorer.card.calibration.alternatives)))
            )
            raise UsageError(
                f"threshold rule {threshold!r} is not in the card of {scorer.card.name}, which has {rules}; "
                "give a number or calibrate the model"
            ) from error
    if not np.isfinite(threshold):
        raise UsageError(f"threshold {threshold} must be a finite number")
    return scorer.card.calibration.at(threshold, ThresholdRule("given"))
