"""The arrays inside an `.npz`: their headers, and their rows a piece at a time, as pixel values.

Nothing is unpickled; numbers become uint8 or uint16, never silently clipped.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from ssrl_core.datasets.reading.archives import check_archive
from ssrl_core.datasets.reading.scale import camera_top
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]
_PIECE_BYTES = 16_000_000


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
        with archive.open(info) as file:
            found[info.filename.removesuffix(".npy")] = _header(file, info, where)
    return found


def pieces(archive: zipfile.ZipFile, header: ArrayHeader, where: str) -> Iterator[Array]:
    """Rows of an array, about 16 MB at a time (whole if it is in Fortran order)."""
    if header.fortran and len(header.shape) > 1:
        yield whole(archive, header, where)
        return
    row = int(np.prod(header.shape[1:], dtype=np.int64)) * header.dtype.itemsize
    step = max(1, _PIECE_BYTES // max(1, row))
    with archive.open(header.member) as file:
        _skip_header(file)
        for start in range(0, header.shape[0], step):
            count = min(step, header.shape[0] - start)
            yield np.frombuffer(_read(file, count * row, header, where), header.dtype).reshape(count, *header.shape[1:])


def whole(archive: zipfile.ZipFile, header: ArrayHeader, where: str) -> Array:
    """A whole array."""
    size = int(np.prod(header.shape, dtype=np.int64)) * header.dtype.itemsize
    with archive.open(header.member) as file:
        _skip_header(file)
        flat = np.frombuffer(_read(file, size, header, where), header.dtype)
    return flat.reshape(header.shape, order="F" if header.fortran else "C")


def _header(file: IO[bytes], info: zipfile.ZipInfo, where: str) -> ArrayHeader:
    try:
        version = npy.read_magic(file)
        shape, fortran, dtype = _read_header(file, version)
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{where}: {info.filename} is not an array that can be read ({error}). Save the file again."
        ) from error
    if dtype.hasobject:
        raise DataError(
            f"{where}: {info.filename} is an array of Python objects, which is never read (it could run any program). "
            "Save it as numbers or text: numpy.asarray(values, dtype=str)."
        )
    expected = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize + file.tell()
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
    try:
        data = file.read(size)
    except (OSError, EOFError, zipfile.BadZipFile, zipfile.error, ValueError) as error:
        raise DataError(f"{where}: {header.member} is damaged ({error}). Fetch or save the file again.") from error
    if len(data) != size:
        raise DataError(f"{where}: {header.member} ends too early. Fetch or save the file again.")
    return data


_REMEDY = "Save x as uint8, uint16, or as numbers in 0..1."


@dataclass(frozen=True)
class Conversion:
    """`round(x * factor)` as `dtype`; `full` stands for 1 (None: the largest of the type)."""

    dtype: str
    factor: float = 1.0
    note: str = ""
    full: int | None = None

    def apply(self, values: Array, where: str) -> Array:
        """Pixel values of the same shape.

        Raises:
            DataError: a value that does not fit.
        """
        if values.dtype.name == self.dtype and self.factor == 1:
            return values
        top = float(np.iinfo(self.dtype).max)
        scaled = values.astype(np.float64) * self.factor
        low, high = float(scaled.min(initial=0)), float(scaled.max(initial=0))
        if not (low >= 0 and high <= top + 0.5):
            raise DataError(
                where=where,
                field="pixel values (times `scale`)",
                rule=f"in 0..{top:.0f}",
                value=[low, high],
                remedy=_REMEDY,
            )
        return np.rint(scaled).astype(self.dtype)


def conversion_for(archive: zipfile.ZipFile, arrays: list[ArrayHeader], scale: float | None, where: str) -> Conversion:
    """How the numbers of some arrays become pixel values; types other than 8 and 16 bit are looked through once.

    Raises:
        DataError: text, complex numbers, negative or too large values, fractions above 1, NaN.
    """
    dtype = arrays[0].dtype
    if any(other.dtype != dtype for other in arrays):
        raise DataError(
            where=where, field="x_train and x_test", rule="of one type", value=[str(a.dtype) for a in arrays]
        )
    if dtype.kind == "b":
        return Conversion("uint8", 255.0)
    if dtype.kind not in "uif":
        raise DataError(where=where, field="x", rule="numbers", value=str(dtype), remedy=_REMEDY)
    if scale is not None and scale != 1:
        wide = dtype.itemsize > 1 or scale > 1
        return Conversion("uint16" if wide else "uint8", scale, f"x was multiplied by its scale, {scale:g}")
    if dtype == np.uint8:
        return Conversion("uint8")
    return _looked_through(archive, arrays, where)


def _looked_through(archive: zipfile.ZipFile, arrays: list[ArrayHeader], where: str) -> Conversion:
    low, high, whole, bytewise = np.inf, -np.inf, True, True
    for array in arrays:
        for piece in pieces(archive, array, where):
            low, high = min(low, float(piece.min())), max(high, float(piece.max()))
            if not (np.isfinite(low) and np.isfinite(high)):
                raise DataError(
                    where=where, field="x", rule="free of NaN and infinity", value="NaN or infinity", remedy=_REMEDY
                )
            if piece.dtype.kind == "f":
                whole = whole and bool(np.all(piece == np.rint(piece)))
                bytewise = bytewise and bool(np.all(np.abs(piece * 255 - np.rint(piece * 255)) < 1e-3))
    kind = arrays[0].dtype.kind
    if low >= 0 and whole and (high > 1 or kind in "iu") and high <= 65535:
        kept = "uint16" if high > 255 or (kind == "u" and arrays[0].dtype.itemsize == 2) else "uint8"
        return Conversion(kept, full=camera_top(high) if kept == "uint16" else None)
    if low >= 0 and high <= 1 and kind == "f":
        dtype = "uint8" if bytewise else "uint16"
        return Conversion(dtype, float(np.iinfo(dtype).max), f"numbers in 0..1 were stored as {dtype}")
    raise DataError(
        where=where,
        field="x",
        rule="in 0..1, or whole numbers in 0..65535",
        value=f"{low:g} to {high:g}",
        remedy=_REMEDY,
    )
