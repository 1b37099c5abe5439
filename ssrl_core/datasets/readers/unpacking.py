"""A zip whose files must lie on the disk to be read (OME-Zarr is a folder), unpacked safely.

Source:
    the checks are those of every archive (`limits.py`); hidden files come along, since Zarr 2 keeps its metadata in
    `.zattrs`, `.zgroup` and `.zarray`.
"""

from __future__ import annotations

import hashlib
import shutil
import time
import zipfile
import zlib
from pathlib import Path

from ssrl_core import stores
from ssrl_core.datasets.readers.limits import check_archive
from ssrl_core.errors import DataError

_BLOCK = 1 << 20
_WHOLE = ".whole"
_KEPT_S = 7 * 24 * 3600.0
_LEFT_BY_SYSTEMS = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")


def unpack(archive: Path, folder: Path) -> None:
    """Lay all files of a zip below a folder.

    A file that is damaged in the zip becomes an empty one, so that it is named as damaged where it is read: left out,
    it would be a chunk of zeros in a Zarr image.

    Raises:
        DataError: no zip, or one that `check_archive` refuses; nothing is written then.
    """
    try:
        opened = zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{archive.name}: this is not a readable zip ({error}). Pack the folder again.") from error
    with opened:
        check_archive(opened, archive.name)
        for info in opened.infolist():
            name = info.filename.replace("\\", "/")
            if not info.is_dir() and not any(part in _LEFT_BY_SYSTEMS for part in name.split("/")):
                _lay(opened, info, folder / name)


def laid_open(archive: Path) -> Path:
    """The folder of the store that a zip's files lie in; unpacked once, until `forget` or a week has passed.

    Raises:
        DataError: see `unpack`.
    """
    folder = _folder(archive)
    if not (folder / _WHOLE).is_file():
        _sweep()
        shutil.rmtree(folder, ignore_errors=True)
        inside = folder / archive.stem
        inside.mkdir(parents=True)
        try:
            unpack(archive, inside)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        (folder / _WHOLE).touch()
    return folder / archive.stem


def forget(archive: Path) -> None:
    """Remove what `laid_open` made of a zip; nothing for any other file."""
    if archive.suffix.lower() == ".zip" and archive.is_file():
        shutil.rmtree(_folder(archive), ignore_errors=True)


def _lay(opened: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with opened.open(info) as source, open(path, "wb") as target:
            shutil.copyfileobj(source, target, _BLOCK)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        path.write_bytes(b"")


def _folder(archive: Path) -> Path:
    """Named by the zip's place, size and time, so that another zip of the same name is unpacked anew."""
    known = archive.stat()
    text = f"{archive.resolve()} {known.st_size} {known.st_mtime_ns}"
    return stores.data_root() / f".unpacked-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _sweep() -> None:
    """Remove what imports left that were never finished."""
    for folder in stores.data_root().glob(".unpacked-*"):
        if time.time() - folder.stat().st_mtime > _KEPT_S:
            shutil.rmtree(folder, ignore_errors=True)
