"""A glance into a file that may be imported: which columns could be the label."""

from __future__ import annotations

import zipfile
from pathlib import PurePath
from typing import BinaryIO

from ssrl_core.datasets.reading import image, npz
from ssrl_core.datasets.reading import table as tables
from ssrl_core.datasets.reading.folders import by_folders
from ssrl_core.datasets.reading.source import ZipTree
from ssrl_core.errors import DataError


def label_columns(name: str, file: BinaryIO) -> list[str]:
    """Columns that `--label` could name, without reading pixels.

    Args:
        name: the file's name; its ending says what it is.
        file: the file, open for reading.

    Raises:
        DataError: an archive that cannot be read, or may not be.
    """
    kind = PurePath(name).suffix.lower()
    file.seek(0)
    if kind == ".npz":
        try:
            return npz.columns_of(zipfile.ZipFile(file), name)
        except (zipfile.BadZipFile, OSError) as error:
            raise DataError(f"{name}: this is not a readable .npz ({error}).") from error
    if kind in tables.TABLES:
        return tables.columns_of(_OneFile(name, file), name)
    if kind != ".zip":
        return []
    tree = ZipTree(file, name)
    table = tables.find_table(tree)
    if table is not None:
        return tables.columns_of(tree, table)
    entries = by_folders([path for path in tree.files if image.is_image(path)])
    return ["label"] if any("label" in entry.columns for entry in entries) else []


class _OneFile:
    """A tree of one file that is open already."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self.where, self.files, self.zarrs, self._file = name, [name], (), _KeptOpen(file)

    def open(self, path: str) -> BinaryIO:
        """See Tree."""
        return self._file  # type: ignore[return-value]


class _KeptOpen:
    """A file that `with` does not close: it belongs to the caller."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __enter__(self) -> BinaryIO:
        self._file.seek(0)
        return self._file

    def __exit__(self, *error: object) -> None:
        return None
