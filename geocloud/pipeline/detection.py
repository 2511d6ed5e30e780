"""What a detection leaves on disk: whether it may be written there, what stands there already, and the result."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio

from geocloud.calibration import Calibration
from geocloud.classes import COUNTED, TAG, wanted_classes
from geocloud.errors import InputError, ModelError, OutputError, UsageError
from geocloud.models.registry import model_folder
from geocloud.pipeline.options import DetectOptions, choose_threshold
from geocloud.pipeline.outputs import MASK_SUFFIX, OUTPUTS
from geocloud.raster import NODATA
from geocloud.readers.dispatch import protected_files
from geocloud.readers.masks import MaskFile
from geocloud.readers.reader import SceneReader
from geocloud.scorers.baselines import BASELINES
from geocloud.scorers.contract import Scorer
from geocloud.version import __version__
from geocloud.writers.output_check import check_outputs, has_tags
from geocloud.writers.vectors import VECTOR_SUFFIXES

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


def output_files(scene: SceneReader, options: DetectOptions, paths: Mapping[str, Path]) -> list[Path]:
    """Every file that a run of a scene writes, the mask first, sidecars behind it."""
    kinds = [kind for kind in OUTPUTS if kind.key in paths and kind.key != "mask" and kind.possible(scene, options)]
    return [*mask_files(paths), *(paths[kind.key] for kind in kinds)]


def mask_files(paths: Mapping[str, Path]) -> tuple[Path, Path, Path]:
    """The mask and its sidecars."""
    mask = paths["mask"]
    return mask, mask.with_name(f"{mask.name}.aux.xml"), mask.with_suffix(".qml")


def earlier_products(mask: Path) -> list[Path]:
    """What runs of a scene left beside its mask, under the names that runs give: files that hold geocloud's tags."""
    stem = mask.stem.removesuffix(MASK_SUFFIX)
    names = [name for kind in OUTPUTS for name in kind.names(stem)] if stem != mask.stem else []
    names += [f"{mask.stem}{suffix}" for suffix in (".json", *VECTOR_SUFFIXES)]  # beside a mask whose path was given
    paths = [mask.with_name(name) for name in dict.fromkeys(names)]
    return [path for path in paths if path != mask and has_tags(path)]


def check_places(scene: SceneReader, options: DetectOptions, outputs: list[Path]) -> None:
    """UsageError where an output is a file of the scene or of the model, or two outputs are one; see check_outputs."""
    described = scene.describe().get("bands") or {}
    inputs = [str(band["file"]) for band in described.values() if isinstance(band, Mapping) and band.get("file")]
    if scene.source:
        inputs += protected_files(scene.source)
    model = os.fspath(options.model)
    if model not in BASELINES:
        with suppress(ModelError, OSError):
            inputs += [str(path) for path in model_folder(model).iterdir()]
    check_outputs(outputs, inputs, overwrite=True)


_SAME = {
    "GEOCLOUD_MODEL": "model",
    "GEOCLOUD_MODEL_SHA256": "weights",
    "GEOCLOUD_THRESHOLD": "threshold",
    "GEOCLOUD_CLASSES": "classes",
    TAG: "encoding",
}
"""Tags in which a mask that is kept must be as asked for, and what they tell."""


def existing_detection(
    scene: SceneReader, scorer: Scorer, options: DetectOptions, paths: Mapping[str, Path]
) -> Detection | None:
    """The detection that stands where it is asked for already, whole and as asked for; None where it is to be made.

    Raises:
        UsageError: an output is an input or another output; or, without `overwrite`, some outputs exist and others do
            not, or they are of another model, threshold, classes or encoding.
        OutputError: what stands in the mask's place is no mask.
    """
    wanted = output_files(scene, options, paths)
    check_places(scene, options, wanted)
    there = [path for path in wanted if os.path.lexists(path)]
    if options.overwrite or not there:
        return None
    missing = [path for path in wanted if path not in there]
    if missing:
        raise UsageError(
            f"{there[0]} exists and {missing[0]} does not; pass --overwrite to make all anew, or choose another folder"
        )
    kept = read_detection(paths)
    with MaskFile(paths["mask"]) as mask:
        tags = mask.tags
    expected = provenance(scene, scorer, choose_threshold(scorer, options.threshold))
    classes = wanted_classes(options.classes)
    expected |= {"GEOCLOUD_CLASSES": ",".join(classes)} if len(classes) > 1 else {}
    expected |= {TAG: options.encoding} if options.encoding != "geocloud" else {}
    differs = [
        f"{what} {tags.get(key) or 'none'} instead of {expected.get(key) or 'none'}"
        for key, what in _SAME.items()
        if tags.get(key, "") != expected.get(key, "")
    ]
    if differs:
        raise UsageError(
            f"{paths['mask']} exists with {', '.join(differs)}; pass --overwrite, or choose another folder"
        )
    return kept
