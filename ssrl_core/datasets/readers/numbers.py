"""Numbers of any type as pixel values: uint8 or uint16, never silently clipped."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssrl_core.datasets.readers.npz_arrays import ArrayHeader, pieces
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]
_REMEDY = "Save x as uint8, uint16, or as numbers in 0..1."


@dataclass(frozen=True)
class Conversion:
    """`round(x * factor)` as `dtype`."""

    dtype: str
    factor: float = 1.0
    note: str = ""

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
    if dtype.kind == "u" and dtype.itemsize <= 2:
        return Conversion(dtype.newbyteorder("=").name)
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
        return Conversion("uint8" if high <= 255 else "uint16")
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
