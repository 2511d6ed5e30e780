"""Folders and zips of pictures and scenes, with a class for each subfolder."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from geocloud.errors import InputError, UsageError
from geocloud.raster import FloatArray
from geocloud.readers.bands.radiometry import EIGHT_BIT
from geocloud.readers.files.lists import read_lines
from geocloud.readers.reader import Closing

PICTURE_BANDS = ("blue", "green", "red")
"""Bands of a picture in our order; files store red first."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp")
MAX_MEMBER_BYTES = 1 << 29
_COPY = re.compile(r" \(\d+\)$")


@dataclass(frozen=True, slots=True)
class DataFile:
    """One picture or scene of a data set."""

    name: str
    """Path inside the folder or zip, with forward slashes."""
    path: Path
    """The file, or the zip it lies in."""
    zipped: bool = False
    """True where `path` is the zip."""

    @property
    def tag(self) -> str:
        """Its class: the folder it lies in; empty for files beside no folder."""
        return PurePosixPath(self.name).parent.name

    @property
    def stem(self) -> str:
        """Its name without folders and suffix."""
        return PurePosixPath(self.name).stem


class DataSet(Closing):
    """The files of one folder, zip or single file; zips are read in place, nothing is unpacked."""

    def __init__(self, path: Path, folders: Sequence[str] = ()) -> None:
        """List the files, by name, of the named folders only; exact copies such as `pond (1).jpg` are left out.

        Raises:
            InputError: there is no such path, it holds nothing we read, or the zip is damaged or hostile.
            UsageError: a class is not among the subfolders.
        """
        self.path = path
        self._zip = _open_zip(path)
        self.files = _choose(path, _without_copies(_list(path, self._zip)), folders)

    @property
    def classes(self) -> tuple[str, ...]:
        """Tags of the files, by name."""
        return tuple(sorted({file.tag for file in self.files}))

    def read(self, file: DataFile, side: int | None = None) -> FloatArray:
        """(3, height, width) reflectance of a picture by EIGHT_BIT, blue, green, red; resized to side x side if given.

        Raises:
            InputError: the picture is damaged, too large, or no picture.
        """
        try:
            content = BytesIO(self._zip.read(file.name)) if self._zip else file.path
            with Image.open(content) as opened:
                picture = opened.convert("RGB")  # CMYK, palettes and grey too
        except (
            OSError,
            ValueError,
            RuntimeError,
            SyntaxError,
            zipfile.BadZipFile,
            Image.DecompressionBombError,
            Image.DecompressionBombWarning,
        ) as error:
            where = self.path / file.name if self._zip or self.path.is_dir() else self.path
            raise InputError(f"{where} is no picture that can be read ({error})") from error
        if side is not None and picture.size != (side, side):
            picture = picture.resize((side, side), Image.Resampling.BILINEAR)
        values = np.asarray(picture, dtype=np.float32) * np.float32(EIGHT_BIT.scale)
        return np.ascontiguousarray(values[:, :, ::-1].transpose(2, 0, 1))

    def is_scene(self, file: DataFile) -> bool:
        """True for a raster that is more than a picture: georeferenced, not 8-bit, or of other than 1, 3 or 4 bands."""
        if file.zipped or not file.name.lower().endswith((".tif", ".tiff")):
            return False
        from geocloud.readers.files.opening import open_raster

        with open_raster(str(file.path)) as raster:
            eight_bit = set(raster.dtypes) == {"uint8"}
            return bool(raster.crs) or not eight_bit or raster.count not in (1, 3, 4)

    def close(self) -> None:
        """Close the zip."""
        if self._zip:
            self._zip.close()


def _open_zip(path: Path) -> zipfile.ZipFile | None:
    """The zip, or None for a folder or a plain file."""
    if not path.exists():
        raise InputError(f"{path} does not exist; give a folder, a zip, a picture or a scene")
    if path.is_dir() or path.suffix.lower() != ".zip":
        return None
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{path} is no zip that can be read ({error}); fetch it again") from error


