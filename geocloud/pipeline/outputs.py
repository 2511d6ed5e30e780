"""The files that a run writes, one class per output.

To add an output, write a class here, list it in OUTPUTS, and add an option named by its key to DetectOptions. Paths,
command line, summary, STAC item and manifest follow from the class.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from geocloud.classes import CODES, ENCODINGS, classes_of, written_classes
from geocloud.geometry.polygons import to_tables
from geocloud.pipeline.layers import CODE, SHARES, SURFACE, UNCERTAINTY, Extent
from geocloud.pipeline.mask import read_every, write_encoded
from geocloud.pipeline.preview import Preview, write_side_by_side
from geocloud.pipeline.scoring import ScoredRows
from geocloud.pipeline.tiling import Segment
from geocloud.raster import CLEAR, NODATA
from geocloud.readers.reader import SceneReader, own_georef
from geocloud.scorers.contract import detectable_classes
from geocloud.writers import cog
from geocloud.writers.stac import COG, MEDIA_TYPES, Asset, ItemRecord, require_pystac, seen_from, write_item
from geocloud.writers.vectors import VECTOR_SUFFIXES, write_polygons

if TYPE_CHECKING:
    from geocloud.pipeline.detection import DetectOptions
    from geocloud.pipeline.run import Run

MASK_SUFFIX = "_cloudmask"
"""Follows the scene's name in the name of its mask."""


class Output:
    """A file that a run writes: it is given segments and rows, and at the end writes a staged file."""

    key: ClassVar[str]
    """Its name in paths, summaries, manifests and STAC items, and that of the option which asks for it."""
    suffix: ClassVar[str]
    """Follows the scene's name in the file name."""
    title: ClassVar[str]
    media_type: ClassVar[str] = COG
    roles: ClassVar[tuple[str, ...]] = ("data",)
    help: ClassVar[str] = ""
    """Help of its flag on the command line; empty: it has no flag."""
    word: ClassVar[str] = ""
    """Value of `--score` that asks for it; empty: it has a flag of its own, named by its key."""
    layer: ClassVar[str] = ""
    """The further map that it writes; empty: none."""
    extent: ClassVar[Extent] = "none"
    """Where it needs P(cloud)."""
    takes_margin: ClassVar[bool] = False
    """Whether it is given the rows of the margin around an area too; other outputs get only the area's rows."""
    turn: ClassVar[Literal["main", "beside", "last"]] = "main"
    """When it is finished: `main` in order, `beside` meanwhile on another thread, `last` after all others."""

    def __init__(self, run: Run, path: Path) -> None:
        """Prepare to write the file, which will appear at `path`."""
        self.run, self.path = run, path

    @classmethod
    def file_name(cls, stem: str, options: DetectOptions) -> str | None:
        """Name of the file of a scene; None if the options do not ask for it."""
        return f"{stem}{cls.suffix}" if getattr(options, cls.key) else None

    @classmethod
    def names(cls, stem: str) -> list[str]:
        """All names that this output of a scene can have."""
        return [f"{stem}{cls.suffix}"]

    @classmethod
    def possible(cls, scene: SceneReader, options: DetectOptions) -> bool:  # noqa: ARG003 - of those that ask
        """Whether it can be written for this scene."""
        return True

    @property
    def staged(self) -> Path:
        """Where to write it; all outputs are moved from there to their `path` together."""
        return self.run.staging.path(self.path)

    def see(self, segment: Segment) -> None:
        """Look at a segment as it is read; segments come in order."""

    def write(self, rows: ScoredRows) -> None:
        """Take the next rows; their score is P(cloud), see BatchLayers."""

    def finish(self) -> None:
        """Write the staged file."""

    def files(self) -> dict[str, Path]:
        """Key -> path of each file that it writes."""
        return {self.key: self.path}

    def asset(self) -> Asset:
        """Its entry in the STAC item."""
        return Asset(self.staged, self.path.name, self.title, self.media_type, self.roles)


class RasterOutput(Output):
    """A raster on the scene's grid: written row by row to a scratch file, then copied to a COG."""

    def __init__(self, run: Run, path: Path) -> None:
        """Create the scratch file."""
        super().__init__(run, path)
        scratch = run.staging.scratch(path, f"{self.key}.tif")
        self._writer = cog.RowWriter(scratch, run.scene.georef, self.format, run.tags)

    @property
    def format(self) -> cog.RasterFormat:
        """Type, nodata value and scale of the raster."""
        raise NotImplementedError

    @property
    def side(self) -> int:
        """Pixels along each side of the squares that have one value."""
        return self.run.score_side

    def finish(self) -> None:
        """Copy to a COG."""
        self._writer.close()
        self.run.write_cog(self._writer.path, self.staged, self.format, self.side)

    def asset(self) -> Asset:
        """The entry, with type, nodata and scale."""
        return Asset(self.staged, self.path.name, self.title, self.media_type, self.roles, self.format)


