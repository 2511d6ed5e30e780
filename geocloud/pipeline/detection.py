"""The options of a detection, its result, and the tags of its outputs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio

from geocloud.calibration import Calibration, Probability, ThresholdRule
from geocloud.classes import COUNTED, EncodingName, wanted_classes
from geocloud.errors import InputError, OutputError, UsageError
from geocloud.geometry.shapes import Outline
from geocloud.models.registry import DEFAULT_MODEL
from geocloud.pipeline.outputs import OUTPUTS
from geocloud.raster import NODATA
from geocloud.readers import SceneOptions
from geocloud.readers.area import AREA_TAG, AreaSource, Box, area_text
from geocloud.readers.bands.spec import Radiometry
from geocloud.readers.masks import MaskFile
from geocloud.readers.reader import SceneReader, whole_of
from geocloud.scorers.card import Precision
from geocloud.scorers.contract import Scorer
from geocloud.version import __version__
from geocloud.writers.vectors import VectorFormat

if TYPE_CHECKING:
    import geopandas
    import xarray

MAX_DILATE = 500
"""Pixels; a mask grown further no longer follows the clouds."""


@dataclass(frozen=True, slots=True)
class DetectOptions:
    """How to detect clouds; every option has a default."""

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
    """Square metres (geodesic): smaller clouds become clear, in the mask and in the polygons."""
    polygons: VectorFormat = "geojson"
    """Format of the polygons file, or `none`."""
    outline: Outline = "pixel"
    """Outline of the polygons. `pixel`: along pixel edges, equal to the mask. `smooth`: where P(cloud), interpolated
    between pixel centres, crosses one half."""
    pixel_polygons: bool = False
    """Write polygons in pixel coordinates where a scene has no georeference."""
    score: bool = False
    """Write a raster of P(cloud)."""
    class_scores: bool = False
    """Write a raster with the probability of each class that the model can detect, one band per class, clear first."""
    uncertainty: bool = False
    """Write a raster with the standard deviation of P(cloud) over four views of the scene: as it is, and mirrored
    horizontally, vertically and both ways. Needs a model that sees a pixel's surroundings; takes four times as long."""
    quicklook: bool = False
    """Write a PNG of scene and mask side by side."""
    stac: bool = False
    """Write a STAC item beside the mask."""
    encoding: EncodingName = "geocloud"
    """Codes of the mask: geocloud's own, Sentinel-2's SCL or Landsat's QA_PIXEL."""
    dilate: int = 0
    """Pixels by which clouds grow, in mask, polygons and cloud cover; `min_area` is then that of the grown clouds."""
    resolution: float | None = None
    """Metres: score the scene as if its pixels were this large; outputs stay on its own grid. None: the size that the
    model's card gives as good enough (`min_resolution`)."""
    classes: str | tuple[str, ...] = ("cloud",)
    """Classes of the mask besides clear: keys of `CLASSES`, or one text such as "cloud,thin,shadow". Classes other than
    cloud need a model that detects them."""
    clear_sky: bool = False
    """Write a raster with the model's estimate of the ground without cloud; needs a model that unmixes."""
    overwrite: bool = False
    """Replace existing outputs; otherwise they are kept."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `mps`."""
    precision: Precision = "auto"
    """`fp32`, `bf16`, or `auto`: bf16 where the model's card allows it and the machine has instructions for it."""
    threads: int | None = None
    """Scoring threads; None: one per core."""

    @property
    def has_maps(self) -> bool:
        """Whether the model must compute more than the score."""
        return any((self.clear_sky, self.class_scores, self.uncertainty)) or len(wanted_classes(self.classes)) > 1

    def __post_init__(self) -> None:
        """Refuse values out of range, unknown classes and contradicting options with a UsageError."""
        classes = wanted_classes(self.classes)
        if self.min_area < 0 or not np.isfinite(self.min_area):
            raise UsageError(f"min_area {self.min_area} must be 0 or more square metres")
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"threads {self.threads} must be 1 or more")
        if not 0 <= self.dilate <= MAX_DILATE:
            raise UsageError(f"dilate {self.dilate} must be 0 to {MAX_DILATE} pixels")
        if self.resolution is not None and not 0 < self.resolution < float("inf"):
            raise UsageError(f"resolution {self.resolution} must be more than 0 metres")
        if self.outline == "smooth" and len(classes) > 1:
            raise UsageError(
                f"smooth outlines are drawn of cloud only, not of {', '.join(classes)}; leave out --outline smooth, "
                "or the other classes"
            )
        if self.aoi is not None and self.bounds is not None:
            raise UsageError("--aoi and --bounds are two ways to give an area; give one of them")
        if self.bounds is not None:
            area_text(None, self.bounds)  # refuses a box that is none


