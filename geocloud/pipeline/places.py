"""Where a detection writes, whether it may write there, and whether its outputs exist already."""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from glob import escape as glob_escape
from itertools import chain
from pathlib import Path

import numpy as np

from geocloud.calibration import Probability
from geocloud.classes import TAG
from geocloud.errors import ModelError, UsageError
from geocloud.models.registry import model_paths
from geocloud.pipeline.detection import Detection, DetectOptions, read_detection, run_tags
from geocloud.pipeline.outputs import MASK_SUFFIX, OUTPUTS
from geocloud.raster import Georef
from geocloud.readers.area import AREA_TAG, AreaSource
from geocloud.readers.dispatch import BESIDE, is_stac, local_files, protected_files
from geocloud.readers.files.paths import files_within, is_remote, is_virtual, is_vrt, scene_name
from geocloud.readers.masks import MaskFile
from geocloud.readers.products.stac_item import item_name, load_item
from geocloud.readers.reader import SceneReader, own_georef
from geocloud.scorers.contract import Scorer
from geocloud.writers.staging import check_not_read, check_outputs, fold_name, has_tags, heal_folders, ignores_case
from geocloud.writers.vectors import VECTOR_SUFFIXES


def output_files(scene: SceneReader, options: DetectOptions, paths: Mapping[str, Path]) -> list[Path]:
    """Every file that a run of a scene writes: the mask, its sidecars, then the other outputs."""
    kinds = [kind for kind in OUTPUTS if kind.key in paths and kind.key != "mask" and kind.possible(scene, options)]
    return [*mask_files(paths), *(paths[kind.key] for kind in kinds)]


def mask_files(paths: Mapping[str, Path]) -> tuple[Path, Path, Path]:
    """The mask and its sidecars."""
    mask = paths["mask"]
    if not mask.name:
        raise UsageError(f"the mask's path is {os.fspath(mask)!r}, which is no file; give the path of one")
    return mask, mask.with_name(f"{mask.name}.aux.xml"), mask.with_suffix(".qml")


def earlier_products(mask: Path) -> list[Path]:
    """Outputs of earlier runs beside a mask: files with the name of an output that hold geocloud's tags."""
    stem = mask.stem.removesuffix(MASK_SUFFIX)
    names = [name for kind in OUTPUTS for name in kind.names(stem)] if stem != mask.stem else []
    names += [f"{mask.stem}{suffix}" for suffix in (".json", *VECTOR_SUFFIXES)]  # beside a mask whose path was given
    paths = [mask.with_name(name) for name in dict.fromkeys(names)]
    return [path for path in paths if path != mask and has_tags(path)]


def check_places(scene: SceneReader, options: DetectOptions, outputs: list[Path]) -> None:
    """Make sure that no output replaces a file of scene, model or area; see check_outputs.

    Args:
        scene: open.
        options: of the run. With `overwrite`, outputs of earlier runs are removed, so they are checked too.
        outputs: every file of the run, the mask first.

    Raises:
        UsageError: an output is such a file, or two outputs are the same file.
    """
    read = list(chain(scene_files(scene), model_files(options.model), area_files(options.aoi)))
    check_outputs(outputs, read, overwrite=True)
    if options.overwrite:
        check_not_read(earlier_products(outputs[0]), read)


MULTI_FILE_SUFFIXES = (".shp", ".tab", ".mif")
"""Suffixes of vector formats that keep their data in several files of one stem."""


def area_files(aoi: AreaSource | None) -> Iterable[str]:
    """The files that an area is read from, all those of a shapefile; none for a box or a frame."""
    if not isinstance(aoi, str | os.PathLike):
        return ()
    path = Path(aoi)
    parts = path.parent.glob(f"{glob_escape(path.stem)}.*") if path.suffix.lower() in MULTI_FILE_SUFFIXES else ()
    return [*local_files(os.fspath(aoi)), *map(str, parts)]


def scene_files(scene: SceneReader) -> Iterator[str]:
    """The files that an open scene is read from."""
    described = scene.describe().get("bands") or {}
    bands = (str(band["file"]) for band in described.values() if isinstance(band, Mapping) and band.get("file"))
    yield from chain.from_iterable(map(files_within, bands))
    if scene.source:
        yield from _without_outputs(protected_files(scene.source), scene.source, scene.name)


