"""Files below one place, wherever they are: in a folder, in a zip (never unpacked), or picked by hand."""

from __future__ import annotations

import io
import os
import posixpath
import zipfile
from collections.abc import Hashable, Iterable, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Protocol

from ssrl_core.datasets.columns import natural_key
from ssrl_core.datasets.reading.archives import DAMAGED_MEMBER, check_archive
from ssrl_core.datasets.reading.code_pages import code_page_of, readable_name
from ssrl_core.errors import DataError

MAX_FILE_BYTES = 2_000_000_000
ZARR_HEADS = ("zarr.json", ".zattrs", ".zgroup")  # one of these lies in every folder that is a Zarr group


class Tree(Protocol):
    """Files by their paths below the top (`/` between, in natural order); a Zarr folder is one thing, no files."""

    where: str

    @property
    def files(self) -> Sequence[str]:
        """Paths of all visible files outside Zarr folders."""
        ...

    @property
    def zarrs(self) -> Sequence[str]:
        """Paths of the outermost visible Zarr folders; "" is the top itself."""
        ...

    def open(self, path: str) -> BinaryIO:
        """A file of the tree, seekable. Raises OSError when it cannot be read."""
        ...

    def holds(self, path: str) -> bool:
        """Whether a file is there, without listing all."""
        ...

    def stamp(self, path: str) -> Hashable:
        """What changes when a file does."""
        ...


class FolderTree:
    """A folder on disk; links to folders are followed, each folder once."""

    notes: Sequence[str] = ()

    def __init__(self, folder: Path) -> None:
        self.where, self._folder, self.root = str(folder), folder, folder
        self._inside: dict[str, frozenset[str]] = {}

    @property
    def files(self) -> Sequence[str]:
        """Paths of all visible files outside Zarr folders, listed on first use."""
        return self._listed[0]

    @property
    def zarrs(self) -> Sequence[str]:
        """See Tree."""
        return self._listed[1]

    @cached_property
    def _listed(self) -> tuple[list[str], list[str]]:
        files: list[str] = []
        zarrs: list[str] = []
        for folder, inside in self._walk():
            if any(name in ZARR_HEADS for name in inside):
                zarrs.append(folder)
            else:
                files += [posixpath.join(folder, name) for name in inside]
        return _visible(files), _visible(zarrs)

    def open(self, path: str) -> BinaryIO:
        """See Tree."""
        return open(self._folder / path, "rb")

    def holds(self, path: str) -> bool:
        """See Tree; folders are listed once, as tables ask for hundreds of thousands of names."""
        folder, name = posixpath.split(posixpath.normpath(path))
        if folder not in self._inside:
            self._inside[folder] = _files_in(self._folder / folder)
        return name in self._inside[folder]

    def stamp(self, path: str) -> Hashable:
        """See Tree."""
        return _stamp(self._folder / path)

    def place(self, source: str) -> tuple[str, int, int]:
        """A file whole: its name, 0 and its size."""
        return source, 0, (self._folder / source).stat().st_size

    def _walk(self) -> Iterable[tuple[str, list[str]]]:
        """Each folder and its files; nothing below a Zarr folder, which may hold a million."""
        seen: set[str] = set()
        for folder, folders, files in os.walk(self._folder, followlinks=True):
            real = os.path.realpath(folder)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            if any(name in ZARR_HEADS for name in files):
                folders.clear()
            place = Path(folder).relative_to(self._folder)
            yield "" if place == Path() else place.as_posix(), files


class ZipTree:
    """A zip, read in place.

    Args:
        code_page: of names that carry no flag; None = the likeliest, which `notes` say.

    Raises:
        DataError: not a zip, or one that `check_archive` refuses.
    """

    def __init__(self, path: Path, code_page: str | None = None) -> None:
        self.where = str(path)
        try:
            self._archive = zipfile.ZipFile(path)
        except (OSError, *DAMAGED_MEMBER) as error:
            raise DataError(f"{self.where}: this is not a readable zip ({error}). Pack the folder again.") from error
        check_archive(self._archive, self.where)
        infos = self._archive.infolist()
        page, notes = code_page_of(infos, code_page)
        self.notes: Sequence[str] = notes
        self._names = {readable_name(i, page).replace("\\", "/"): i.filename for i in infos if not i.is_dir()}
        self.files, self.zarrs = map(_visible, _apart(self._names))

    def close(self) -> None:
        """Let go of the file."""
        self._archive.close()

    def open(self, path: str) -> BinaryIO:
        """See Tree."""
        try:
            info = self._archive.getinfo(self._names[path])
            if info.file_size > MAX_FILE_BYTES:
                raise OSError(f"{info.file_size / 1e9:.1f} GB are too much for one file")
            return io.BytesIO(self._archive.read(info))
        except DAMAGED_MEMBER as error:
            raise OSError(f"damaged in the zip: {error}") from error

    def holds(self, path: str) -> bool:
        """See Tree."""
        return path in self._names

    def stamp(self, path: str) -> Hashable:
        """See Tree."""
        info = self._archive.getinfo(self._names[path])
        return (self.where, info.header_offset, info.CRC, info.file_size)


class FileTree:
    """Some files, by their names alone; of two with the same name the second is called `name (2)`."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.where = str(paths[0]) if len(paths) == 1 else f"{len(paths)} files"
        self._paths: dict[str, Path] = {}
        for path in paths:
            name, n = path.name, 2
            while name in self._paths:
                name, n = f"{path.stem} ({n}){path.suffix}", n + 1
            self._paths[name] = path
        self.files, self.zarrs = list(self._paths), ()

    def open(self, path: str) -> BinaryIO:
        """See Tree."""
        return open(self._paths[path], "rb")

    def holds(self, path: str) -> bool:
        """See Tree."""
        return path in self._paths

    def stamp(self, path: str) -> Hashable:
        """See Tree."""
        return _stamp(self._paths[path])


def _stamp(path: Path) -> Hashable:
    try:
        known = path.stat()
    except OSError:
        return str(path)
    return (str(path), known.st_mtime_ns, known.st_size)


def why(error: Exception) -> str:
    """Why a file could not be read, as one clause."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, OSError):
        return f"it cannot be read ({error.strerror or error})"
    return str(error)


def _apart(paths: Iterable[str]) -> tuple[list[str], list[str]]:
    """Files outside Zarr folders, and the outermost of those."""
    every = list(paths)
    groups = {posixpath.dirname(path) for path in every if posixpath.basename(path) in ZARR_HEADS}
    if not groups:
        return every, []
    return [path for path in every if not _below(path, groups)], [path for path in groups if not _below(path, groups)]


def _below(path: str, groups: set[str]) -> bool:
    """Whether one of the folders that a path lies in is among these."""
    return bool(path) and any(folder in groups for folder in ("", *accumulate(path.split("/")[:-1], "{}/{}".format)))


def _files_in(folder: Path) -> frozenset[str]:
    """Names of the files of a folder; none where it cannot be listed."""
    try:
        with os.scandir(folder) as found:
            return frozenset(entry.name for entry in found if entry.is_file())
    except OSError:
        return frozenset()


def _visible(paths: Iterable[str]) -> list[str]:
    """Without what systems leave behind (.DS_Store, __MACOSX, @eaDir, Thumbs.db)."""
    kept = []
    for path in paths:
        parts = path.split("/")
        if any(part.startswith(".") or part in ("__MACOSX", "@eaDir") for part in parts) or parts[-1].lower() in (
            "thumbs.db",
            "desktop.ini",
        ):
            continue
        kept.append(path)
    return sorted(kept, key=natural_key)
