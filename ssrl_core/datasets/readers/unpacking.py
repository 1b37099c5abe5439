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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ssrl_core import stores
from ssrl_core.datasets.locking import held
from ssrl_core.datasets.progress import Report, told
from ssrl_core.datasets.readers.limits import check_archive
from ssrl_core.errors import DataError, SpecError

_BLOCK = 1 << 20
_WHOLE = ".whole"
_NEEDED = ".needed-by-"
_KEPT_S = 7 * 24 * 3600.0
_LEFT_BY_SYSTEMS = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")


def unpack(archive: Path, folder: Path, report: Report | None = None) -> None:
    """Lay all files of a zip below a folder; `report` is told the megabytes.

    A file that is damaged in the zip becomes an empty one, so that it is named as damaged where it is read: left out,
    it would be a chunk of zeros in a Zarr image.

    Raises:
        DataError: no zip, or one that `check_archive` refuses (nothing is written then), or a file that this disk does
            not take.
    """
    try:
        opened = zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{archive.name}: this is not a readable zip ({error}). Pack the folder again.") from error
    with opened:
        check_archive(opened, archive.name)
        done, total = 0, sum(info.file_size for info in opened.infolist())
        for info in opened.infolist():
            told(report)(done // _BLOCK, total // _BLOCK, f"Unpacking {archive.name}, MB")
            done += info.file_size
            name = info.filename.replace("\\", "/")
            if not info.is_dir() and not any(part in _LEFT_BY_SYSTEMS for part in name.split("/")):
                try:
                    _lay(opened, info, folder / name)
                except (OSError, ValueError) as error:
                    raise DataError(_not_laid(archive, name, error)) from error


def laid_open(archive: Path, by: str | None = None, report: Report | None = None) -> Path:
    """The folder of the store that a zip's files lie in; unpacked once, until `forget` or a week has passed.

    Args:
        by: who needs it until they `forget` it; None = a glance, after which it may go.

    Raises:
        DataError: see `unpack`.
    """
    sweep()
    folder = _folder(archive)
    with held(folder.name):
        if not (folder / _WHOLE).is_file():
            _unpack_whole(archive, folder, report)
        if by is not None:
            (folder / f"{_NEEDED}{by}").touch()
    return folder / archive.stem


def forget(archive: Path, by: str) -> None:
    """Remove what `laid_open` made of a zip, if nobody else needs it; nothing for any other file."""
    if not is_zip(archive):
        return
    folder = _folder(archive)
    with held(folder.name):
        (folder / f"{_NEEDED}{by}").unlink(missing_ok=True)
        if not any(folder.glob(f"{_NEEDED}*")):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def needed(archive: Path, by: str) -> Iterator[None]:
    """A zip's files lie open meanwhile, and longer if the work may go on later (a stop, a kill). Other files: nothing.

    Raises:
        DataError: see `unpack`.
    """
    if is_zip(archive):
        laid_open(archive, by)
    try:
        yield
    except (SpecError, DataError):
        forget(archive, by)
        raise
    forget(archive, by)


def is_zip(path: Path) -> bool:
    """Whether a path is a zip by its name, and there."""
    return path.suffix.lower() == ".zip" and path.is_file()


def sweep() -> None:
    """Remove what imports and uploads left that were never finished, a week later."""
    for kind in (".unpacked-*", ".upload-*"):
        for folder in stores.data_root().glob(kind):
            with suppress(FileNotFoundError):  # another process cleared it away
                if time.time() - folder.stat().st_mtime > _KEPT_S:
                    shutil.rmtree(folder, ignore_errors=True)


def _unpack_whole(archive: Path, folder: Path, report: Report | None) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    inside = folder / archive.stem
    inside.mkdir(parents=True)
    try:
        unpack(archive, inside, report)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    (folder / _WHOLE).touch()


def _not_laid(archive: Path, name: str, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    shown = name if len(name) <= 80 else f"{name[:79]}…"
    return f"{archive.name}: {shown} cannot be laid on the disk ({reason}). Make room, or pack the folder again."


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
