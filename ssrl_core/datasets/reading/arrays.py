"""The arrays of an `.npz`: known by their heads, read piece by piece; objects are never read (they could run code)."""

from __future__ import annotations

import lzma
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from ssrl_core.datasets.reading.archives import check_archive
from ssrl_core.errors import DataError
from ssrl_core.stores import DAMAGED_ARRAY

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