def _without_outputs(files: Iterable[str], source: str, name: str) -> Iterator[str]:
    """The files of a scene, without those in its own folder that have the name of an output of an earlier run."""
    if not Path(source).is_dir():
        return iter(files)
    names = [f"{name}{MASK_SUFFIX}.qml", *(output for kind in OUTPUTS for output in kind.names(name))]
    outputs = {f"{output}{end}" for output in names for end in ("", *BESIDE)}
    return (file for file in files if Path(file).name not in outputs)


def model_files(model: str | os.PathLike[str]) -> Iterator[str]:
    """The files that a model is read from; none for a baseline or a scorer from another package."""
    with suppress(ModelError, OSError):
        yield from map(str, model_paths(model))


def check_scenes(sources: Sequence[str], outputs: Iterable[Path]) -> None:
    """UsageError if an output of one of several scenes is a file of another, which would be replaced unread."""
    check_not_read(outputs, (file for source in sources for file in _named_files(source)))


def check_stems(scenes: Iterable[tuple[str, str]], folder: Path) -> None:
    """UsageError if two scenes would write the same file; `scenes` are (source, stem of its outputs)."""
    listed = list(scenes)
    folded = {stem: fold_name(stem) for _, stem in listed}
    alike = len({*folded.values()}) < len(folded) and ignores_case(folder)
    owner: dict[str, str] = {}
    for source, stem in listed:
        name = folded[stem] if alike else stem
        if name in owner:
            raise UsageError(
                f"{owner[name]} and {source} would both write {stem}{MASK_SUFFIX}.tif; run them into two folders"
            )
        owner[name] = source


def _named_files(source: str) -> Iterable[str]:
    """The files of a scene that is not opened yet: those of the source, and the sidecars beside them."""
    if is_remote(source):
        return ()
    if is_vrt(source):
        return protected_files(source)
    files = _without_outputs(local_files(source), source, outputs_name(source))
    return [f"{path}{end}" for path in files for end in ("", *BESIDE)]


def outputs_name(source: str) -> str:
    """The stem of a scene's outputs, as `detect` chooses it: of a local STAC item its id."""
    if is_stac(source) and not is_remote(source):
        with suppress(Exception):  # opening the scene will report the error
            return item_name(load_item(source))
    return scene_name(source)


_COMPARED_TAGS = {
    "GEOCLOUD_MODEL": "model",
    "GEOCLOUD_MODEL_SHA256": "weights",
    "GEOCLOUD_THRESHOLD": "threshold",
    "GEOCLOUD_CLASSES": "classes",
    "GEOCLOUD_BANDS": "bands",
    "GEOCLOUD_BANDS_GIVEN": "--bands",
    "GEOCLOUD_REFLECTANCE": "scale and offset",
    "GEOCLOUD_NODATA": "--nodata",
    "GEOCLOUD_DILATE": "--dilate",
    "GEOCLOUD_MIN_AREA": "--min-area",
    "GEOCLOUD_RESOLUTION": "--resolution",
    "GEOCLOUD_OUTLINE": "--outline",
    AREA_TAG: "area",
    TAG: "encoding",
}
"""Tags in which an existing mask must agree with what is asked for -> the name that messages give them."""


def existing_detection(
    scene: SceneReader, scorer: Scorer, options: DetectOptions, paths: Mapping[str, Path]
) -> Detection | None:
    """The existing detection, if all its outputs exist and agree with the options; None if it has to be made.

    Raises:
        UsageError: an output is an input or another output. Or, without `overwrite`: some outputs exist and others do
            not, they were made from another scene, model or options, or they are older than the scene.
        OutputError: the file in the mask's place is no mask.
    """
    wanted = output_files(scene, options, paths)
    heal_folders(wanted)
    check_places(scene, options, wanted)
    existing = [path for path in wanted if os.path.lexists(path)]
    if options.overwrite or not existing:
        return None
    missing = [path for path in wanted if not path.exists()]  # also a link that leads nowhere
    if missing:
        raise UsageError(
            f"{existing[0]} exists and {missing[0]} does not; pass --overwrite to make all anew, or choose another "
            "folder"
        )
    kept = read_detection(paths)
    with MaskFile(paths["mask"]) as mask:
        differs = _differences(mask, scene, scorer, options)
    if differs:
        raise UsageError(
            f"{paths['mask']} exists with {', '.join(differs)}; pass --overwrite, or choose another folder"
        )
    tags = run_tags(scene, scorer, options)
    for path in wanted:
        if path not in mask_files(paths) and not _has_run(path, tags):
            raise UsageError(
                f"{path} exists and is not of the run that made {paths['mask']}; pass --overwrite, or choose another "
                "folder"
            )
    return kept


