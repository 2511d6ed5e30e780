"""What a detection left on disk, and where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import rasterio

from geocloud.classes import COUNTED
from geocloud.errors import InputError, OutputError
from geocloud.raster import NODATA
from geocloud.readers.masks import MaskFile

if TYPE_CHECKING:
    import geopandas
    import xarray


MASK_SUFFIX = "_cloudmask"
"""What a mask's stem has after the scene's."""


class _Wishes(Protocol):
    """The part of the options that decides which files are written."""

    @property
    def polygons(self) -> str: ...
    @property
    def score(self) -> bool: ...
    @property
    def quicklook(self) -> bool: ...
    @property
    def stac(self) -> bool: ...
    @property
    def clear_sky(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class OutputPaths:
    """Where a scene's outputs go."""

    mask: Path
    polygons: Path
    score: Path | None = None
    quicklook: Path | None = None
    item: Path | None = None
    clear_sky: Path | None = None

    @classmethod
    def in_folder(cls, folder: Path, stem: str, wishes: _Wishes) -> OutputPaths:
        """STEM_cloudmask.tif, _clouds.*, _cloudscore.tif, _quicklook.png, _cloudmask.json, _clearsky.tif in it."""
        suffix = "geojson" if wishes.polygons == "none" else wishes.polygons
        return cls(
            folder / f"{stem}{MASK_SUFFIX}.tif",
            folder / f"{stem}_clouds.{suffix}",
            folder / f"{stem}_cloudscore.tif" if wishes.score else None,
            folder / f"{stem}_quicklook.png" if wishes.quicklook else None,
            folder / f"{stem}{MASK_SUFFIX}.json" if wishes.stac else None,
            folder / f"{stem}_clearsky.tif" if wishes.clear_sky else None,
        )

    @property
    def attribute_table(self) -> Path:
        """GDAL's sidecar of the mask with class names."""
        return self.mask.with_name(self.mask.name + ".aux.xml")

    @property
    def style(self) -> Path:
        """QGIS's sidecar of the mask."""
        return self.mask.with_suffix(".qml")


@dataclass(frozen=True, slots=True)
class Detection:
    """The result for one scene."""

    scene: str
    """The source as the user named it."""
    mask_path: Path
    """uint8 COG: 0 clear, 1 cloud, 255 nodata; 2 to 5 where more classes were asked for."""
    polygons_path: Path | None
    score_path: Path | None
    quicklook_path: Path | None
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
    item_path: Path | None = None
    """The STAC item beside the mask; None where none was asked for."""
    clear_sky_path: Path | None = None
    """The cloud-free estimate; None where none was asked for."""
    class_cover: dict[str, float] | None = None
    """Percent of the valid pixels by class; None where no further classes were asked for."""
    unfamiliar: float | None = None
    """Percent of unfamiliar pixels among the clear or the cloudy ones; None where the model's card cannot tell."""
    unlike_training_data: bool = False
    """True where the scene is unlike what the model has seen: the notes say how."""
    kept: bool = False
    """True where the outputs existed and were left as they are."""

    @property
    def polygons(self) -> geopandas.GeoDataFrame:
        """The clouds, read from the polygons file when asked for; OutputError where none was written."""
        if self.polygons_path is None:
            raise OutputError(f"no polygons were written for {self.scene}; ask for a polygon format")
        import geopandas

        if self.polygons_path.suffix == ".parquet":
            return geopandas.read_parquet(self.polygons_path)
        return geopandas.read_file(self.polygons_path)

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
            "mask": self.mask_path,
            "polygons": self.polygons_path,
            "score": self.score_path,
            "quicklook": self.quicklook_path,
            "stac": self.item_path,
            "clear_sky": self.clear_sky_path,
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


def read_detection(paths: OutputPaths) -> Detection:
    """The detection whose outputs already stand there, counted from its mask; OutputError where that is no mask."""
    try:
        with MaskFile(paths.mask) as mask:
            tags, valid, cloud = mask.tags, 0, 0
            for _, rows in mask.strips():
                valid += int((rows != NODATA).sum())
                cloud += int(np.isin(rows, COUNTED).sum())
    except InputError as error:
        raise OutputError(f"{paths.mask} exists but is no mask ({error}); pass --overwrite to replace it") from error
    return Detection(
        scene=tags.get("GEOCLOUD_SOURCE", ""),
        mask_path=paths.mask,
        polygons_path=paths.polygons if paths.polygons.exists() else None,
        score_path=paths.score if paths.score is not None and paths.score.exists() else None,
        quicklook_path=paths.quicklook if paths.quicklook is not None and paths.quicklook.exists() else None,
        cloud_cover=100 * cloud / valid if valid else float("nan"),
        polygon_count=None,
        model=tags.get("GEOCLOUD_MODEL", ""),
        threshold=float(tags.get("GEOCLOUD_THRESHOLD", "nan")),
        rule=tags.get("GEOCLOUD_THRESHOLD_RULE", ""),
        seconds=0.0,
        item_path=paths.item if paths.item is not None and paths.item.exists() else None,
        clear_sky_path=paths.clear_sky if paths.clear_sky is not None and paths.clear_sky.exists() else None,
        kept=True,
    )
