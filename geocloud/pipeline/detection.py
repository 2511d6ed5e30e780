"""What a detection leaves on disk: its tags, and the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio

from geocloud.calibration import Calibration
from geocloud.classes import COUNTED, wanted_classes
from geocloud.errors import InputError, OutputError
from geocloud.pipeline.options import DetectOptions, choose_threshold
from geocloud.pipeline.outputs import OUTPUTS
from geocloud.raster import NODATA
from geocloud.readers.area import AREA_TAG
from geocloud.readers.masks import MaskFile
from geocloud.readers.reader import SceneReader, whole_of
from geocloud.scorers.contract import Scorer
from geocloud.version import __version__

if TYPE_CHECKING:
    import geopandas
    import xarray


@dataclass(frozen=True, slots=True)
class Detection:
    """The result for one scene."""

    scene: str
    """The source as the user named it."""
    files: Mapping[str, Path]
    """What was written: `mask`, a COG of 0 clear, 1 cloud, 255 nodata, and further codes where classes were asked for,
    with its sidecars `classes` and `style`; and as asked for `polygons`, `score`, `clear_sky`, `quicklook`, `stac`."""
    cloud_cover: float
    """Percent of the valid pixels that are cloud, thick or thin; NaN where there are none."""
    polygon_count: int | None
    """None where no polygons were made."""
    model: str
    threshold: float
    """In the model's raw unit."""
    rule: str
    """How the threshold was chosen."""
    seconds: float
    notes: tuple[str, ...] = ()
    """What had to be assumed."""
    class_cover: dict[str, float] | None = None
    """Percent of the valid pixels by class; None where no further classes were asked for."""
    unfamiliar: float | None = None
    """Percent of unfamiliar pixels among the clear or the cloudy ones; None where the model's card does not say."""
    unlike_training_data: bool = False
    """True where the scene is unlike what the model has seen: the notes say how."""
    kept: bool = False
    """True where the outputs existed and were left as they are."""

    @property
    def mask_path(self) -> Path:
        """The mask, which is always written."""
        return self.files["mask"]

    @property
    def polygons(self) -> geopandas.GeoDataFrame:
        """The clouds, read from the polygons file when asked for; OutputError where none was written."""
        if "polygons" not in self.files:
            raise OutputError(f"no polygons were written for {self.scene}; ask for a polygon format")
        import geopandas

        path = self.files["polygons"]
        return geopandas.read_parquet(path) if path.suffix == ".parquet" else geopandas.read_file(path)

    def to_xarray(self) -> xarray.DataArray:
        """The mask as (y, x) uint8 at pixel centres; its CRS stands in the attributes as `crs_wkt`."""
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
    """The detection whose outputs exist already, counted from its mask; OutputError where that is no mask."""
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
    """Tags every output carries: which model at which threshold, from which bands of which source."""
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
            f"{band} = DN * {described[band]['scale']:.8g} + {described[band]['offset']:.8g}" for band in bands
        ),
        "GEOCLOUD_SOURCE": scene.source,
    }


def run_tags(scene: SceneReader, scorer: Scorer, options: DetectOptions) -> dict[str, str]:
    """Tags of a run's outputs: provenance, and each option that changes the mask and is not at its default."""
    tags = provenance(scene, scorer, choose_threshold(scorer, options.threshold))
    classes, given, area = wanted_classes(options.classes), options.scene, whole_of(scene)[1]
    changed = {
        "GEOCLOUD_CLASSES": ",".join(classes) if len(classes) > 1 else "",
        "GEOCLOUD_BANDS_GIVEN": ",".join(f"{band}={place}" for band, place in sorted(given.bands.items())),
        "GEOCLOUD_NODATA": "" if given.nodata is None else f"{given.nodata:g}",
        AREA_TAG: area.text if area else "",
        "GEOCLOUD_TIME": given.time or "",
        "GEOCLOUD_DILATE": f"{options.dilate}" if options.dilate else "",
        "GEOCLOUD_MIN_AREA": f"{options.min_area:g}" if options.min_area else "",
        "GEOCLOUD_OUTLINE": "" if options.outline == "pixel" else options.outline,
        "GEOCLOUD_RESOLUTION": f"{options.resolution:g}" if options.resolution else "",
    }
    return tags | {key: text for key, text in changed.items() if text}