class Mask(Output):
    """The mask, with sidecars for class names and style."""

    key, suffix, title, roles = "mask", f"{MASK_SUFFIX}.tif", "Cloud mask", ("data", "cloud")
    takes_margin = True

    @classmethod
    def file_name(cls, stem: str, options: DetectOptions) -> str | None:  # noqa: ARG003 - it always is
        """Name of the mask, which is always written."""
        return f"{stem}{cls.suffix}"

    def write(self, rows: ScoredRows) -> None:
        """Write codes; a row of blocks that is wholly nodata comes without any."""
        codes = rows.further.get(CODE)
        if codes is None:
            codes = np.full(rows.score.shape, NODATA, dtype=np.uint8)
        codes[~rows.valid] = NODATA
        self.run.mask.write(rows.row, codes, rows.score)

    def finish(self) -> None:
        """Write the COG in the encoding that is asked for, and its sidecars."""
        mask, name = self.run.mask, self.run.options.encoding
        mask.close()
        written = mask.path
        if name != "geocloud":
            written = self.run.staging.scratch(self.path, "encoded.tif")
            write_encoded(mask.path, written, mask.georef, name)
        self.run.write_cog(written, self.staged, cog.MASK_FORMAT, mask.factor)
        files, values = self.files(), ENCODINGS[name].codes
        cog.write_attribute_table(self.run.staging.path(files["classes"]), mask.codes, values)
        cog.write_qgis_style(self.run.staging.path(files["style"]), mask.codes, values)

    def files(self) -> dict[str, Path]:
        """The mask, GDAL's sidecar with the class names, and QGIS's sidecar with the style."""
        table = self.path.with_name(self.path.name + ".aux.xml")
        return {self.key: self.path, "classes": table, "style": self.path.with_suffix(".qml")}

    def asset(self) -> Asset:
        """The entry, with the classes in the encoding of the file."""
        encoding = ENCODINGS[self.run.options.encoding]
        return Asset(
            self.staged, self.path.name, self.title, self.media_type, self.roles,
            cog.RasterFormat("MODE", "NO", encoding.dtype, encoding.nodata),
            written_classes(self.run.mask.codes, encoding.codes),
        )  # fmt: skip


class Score(RasterOutput):
    """P(cloud)."""

    key, suffix, title, extent, word = "score", "_cloudscore.tif", "P(cloud)", "all", "cloud"
    help = "P(cloud)"
    format = cog.SCORE_FORMAT

    def write(self, rows: ScoredRows) -> None:
        """Write P(cloud) as 0-250."""
        self._writer.write(rows.row, cog.quantise(rows.score))


class ClassScores(RasterOutput):
    """The probability of each class that the scorer detects, whatever classes the mask has."""

    key, suffix, layer, word = "class_scores", "_classscores.tif", SHARES, "classes"
    title = "Probability of each class"
    help = "the probability of each class that the model detects, one band per class"

    @property
    def format(self) -> cog.RasterFormat:
        """One band per class, clear first."""
        codes = (CLEAR, *(CODES[key] for key in detectable_classes(self.run.scorer)))
        return cog.class_score_product([entry.name for entry in classes_of(codes)])

    def write(self, rows: ScoredRows) -> None:
        """Write the shares; rows without any data have none."""
        if SHARES in rows.further:
            self._writer.write(rows.row, np.where(rows.valid, rows.further[SHARES], np.uint8(NODATA)))
        else:
            self._writer.write(rows.row, np.full((self.format.bands, *rows.score.shape), NODATA, np.uint8))


class Uncertainty(RasterOutput):
    """How far the scores of mirrored views of the scene lie apart."""

    key, suffix, layer = "uncertainty", "_uncertainty.tif", UNCERTAINTY
    title = "Standard deviation of P(cloud) over mirrored views"
    help = "Also write a raster with the spread of P(cloud) over mirrored views of the scene."
    format = cog.UNCERTAINTY_FORMAT

    def write(self, rows: ScoredRows) -> None:
        """Write the standard deviation, 0 to 0.5, as 0-250."""
        spread = rows.further.get(UNCERTAINTY)
        self._writer.write(
            rows.row, cog.quantise_spread(np.full_like(rows.score, np.nan) if spread is None else spread)
        )


