"""Zips: what one may do to the disk (nothing outside the store, no bombs), laying it out, and the arrays of an `.npz`.

OME-Zarr is a folder, so a zip of it is unpacked; hidden files come along, since Zarr 2 keeps its metadata in `.zattrs`,
`.zgroup` and `.zarray`. Arrays are known by their heads and read piece by piece; objects are never read (they could run
code).
"""

from __future__ import annotations

import hashlib
import lzma
import math
import shutil
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from ssrl_core import stores
from ssrl_core.datasets.progress import Report, or_silent
from ssrl_core.datasets.reading.code_pages import code_page_of, readable_name
from ssrl_core.errors import DataError, SpecError
from ssrl_core.stores import DAMAGED_ARRAY, held

MAX_RATIO = 250  # photographs reach 2, blank 16-bit fields 200
RATIO_FROM_BYTES = 64_000_000  # below this a high ratio does no harm
MAX_MEMBERS = 2_000_000
# what reading a file of a zip raises whose bytes are others: its head, its name (ValueError), what packed it
DAMAGED_MEMBER = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError, RuntimeError)


def check_archive(archive: zipfile.ZipFile, where: str) -> None:
    """Refuse an archive that leaves its folder, links elsewhere, is encrypted, or is a bomb.

    Raises:
        DataError: nothing has been written.
    """
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise DataError.at(where, "the archive", f"of at most {MAX_MEMBERS:,} files", len(infos))
    for info in infos:
        _check_name(info, where)
        if info.flag_bits & 1:
            raise DataError(f"{where}: {info.filename} is encrypted. Pack the folder again without a password.")
        if info.file_size > RATIO_FROM_BYTES and info.file_size > MAX_RATIO * max(1, info.compress_size):
            ratio = info.file_size // max(1, info.compress_size)
            raise DataError(
                f"{where}: {info.filename} would grow {ratio}-fold to {_gb(info.file_size)}; real images grow at most "
                f"{MAX_RATIO}-fold. Unpack it by hand if you trust it, and import the folder."
            )
    _check_total(infos, where)


def leads_out(name: str) -> bool:
    """Whether a path that should lie in a folder leaves it, on any system: absolute, on a drive, or by `..`."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return ".." in parts or name.startswith(("/", "\\")) or bool(PureWindowsPath(name).drive)


def _check_name(info: zipfile.ZipInfo, where: str) -> None:
    name = info.filename
    if not name:
        raise DataError.at(where, "every file in the archive", "named", name, "Pack the folder again.")
    if leads_out(name):
        raise DataError.at(where, "a path in the archive", "inside it", name, "Pack the folder again.")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise DataError.at(
            where, "every file in the archive", "a real one, not a link", name, "Pack the files themselves."
        )


def _check_total(infos: list[zipfile.ZipInfo], where: str) -> None:
    total = sum(info.file_size for info in infos)
    packed = sum(info.compress_size for info in infos)
    end = max((info.header_offset + info.compress_size for info in infos), default=0)
    if packed > end:
        raise DataError(f"{where}: its files overlap, as in an archive made to fill disks. Pack the folder again.")
    free = shutil.disk_usage(stores.data_root()).free
    if total > free:
        raise DataError.at(
            where,
            "the unpacked size",
            f"at most the free {_gb(free)} of the store",
            _gb(total),
            "Make room, or set SSRL_DATA to a larger disk.",
        )
    if total > RATIO_FROM_BYTES and total > MAX_RATIO * max(1, packed):
        raise DataError(
            f"{where}: it would grow {total // max(1, packed)}-fold to {_gb(total)}; real images grow at most "
            f"{MAX_RATIO}-fold. Unpack it by hand if you trust it, and import the folder."
        )


def _gb(size: int) -> str:
    return f"{size / 1e9:.3g} GB"


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
    except (OSError, *DAMAGED_MEMBER) as error:
        raise DataError(f"{archive.name}: this is not a readable zip ({error}). Pack the folder again.") from error
    with opened:
        check_archive(opened, archive.name)
        page, _ = code_page_of(opened.infolist(), None)
        done, total = 0, sum(info.file_size for info in opened.infolist())
        for info in opened.infolist():
            or_silent(report)(done // _BLOCK, total // _BLOCK, f"Unpacking {archive.name}, MB")
            done += info.file_size
            name = readable_name(info, page).replace("\\", "/")
            if not info.is_dir() and not any(part in _LEFT_BY_SYSTEMS for part in name.split("/")):
                try:
                    _lay(opened, info, folder / name)
                except (OSError, ValueError) as error:
                    raise DataError(_not_laid(archive, name, error)) from error


def unpacked(archive: Path, by: str | None = None, report: Report | None = None) -> Path:
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
    """Remove what `unpacked` made of a zip, if nobody else needs it; nothing for any other file."""
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
        unpacked(archive, by)
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
    except DAMAGED_MEMBER:
        path.write_bytes(b"")


def _folder(archive: Path) -> Path:
    """Named by the zip's place, size and time, so that another zip of the same name is unpacked anew."""
    known = archive.stat()
    text = f"{archive.resolve()} {known.st_size} {known.st_mtime_ns}"
    return stores.data_root() / f".unpacked-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