def choose_threshold(scorer: Scorer, threshold: float | str | Probability | None) -> Calibration:
    """The scorer's calibration at the user's threshold; see `DetectOptions.threshold`.

    Raises:
        UsageError: the card has no such rule, or the number is not finite.
    """
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


@dataclass(frozen=True, slots=True)
class Detection:
    """The result of detecting clouds in one scene."""

    scene: str
    """The source as the user named it."""
    files: Mapping[str, Path]
    """What was written, by key: `mask`, a COG of 0 clear, 1 cloud, 255 nodata, and further codes if classes were asked
    for; its sidecars `classes` and `style`; and those asked for of `polygons`, `score`, `class_scores`, `uncertainty`,
    `clear_sky`, `quicklook`, `stac`."""
    cloud_cover: float
    """Percent of the valid pixels that are cloud, thick or thin; NaN if no pixel is valid."""
    polygon_count: int | None
    """None if no polygons were made."""
    model: str
    threshold: float
    """In the model's raw unit."""
    rule: str
    """How the threshold was chosen."""
    seconds: float
    notes: tuple[str, ...] = ()
    """What had to be assumed, and warnings."""
    class_cover: dict[str, float] | None = None
    """Percent of the valid pixels by class; None if no further classes were asked for."""
    unfamiliar: float | None = None
    """Percent of the pixels whose colours are unlike the training data, among the clear or among the cloudy ones,
    whichever is higher; None if the model's card has no such data."""
    unlike_training_data: bool = False
    """True if the scene is unlike the training data of the model; the notes say how."""
    kept: bool = False
    """True if the outputs existed already and were left as they are."""

    @property
    def mask_path(self) -> Path:
        """Path of the mask, which is always written."""
        return self.files["mask"]

    @property
    def polygons(self) -> geopandas.GeoDataFrame:
        """The clouds, read from the polygons file at each access; OutputError if none was written."""
        if "polygons" not in self.files:
            raise OutputError(f"no polygons were written for {self.scene}; ask for a polygon format")
        import geopandas

        path = self.files["polygons"]
        return geopandas.read_parquet(path) if path.suffix == ".parquet" else geopandas.read_file(path)

    def to_xarray(self) -> xarray.DataArray:
        """The mask as (y, x) uint8; coordinates are pixel centres, the CRS is the attribute `crs_wkt`."""
        import xarray

        with rasterio.open(self.mask_path) as dataset:
            rows, cols = np.arange(dataset.height) + 0.5, np.arange(dataset.width) + 0.5
            transform = dataset.transform
            coords = {}
            if transform.is_rectilinear:
                coords = {"y": transform.f + rows * transform.e, "x": transform.c + cols * transform.a}
            attrs = {
                "crs_wkt": dataset.crs.to_wkt() if dataset.crs else "",
                "transform": list(transform)[:6],
                "_FillValue": NODATA,
                **dataset.tags(),
            }
            return xarray.DataArray(dataset.read(1), coords, ("y", "x"), name="cloudmask", attrs=attrs)

    def summary(self) -> dict[str, Any]:
        """JSON values, as the command line prints them."""
        return {
            "scene": self.scene,
            **{kind.key: self.files.get(kind.key) for kind in OUTPUTS},
            "cloud_percent": None if np.isnan(self.cloud_cover) else round(self.cloud_cover, 3),
            "class_percent": self.class_cover,
            "polygon_count": self.polygon_count,
            "unfamiliar_percent": self.unfamiliar,
            "unlike_training_data": self.unlike_training_data,
            "model": self.model,
            "threshold": self.threshold,
            "threshold_rule": self.rule,
            "seconds": round(self.seconds, 2),
            "kept": self.kept,
            "notes": self.notes,
        }