class ClearSky(RasterOutput):
    """The model's estimate of the ground without cloud."""

    key, suffix, roles, layer = "clear_sky", "_clearsky.tif", ("data", "reflectance"), SURFACE
    title = "Estimate of the ground without cloud, reflectance"
    help = "Also write a raster with an estimate of the ground without cloud."

    @property
    def format(self) -> cog.RasterFormat:
        """One band for each band that the scorer takes."""
        return cog.clear_sky_product(self.run.bands)

    @property
    def side(self) -> int:
        """Pixels along each side of a square that was scored as one pixel; 1 if an area cuts through squares."""
        return self.run.factor if self.run.crop is None else 1

    def write(self, rows: ScoredRows) -> None:
        """Write the reflectance; rows without any data have none."""
        if SURFACE in rows.further:
            self._writer.write(rows.row, rows.further[SURFACE])


class Polygons(Output):
    """Clouds as polygons."""

    key, suffix, title, turn = "polygons", "_clouds", "Clouds as polygons", "beside"
    count: int | None = None
    """Number of polygons written; None before."""

    @classmethod
    def file_name(cls, stem: str, options: DetectOptions) -> str | None:
        """Name of the file, with the suffix of its format."""
        return None if options.polygons == "none" else f"{stem}{cls.suffix}.{options.polygons}"

    @classmethod
    def names(cls, stem: str) -> list[str]:
        """One name per format."""
        return [f"{stem}{cls.suffix}{suffix}" for suffix in VECTOR_SUFFIXES]

    @classmethod
    def possible(cls, scene: SceneReader, options: DetectOptions) -> bool:
        """Whether the scene is georeferenced, or polygons in pixel coordinates are wanted."""
        return scene.georef.located or options.pixel_polygons

    def finish(self) -> None:
        """Write the file in the format of its suffix."""
        shapes, scene = self.run.mask.shapes(), self.run.scene
        tables = partial(to_tables, shapes, scene.georef, scene.name)
        self.count = write_polygons(tables, self.staged, self.run.tags)

    def asset(self) -> Asset:
        """The entry, with the media type of the format."""
        kind = MEDIA_TYPES.get(self.path.suffix, "")
        return Asset(self.staged, self.path.name, self.title, kind, self.roles)


class Quicklook(Output):
    """A small picture of scene and mask."""

    key, suffix, title, roles = "quicklook", "_quicklook.png", "Scene and mask side by side", ("overview",)
    media_type = MEDIA_TYPES[".png"]
    help = "Also write a PNG of scene and mask side by side."

    def __init__(self, run: Run, path: Path) -> None:
        """Begin the picture of what is scored."""
        super().__init__(run, path)
        first = (0, 0) if run.crop is None else run.crop.first
        self._preview = Preview(run.scene.georef.shape, run.bands, run.factor, first)

    def see(self, segment: Segment) -> None:
        """Take some of the segment's pixels."""
        self._preview.add(segment)

    def finish(self) -> None:
        """Draw the scene beside its finished mask."""
        run, mask = self.run, read_every(self.run.mask.path, self._preview.step * self.run.factor)
        write_side_by_side(self.staged, self._preview.picture(), mask, run.tags, run.classes, dim=run.crop is not None)


class StacItem(Output):
    """The STAC item, which describes all other outputs."""

    key, suffix, title, turn = "stac", f"{MASK_SUFFIX}.json", "STAC item", "last"
    help = "Also write a STAC item beside the mask."

    def __init__(self, run: Run, path: Path) -> None:
        """Raise at once if pystac is missing."""
        require_pystac()
        super().__init__(run, path)

    def finish(self) -> None:
        """Write the item."""
        run, described = self.run, self.run.scene.describe()
        record = ItemRecord(
            name=run.scene.name,
            georef=own_georef(run.scene),
            cloud_cover=run.mask.cloud_cover,
            taken=described.get("taken") or "",
            source=seen_from(self.path, described.get("item") or run.scene.source),
            tags=run.tags,
            assets={output.key: output.asset() for output in run.outputs if output is not self},
            properties={f"geocloud:{key}": value for key, value in self._figures().items()},
        )
        write_item(self.staged, record)

    def _figures(self) -> dict[str, Any]:
        """Properties of the item, besides the cloud cover."""
        classes = self.run.class_percent()
        figures: dict[str, Any] = {} if classes is None else {"class_percent": classes}
        if self.run.domain is not None:
            figures["unfamiliar_percent"] = self.run.domain.stats().percent
            figures["unlike_training_data"] = list(self.run.domain.warnings())
        return figures


OUTPUTS: tuple[type[Output], ...] = (Mask, Score, ClassScores, Uncertainty, ClearSky, Polygons, Quicklook, StacItem)
"""In the order in which they are finished."""


def output_paths(folder: Path, stem: str, options: DetectOptions) -> dict[str, Path]:
    """Key -> path in `folder` of each output that the options ask for."""
    names = {kind.key: kind.file_name(stem, options) for kind in OUTPUTS}
    return {key: folder / name for key, name in names.items() if name is not None}
