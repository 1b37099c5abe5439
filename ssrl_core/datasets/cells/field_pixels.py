"""Numbers of a field as pixels, alike for every kind of file."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssrl_core.datasets.readers.tiff import as_pixels
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]


def field_pixels(values: Array) -> Array:
    """uint8 or uint16; floats above 1 that fit are rounded (deconvolved or corrected images).

    Raises:
        DataError: NaN, or numbers that 16 bit do not hold; the message is the reason, without the file's name.
    """
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise DataError("it holds NaN or infinite values")
        low, high = float(values.min()), float(values.max())
        if high > 1 and low >= -0.5 and high <= 65535.49:
            return np.rint(np.maximum(values, 0)).astype(np.uint16)
    return as_pixels(values)