def read_detection(paths: Mapping[str, Path]) -> Detection:
    """The detection whose outputs exist already, its cover counted from the mask; OutputError if that is no mask."""
    try:
        with MaskFile(paths["mask"]) as mask:
            tags, valid, cloud = mask.tags, 0, 0
            for _, rows in mask.strips():
                valid += int((rows != NODATA).sum())
                cloud += int(np.isin(rows, COUNTED).sum())
    except InputError as error:
        raise OutputError(f"{paths['mask']} exists but is no mask ({error}); pass --overwrite to replace it") from error
    return Detection(
        scene=tags.get("GEOCLOUD_SOURCE", ""),
        files={key: path for key, path in paths.items() if path.exists()},
        cloud_cover=100 * cloud / valid if valid else float("nan"),
        polygon_count=None,
        model=tags.get("GEOCLOUD_MODEL", ""),
        threshold=float(tags.get("GEOCLOUD_THRESHOLD", "nan")),
        rule=tags.get("GEOCLOUD_THRESHOLD_RULE", ""),
        seconds=0.0,
        kept=True,
    )


def provenance(scene: SceneReader, scorer: Scorer, calibration: Calibration) -> dict[str, str]:
    """Tags of every output: model, threshold, bands and source."""
    described = scene.describe()["bands"]
    bands = scorer.choose_bands(scene.bands)
    return {
        "GEOCLOUD_VERSION": __version__,
        "GEOCLOUD_MODEL": scorer.card.name,
        "GEOCLOUD_MODEL_SHA256": scorer.card.sha256,
        "GEOCLOUD_THRESHOLD": repr(float(calibration.threshold)),
        "GEOCLOUD_THRESHOLD_RULE": str(calibration.rule),
        "GEOCLOUD_BANDS": ",".join(bands),
        "GEOCLOUD_REFLECTANCE": "; ".join(
            f"{band} = {Radiometry(described[band]['scale'], described[band]['offset']).written(8)}" for band in bands
        ),
        "GEOCLOUD_SOURCE": scene.source,
    }


def run_tags(scene: SceneReader, scorer: Scorer, options: DetectOptions) -> dict[str, str]:
    """Tags of a run's outputs: provenance, and each option that changes the mask and is not at its default."""
    tags = provenance(scene, scorer, choose_threshold(scorer, options.threshold))
    classes, reading, area = wanted_classes(options.classes), options.scene, whole_of(scene)[1]
    changed = {
        "GEOCLOUD_CLASSES": ",".join(classes) if len(classes) > 1 else "",
        "GEOCLOUD_BANDS_GIVEN": ",".join(f"{band}={place}" for band, place in sorted(reading.bands.items())),
        "GEOCLOUD_NODATA": "" if reading.nodata is None else f"{reading.nodata:g}",
        AREA_TAG: area.text if area else "",
        "GEOCLOUD_TIME": reading.time or "",
        "GEOCLOUD_DILATE": f"{options.dilate}" if options.dilate else "",
        "GEOCLOUD_MIN_AREA": f"{options.min_area:g}" if options.min_area else "",
        "GEOCLOUD_OUTLINE": "" if options.outline == "pixel" else options.outline,
        "GEOCLOUD_RESOLUTION": f"{options.resolution:g}" if options.resolution else "",
    }
    return tags | {key: text for key, text in changed.items() if text}
