"""A data set opened with what tells its truth: label rasters, or the names of its subfolders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from geocloud.datasets.folder import DataFile, DataSet, choose_names
from geocloud.datasets.labels import cloudy_classes, find_labels, pair_labels
from geocloud.datasets.split import Part, choose_part


@dataclass(frozen=True, slots=True)
class Choice:
    """Which files of a data set are wanted, and where their labels are."""

    labels: str | os.PathLike[str] | None = None
    """Folder of label rasters; None: `labels` beside a folder `images`, where there is one."""
    use_labels: bool = True
    """False leaves labels alone even where there are some."""
    suffix: str = ""
    """What a file's name has after that of its label, such as that of masks."""
    folders: tuple[str, ...] = ()
    """Subfolders to use; empty: all."""
    cloudy: tuple[str, ...] = ()
    """Subfolders that show cloud; empty: those named so."""
    only: tuple[str, ...] = ()
    """Names of the files to use, without suffix; empty: all."""
    without: tuple[str, ...] = ()
    """Names of files to leave out."""
    part: Part = "all"
    """Only the files of one side of the split that `held_out` and `seed` make."""
    held_out: float = 0.3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class LabelledData:
    """An open data set."""

    source: DataSet
    files: tuple[DataFile, ...]
    """Those that were chosen; where there are labels, those of them that have one."""
    labels: Mapping[str, Path] | None
    """Name of each file to its label; None: no labels, the subfolders are the truth."""
    cloudy: tuple[str, ...]
    """Subfolders that show cloud."""


@contextmanager
def open_labelled(data: Path, choice: Choice) -> Iterator[LabelledData]:
    """Open a data set (a folder or zip of pictures, or a folder of scenes), choose its files and find their labels.

    Raises:
        InputError: the data cannot be read, no file is left, or none has a label.
        UsageError: a subfolder that is named is not there.
    """
    folder = find_labels(data, choice.labels) if choice.use_labels else None
    with DataSet(data, choice.folders) as source:
        files = choose_names(source.files, choice.only, choice.without)
        files = choose_part(files, choice.part, choice.held_out, choice.seed)
        names = None
        if folder is not None:
            pairs = pair_labels(files, folder, choice.suffix)
            files, names = tuple(file for file, _ in pairs), {file.name: label for file, label in pairs}
        yield LabelledData(source, tuple(files), names, cloudy_classes(source.classes, choice.cloudy))