Array = np.ndarray[Any, Any]
_PIECE_BYTES = 16_000_000
_DAMAGED = (*DAMAGED_ARRAY, lzma.LZMAError, RuntimeError)


@dataclass(frozen=True)
class ArrayHeader:
    """What the head of an .npy says."""

    member: str
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]


def headers(archive: zipfile.ZipFile, where: str) -> dict[str, ArrayHeader]:
    """The arrays of an .npz by name.

    Raises:
        DataError: a bomb, an array of Python objects, or a member that is no array.
    """
    check_archive(archive, where)
    found = {}
    for info in archive.infolist():
        if not info.filename.endswith(".npy"):
            continue
        with _opened(archive, info.filename, where) as file:
            found[info.filename.removesuffix(".npy")] = _header(file, info, where)
    return found


def pieces(archive: zipfile.ZipFile, header: ArrayHeader, where: str) -> Iterator[Array]:
    """Rows of an array, about 16 MB at a time (whole if it is in Fortran order)."""
    if header.fortran and len(header.shape) > 1:
        yield whole(archive, header, where)
        return
    row = math.prod(header.shape[1:]) * header.dtype.itemsize
    step = max(1, _PIECE_BYTES // max(1, row))
    with _opened(archive, header.member, where) as file:
        _skip_header(file)
        for start in range(0, header.shape[0], step):
            count = min(step, header.shape[0] - start)
            yield np.frombuffer(_read(file, count * row, header, where), header.dtype).reshape(count, *header.shape[1:])


def whole(archive: zipfile.ZipFile, header: ArrayHeader, where: str) -> Array:
    """A whole array."""
    size = math.prod(header.shape) * header.dtype.itemsize
    with _opened(archive, header.member, where) as file:
        _skip_header(file)
        flat = np.frombuffer(_read(file, size, header, where), header.dtype)
    return flat.reshape(header.shape, order="F" if header.fortran else "C")


@contextmanager
def _opened(archive: zipfile.ZipFile, member: str, where: str) -> Iterator[IO[bytes]]:
    """A member of an archive; what its bytes are not fit for is said."""
    try:
        with archive.open(member) as file:
            yield file
    except _DAMAGED as error:
        raise DataError(f"{where}: {member} is damaged ({error}). Fetch or save the file again.") from error


def _header(file: IO[bytes], info: zipfile.ZipInfo, where: str) -> ArrayHeader:
    try:
        version = npy.read_magic(file)
        shape, fortran, dtype = _read_header(file, version)
    except _DAMAGED as error:
        raise DataError(
            f"{where}: {info.filename} is not an array that can be read ({error}). Save the file again."
        ) from error
    if dtype.hasobject:
        raise DataError(
            f"{where}: {info.filename} is an array of Python objects, which is never read (it could run any program). "
            "Save it as numbers or text: numpy.asarray(values, dtype=str)."
        )
    expected = math.prod(map(int, shape)) * dtype.itemsize + file.tell()
    if expected != info.file_size:
        raise DataError(
            f"{where}: {info.filename} should have {expected} bytes by its header, not {info.file_size}. Save it again."
        )
    return ArrayHeader(info.filename, tuple(int(n) for n in shape), bool(fortran), dtype)


def _read_header(file: IO[bytes], version: tuple[int, int]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    if version == (1, 0):
        return npy.read_array_header_1_0(file)
    if version in ((2, 0), (3, 0)):  # 3.0 only differs in the encoding of field names
        return npy.read_array_header_2_0(file)
    raise ValueError(f"version {version} of the .npy format")


def _skip_header(file: IO[bytes]) -> None:
    _read_header(file, npy.read_magic(file))


def _read(file: IO[bytes], size: int, header: ArrayHeader, where: str) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise DataError(f"{where}: {header.member} ends too early. Fetch or save the file again.")
    return data
