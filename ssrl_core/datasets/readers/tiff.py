"""TIFF files: 8 and 16 bit, any number of channels and pages.

A channel axis (ImageJ and OME files say so) is channels, colour samples are channels, all other axes are pages.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from ssrl_core.datasets.readers.channel_facts import Said, of_tiff, tinted
from ssrl_core.datasets.readers.tiff_series import SeenSeries
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]
MAX_VALUES = 400_000_000


def is_tiff(head: bytes) -> bool:
    """Whether a file that starts like this is a TIFF (or a BigTIFF)."""
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def shape_of(file: BinaryIO) -> tuple[tuple[int, int, int, int], np.dtype[Any], Said]:
    """(pages, C, H, W), the pixel type, and what is said of the channels, without reading pixels.

    Raises:
        DataError: no image in it, or a huge one.
    """
    with _opened(file) as (tiff, series):
        shape, axes = series.shape, series.axes
        if math.prod(shape) > MAX_VALUES:
            raise DataError(f"{'×'.join(map(str, shape))} values are too many for one file; cut it into pieces")
        sizes = dict(zip(axes, shape, strict=True))
        channels = _alpha_dropped(sizes, math.prod(n for axis, n in sizes.items() if axis in "CS"))
        pages = math.prod(n for axis, n in sizes.items() if axis not in "CSYX")
        said = tinted(of_tiff(tiff, channels), series.tint, channels)
        return (pages, channels, sizes["Y"], sizes["X"]), np.dtype(series.dtype), said


def decode(file: BinaryIO) -> Array:
    """(pages, C, H, W) uint8 or uint16.

    Raises:
        DataError: values that are no pixel values.
    """
    with _opened(file) as (_, series):
        values, axes = series.asarray(), series.axes
    others = [i for i, axis in enumerate(axes) if axis not in "CSYX"]
    channels = [i for i, axis in enumerate(axes) if axis in "CS"]
    ordered = np.transpose(values, [*others, *channels, axes.index("Y"), axes.index("X")])
    shape = (math.prod(ordered.shape[: len(others)]), -1, *ordered.shape[-2:])
    pixels = as_pixels(ordered.reshape(shape))
    kept = _alpha_dropped(dict(zip(axes, values.shape, strict=True)), pixels.shape[1])
    return pixels[:, :kept]


def as_pixels(values: Array) -> Array:
    """Numbers of any type as uint8 or uint16.

    Raises:
        DataError: negative or too large numbers, fractions above 1, NaN.
    """
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
        return values.astype(values.dtype.newbyteorder("="))
    if values.dtype.kind not in "iuf":
        raise DataError(f"{values.dtype} values; save it as 8 or 16 bit")
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        return np.rint(values.astype(np.float64) * 65535).astype(np.uint16)
    if low >= 0 and high <= 65535 and (values.dtype.kind in "iu" or bool(np.all(values == np.rint(values)))):
        return values.astype(np.uint16)
    raise DataError(f"{values.dtype} values from {low:g} to {high:g}; save it as 8 or 16 bit")


def _alpha_dropped(sizes: dict[str, int], channels: int) -> int:
    """RGBA samples keep three channels."""
    return 3 if sizes.get("S") == 4 and channels == 4 else channels


@contextmanager
def _opened(file: BinaryIO) -> Iterator[Any]:
    import tifffile

    log = logging.getLogger("tifffile")
    before = log.level
    log.setLevel(logging.CRITICAL)  # what is wrong with a file is said once, by us
    try:
        file.seek(0)
        with tifffile.TiffFile(file) as opened:
            if not opened.series or "Y" not in opened.series[0].axes or "X" not in opened.series[0].axes:
                raise DataError("there is no image in the TIFF")
            yield opened, SeenSeries(opened.series[0], file)
    finally:
        log.setLevel(before)
