"""What a caller says of an array and wants of it, and the array's place: for all that is made of arrays."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from geocloud.classes import ENCODINGS
from geocloud.lazy.chunks import BlockPlan, LazyResult
from geocloud.pipeline.detection import choose_threshold
from geocloud.pipeline.tiling import aggregation_factor, scored_grid
from geocloud.raster import NODATA, Georef
from geocloud.readers.area import Area, AreaSource, Box, find_area
from geocloud.readers.reader import SceneOptions
from geocloud.readers.scenes.xarray_grid import plane_of
from geocloud.scorers.card import Precision
from geocloud.scorers.contract import Scorer
from geocloud.version import __version__

if TYPE_CHECKING:
    import xarray

    Array = xarray.DataArray | xarray.Dataset
GivenBands = Sequence[str] | Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Given:
    """What the caller says of an array."""

    bands: GivenBands | None
    scale: float | None
    offset: float | None
    nodata: float | None
    whole: str = ""
    """Dask's token of the whole array, all its dates together, by which notes on it are told once; else empty."""

    def of(self, array: Any) -> Given:  # noqa: ANN401 - of any kind
        """The same with the token of this array if it is Dask's and none is set."""
        if self.whole or not getattr(array, "chunks", None):
            return self
        from dask.base import tokenize

        return replace(self, whole=tokenize(array))

    def options(self) -> SceneOptions:
        """Bands by number from 1."""
        numbers = self.bands or {}
        if not isinstance(numbers, Mapping):
            numbers = {name: number for number, name in enumerate(numbers, start=1)}
        return SceneOptions(bands=numbers, scale=self.scale, offset=self.offset, nodata=self.nodata)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be made of it."""

    model: str
    threshold: float | str | None
    precision: Precision
    product: LazyResult
    aoi: AreaSource | None
    bounds: Box | None

    def area(self, georef: Georef) -> Area | None:
        """The area of interest in an array; None: all of it."""
        whole = self.aoi is None and self.bounds is None
        return None if whole else find_area(self.aoi, self.bounds, georef, "the array")


def from_north(array: Array, work: Callable[[Array], xarray.DataArray]) -> xarray.DataArray:
    """The product of a scene, or of several dates, which is made from the north whichever way its rows run."""
    y, _ = plane_of(array)
    if y not in array.coords:  # xarray makes one up, counted from 0
        return work(array)
    rows = array.coords[y]
    if rows.ndim != 1 or len(rows) < 2 or not rows[0] < rows[-1]:
        return work(array)
    back = {y: slice(None, None, -1)}
    return work(array.isel(back)).isel(back)


def plan_blocks(georef: Georef, scorer: Scorer, bands: tuple[str, ...], wanted: Wanted) -> BlockPlan:
    """How the chunks of an array of these bands are scored."""
    factor = aggregation_factor(georef, scorer)
    grid = scored_grid(georef, factor, scorer.card.block)
    return BlockPlan(
        grid, factor, scorer.card.halo, scorer.choose_bands(bands), wanted.model, wanted.precision, wanted.threshold,
        wanted.product,
    )  # fmt: skip


def attributes(first: xarray.DataArray, wanted: Wanted, scorer: Scorer) -> dict[str, Any]:
    """Of a product of an array; `first` is a layer of it."""
    product = wanted.product
    return {
        "long_name": "cloud mask" if product in ENCODINGS else "P(cloud)" if product == "probability" else "score",
        **({"_FillValue": fill(product)} if product in ENCODINGS else {}),
        **({"grid_mapping": first.attrs["grid_mapping"]} if "grid_mapping" in first.attrs else {}),
        "GEOCLOUD_VERSION": __version__,
        "GEOCLOUD_MODEL": scorer.card.name,
        "GEOCLOUD_THRESHOLD": float(choose_threshold(scorer, wanted.threshold).threshold),
    }


def fill(product: LazyResult) -> int:
    """The code of nodata in a mask."""
    return NODATA if product == "geocloud" else ENCODINGS[product].nodata  # type: ignore[index]


def coords_of(array: Array, layer: xarray.DataArray, plane: tuple[Hashable, Hashable]) -> dict[Hashable, Any]:
    """A band's coordinates but for those that tell bands apart."""
    return {
        name: values
        for name, values in layer.coords.items()
        if set(values.dims) <= set(plane) and (name not in array.coords or array.coords[name].ndim == values.ndim)
    }