def _list(path: Path, archive: zipfile.ZipFile | None) -> list[DataFile]:
    """All pictures and scenes, by name; hidden files left out."""
    if archive:
        return sorted((_member(path, info) for info in archive.infolist() if _readable(info.filename)), key=_by_name)
    if path.is_file():
        return [DataFile(path.name, path)]
    found = (child for child in path.rglob("*") if child.is_file())
    named = [(child.relative_to(path).as_posix(), child) for child in found]
    return sorted((DataFile(name, child) for name, child in named if _readable(name)), key=_by_name)


def _member(path: Path, info: zipfile.ZipInfo) -> DataFile:
    """A zip's member, refused where its name points outside or it would fill the memory."""
    name = PurePosixPath(info.filename)
    if name.is_absolute() or ".." in name.parts or "\\" in info.filename or ":" in name.parts[0]:
        raise InputError(f"{path} has a member {info.filename!r} that points outside the zip; do not trust it")
    if info.file_size > MAX_MEMBER_BYTES:
        raise InputError(
            f"{path} has a member {info.filename!r} of {info.file_size} bytes; pictures have at most {MAX_MEMBER_BYTES}"
        )
    return DataFile(info.filename, path, zipped=True)


def _readable(name: str) -> bool:
    """True for a suffix we read and no hidden part, such as a Mac's `__MACOSX` or `._x.jpg`."""
    parts = PurePosixPath(name).parts
    return name.lower().endswith(SUFFIXES) and not any(part.startswith((".", "__")) and part != ".." for part in parts)


def _by_name(file: DataFile) -> str:
    """Sort key."""
    return file.name


def _without_copies(files: list[DataFile]) -> list[DataFile]:
    """Leave out `NAME (1).jpg` where `NAME.jpg` is there too: what file managers call a second copy."""
    names = {file.name for file in files}

    def is_copy(file: DataFile) -> bool:
        name = PurePosixPath(file.name)
        original = name.with_name(_COPY.sub("", name.stem) + name.suffix)
        return original != name and str(original) in names

    return [file for file in files if not is_copy(file)]


def _choose(path: Path, files: list[DataFile], folders: Sequence[str]) -> tuple[DataFile, ...]:
    """The files of the folders; all where none is named."""
    tags = sorted({file.tag for file in files})
    unknown = [name for name in folders if name not in tags]
    if not files:
        raise InputError(f"{path} holds no pictures or scenes ({', '.join(SUFFIXES)})")
    if unknown:
        there = ", ".join(filter(None, tags)) or "none"
        raise UsageError(f"class {unknown[0]!r} is not among the subfolders of {path}: {there}")
    return tuple(file for file in files if not folders or file.tag in folders)


_FILE_SUFFIX = re.compile(r"\.(tiff?|png|webp|jpe?g|jp2|img|vrt|nc|json|safe|zarr|tar|zip)$", re.IGNORECASE)
"""What a listed name may have besides a scene's own dots."""


def read_names(path: Path) -> tuple[str, ...]:
    """The names, without suffix and folders; empty lines and what follows a # are left out.

    Raises:
        InputError: it cannot be read as text, or names nothing.
    """
    try:
        lines = read_lines(str(path))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no text file of scene names, one per line ({error})") from error
    named = [line.split("#")[0].strip() for line in lines]
    names = tuple(_FILE_SUFFIX.sub("", Path(line).name) for line in named if line)
    if not names:
        raise InputError(f"{path} names no scene; write one name per line")
    return names


def choose_names(
    files: Sequence[DataFile], only: Sequence[str] = (), without: Sequence[str] = ()
) -> tuple[DataFile, ...]:
    """The files whose stem is among `only`, where that is given, and not among `without`.

    Raises:
        InputError: none is left.
    """
    kept, dropped = frozenset(only), frozenset(without)
    chosen = tuple(f for f in files if (not kept or f.stem in kept) and f.stem not in dropped)
    if not chosen:
        raise InputError(
            f"none of {len(files)} scenes is left after --only and --without; their names are like {files[0].stem}"
            if files
            else "there are no scenes to choose from"
        )
    return chosen
