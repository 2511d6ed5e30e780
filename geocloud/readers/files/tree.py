"""The files of a product, whether they lie in a folder, a zip or a tar."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from geocloud.errors import InputError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Protocol

from geocloud.readers.files.paths import archive_prefix


def parse_xml(content: bytes, name: str) -> Element:
    """The root element; InputError if it is no XML, or XML that declares entities."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root: Element = fromstring(content)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise InputError(f"{name} is not XML that can be trusted and read ({error}); fetch it again") from error
    return root


def texts(root: Element, tag: str) -> list[str]:
    """Stripped text of all elements of a tag, namespaces ignored, in document order."""
    return [(element.text or "").strip() for element in root.iter() if local_name(element) == tag]


def first_text(root: Element, *tags: str) -> str:
    """Text of the first element that has one of the tags, in the order of the tags; empty if there is none."""
    return next((found[0] for tag in tags if (found := texts(root, tag))), "")


def local_name(element: Element) -> str:
    """An element's tag without its namespace."""
    return str(element.tag).rpartition("}")[2]


_LITTER = ("__macosx", ".ds_store", "thumbs.db", "desktop.ini", "@eadir")
DEPTH = 4
"""Folders within a folder are looked into this deep."""
MOST_FILES = 20_000
"""A folder with more files is no scene."""


def is_litter(name: str) -> bool:
    """True for what file managers leave in folders and archives."""
    return name.lower() in _LITTER or name.startswith("._")


MAX_METADATA_BYTES = 64 << 20
"""A metadata file larger than this is none."""


class Tree(Protocol):
    """Files by their path relative to the product, with `/`; letter case is ignored when looking one up."""

    def names(self) -> list[str]:
        """Names of the files in the product's own folder, sorted; what file managers leave there is left out."""

    def below(self) -> list[str]:
        """Paths of all files, those in folders of it included, sorted."""

    def find(self, relative: str) -> str | None:
        """The path rasterio opens of a file that exists, or None."""

    def read(self, relative: str) -> bytes:
        """A small file's content; InputError if it is missing or too large."""


class FolderTree:
    """A product in a folder."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read yet."""
        self._folder = folder

    def names(self) -> list[str]:
        """See Tree."""
        return sorted(entry.name for entry in self._folder.iterdir() if entry.is_file() and not is_litter(entry.name))

    def below(self) -> list[str]:
        """See Tree."""
        found: list[str] = []
        for folder, folders, files in os.walk(self._folder):
            place = Path(folder).relative_to(self._folder)
            folders[:] = sorted(name for name in folders if not is_litter(name)) if len(place.parts) < DEPTH else []
            found += [(place / name).as_posix() for name in files if not is_litter(name)]
            if len(found) > MOST_FILES:
                break
        return sorted(found)

    def find(self, relative: str) -> str | None:
        """See Tree."""
        folder = self._folder
        for part in relative.split("/"):
            if part in ("", ".", ".."):
                return None
            if not (folder / part).exists():
                found = (entry for entry in _listing(folder) if entry.lower() == part.lower())
                part = next(found, "")  # noqa: PLW2901 - as it is spelt on the disk
                if not part:
                    return None
            folder = folder / part
        return str(folder) if folder.is_file() else None

    def read(self, relative: str) -> bytes:
        """See Tree."""
        path = self.find(relative)
        if path is None:
            raise InputError(f"{self._folder} has no {relative}; fetch the product again")
        if Path(path).stat().st_size > MAX_METADATA_BYTES:
            raise InputError(f"{path} is larger than any metadata file; fetch the product again")
        return Path(path).read_bytes()


class ArchiveTree:
    """A product in a zip or tar, read in place; a single folder in it that holds all else is the product's own."""

    def __init__(self, archive: Path) -> None:
        """List the archive; InputError if it is damaged."""
        self._archive = archive
        try:
            members = {name.replace("\\", "/"): name for name in _members(archive)}
        except (OSError, zipfile.BadZipFile, tarfile.TarError) as error:
            raise InputError(f"{archive} is not an archive that can be read ({error}); fetch it again") from error
        members = {name: member for name, member in members.items() if not any(map(is_litter, name.split("/")))}
        tops = {name.partition("/")[0] for name in members}
        self.top = f"{tops.pop()}/" if len(tops) == 1 and all("/" in name for name in members) else ""
        self._members = {name[len(self.top) :].lower(): member for name, member in members.items()}
        self._names = sorted(name[len(self.top) :] for name in members)

    def names(self) -> list[str]:
        """See Tree."""
        return [name for name in self._names if "/" not in name]

    def below(self) -> list[str]:
        """See Tree."""
        return self._names

    def find(self, relative: str) -> str | None:
        """See Tree."""
        member = self._members.get(relative.lower())
        prefix = archive_prefix(str(self._archive))
        slashed = None if member is None else member.replace("\\", "/")  # as GDAL lists them
        return None if slashed is None else f"{prefix}{self._archive}/{slashed}"

    def read(self, relative: str) -> bytes:
        """See Tree."""
        member = self._members.get(relative.lower())
        if member is None:
            raise InputError(f"{self._archive} has no {relative}; fetch the product again")
        return _extract(self._archive, member)


def open_tree(path: Path) -> Tree:
    """The files of a folder or archive; InputError if it cannot be listed."""
    if not path.is_dir():
        return ArchiveTree(path)
    inner = [entry for entry in path.iterdir() if entry.is_dir() and entry.suffix.lower() == ".safe"]
    return FolderTree(inner[0] if len(inner) == 1 and path.suffix.lower() != ".safe" else path)


def _listing(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()] if folder.is_dir() else []


def _members(archive: Path) -> list[str]:
    """Paths of all files in an archive."""
    if archive_prefix(str(archive)) == "/vsizip/":
        with zipfile.ZipFile(archive) as zipped:
            return [info.filename for info in zipped.infolist() if not info.is_dir()]
    with tarfile.open(archive) as tarred:
        return [member.name.removeprefix("./") for member in tarred.getmembers() if member.isfile()]


def _extract(archive: Path, member: str) -> bytes:
    """A member's content, no more than MAX_METADATA_BYTES of it."""
    if archive_prefix(str(archive)) == "/vsizip/":
        with zipfile.ZipFile(archive) as zipped, zipped.open(member) as file:
            return file.read(MAX_METADATA_BYTES)
    with tarfile.open(archive) as tarred:
        names = {info.name.removeprefix("./"): info for info in tarred.getmembers()}
        content = tarred.extractfile(names[member])
        return content.read(MAX_METADATA_BYTES) if content else b""


def _folder(tree: FolderTree) -> Tree:
    """Type assertion: a FolderTree is a Tree."""
    return tree


def _archive(tree: ArchiveTree) -> Tree:
    """Type assertion: an ArchiveTree is a Tree."""
    return tree