_RUN_TAGS = ("MODEL", "MODEL_SHA256", "THRESHOLD", "CLASSES", "DILATE", "MIN_AREA", "RESOLUTION", "OUTLINE")
"""Tags by which the outputs of one run are told from those of another."""


def _has_run(path: Path, tags: Mapping[str, str]) -> bool:
    """Whether an output holds a run's tags; every format keeps them as text, the value soon after the key."""
    end = b"" if path.suffix == ".png" else rb"(?![\w.])"  # a checksum follows in PNG
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for key in _RUN_TAGS:
                name = rf"(?:GEOCLOUD_{key}|geocloud:{key.lower()})\b".encode()
                value = tags.get(f"GEOCLOUD_{key}")
                if value is not None and not re.fullmatch(r"[\w.,-]+", value, re.ASCII):  # formats escape other letters
                    continue
                pattern = name + rb"\W{1,12}?" + re.escape(value).encode() + end if value else name
                if bool(re.search(pattern, content)) != (value is not None):
                    return False
    except (OSError, ValueError):  # a folder, or empty
        return False
    return True


def _differences(mask: MaskFile, scene: SceneReader, scorer: Scorer, options: DetectOptions) -> list[str]:
    """How an existing mask differs from the one asked for, a few words per difference."""
    expected = run_tags(scene, scorer, options)
    expected |= {TAG: options.encoding} if options.encoding != "geocloud" else {}
    differing = [key for key in _COMPARED_TAGS if mask.tags.get(key, "") != expected.get(key, "")]
    words = {
        key: f"{_COMPARED_TAGS[key]} {_shown(key, mask.tags)} instead of {_shown(key, expected)}" for key in differing
    }
    if isinstance(options.threshold, Probability) and "GEOCLOUD_THRESHOLD" in words:
        words["GEOCLOUD_THRESHOLD"] = _other_probability(mask.tags, scorer, options.threshold)
    differences = list(words.values())
    if _is_other_scene(mask.tags.get("GEOCLOUD_SOURCE", ""), scene.source):
        differences.append(f"scene {mask.tags['GEOCLOUD_SOURCE']} instead of {scene.source}")
    elif not _on_one_grid(mask.georef, own_georef(scene)):
        differences.append("another grid than the scene")
    elif _changed_since(scene, Path(mask.path)):
        differences.append("an older state of the scene")
    return differences


def _shown(key: str, tags: Mapping[str, str]) -> str:
    """A tag's value as text; a threshold with the rule that chose it."""
    text, rule = tags.get(key) or "none", tags.get("GEOCLOUD_THRESHOLD_RULE", "given")
    if key != "GEOCLOUD_THRESHOLD" or text == "none":
        return text
    return f"{float(text):.6g}" + (f" ({rule})" if rule != "given" else "")


def _other_probability(tags: Mapping[str, str], scorer: Scorer, asked: Probability) -> str:
    """The difference from a threshold asked for as P(cloud), given in P(cloud) too if the model is the same."""
    card = scorer.card
    if tags.get("GEOCLOUD_MODEL_SHA256", "") != card.sha256 or tags.get("GEOCLOUD_MODEL") != card.name:
        return f"threshold {_shown('GEOCLOUD_THRESHOLD', tags)} instead of probability {asked.value:g}"
    score = np.array([card.calibration.sign * float(tags["GEOCLOUD_THRESHOLD"])], dtype=np.float32)
    return f"probability {card.calibration.probability(score)[0]:.3g} instead of {asked.value:g}"


def _is_other_scene(source: str, asked: str) -> bool:
    """Whether two sources are different files; if one of them does not exist here, whether their names differ."""
    if source == asked or not source:
        return False
    try:
        return not Path(source).samefile(asked)
    except (OSError, ValueError):
        return Path(source).name != Path(asked).name


def _on_one_grid(mask: Georef, scene: Georef) -> bool:
    """Whether a mask lies on the scene's pixels; without georeference only the sizes can be compared."""
    if mask.shape != scene.shape or mask.located != scene.located:
        return False
    return not scene.located or bool(scene.gcps) or mask.transform.almost_equals(scene.transform, 1e-6)


def _changed_since(scene: SceneReader, mask: Path) -> bool:
    """Whether a file that holds the scene's pixels was written after the mask; sidecars do not count."""
    described = scene.describe().get("bands") or {}
    files = {scene.source, *(str(band.get("file")) for band in described.values() if isinstance(band, Mapping))}
    written = [Path(file).stat().st_mtime for file in files if not is_virtual(file) and Path(file).is_file()]
    return max(written, default=0.0) > mask.stat().st_mtime
