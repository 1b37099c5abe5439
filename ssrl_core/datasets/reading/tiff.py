"""TIFF files: 8 and 16 bit, any number of channels and pages.

A channel axis (ImageJ and OME files say so) is channels, colour samples are channels, all other axes are pages.

tifffile gives palette indices and inverted greys as they are stored: here values are as the file means them. A palette
that runs from black to one colour only shows a channel: its index is the intensity.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ssrl_core.datasets.reading.ome import Said, of_tiff, tinted
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]
_WHITE_IS_ZERO, _PALETTE = 0, 3


class SeenSeries:
    """A series, as `TiffFile.series` has it.

    Attributes:
        is_generic: whether its axes are tifffile's guess, and no metadata's.
        axes, shape, dtype: of what `asarray` gives; colours of a palette are a last axis S.
        pages: of the file.
        tint: `#rrggbb` of the brightest value where a palette only tints intensities, else "".
    """

    def __init__(self, series: Any) -> None:
        self._series, self._key = series, series.keyframe
        colours = _palette(self._key)
        self.tint = "" if colours is None else _tint(colours)
        self._table = None if colours is None or self.tint else _table(colours)
        coloured = self._table is not None and self._table.ndim == 2
        self.axes: str = series.axes + ("S" if coloured else "")
        self.shape: tuple[int, ...] = (*series.shape, 3) if coloured else tuple(series.shape)
        self.dtype = np.dtype(np.uint8) if self._table is not None else np.dtype(series.dtype)
        self.pages = series.pages
        self.is_generic = series.kind == "generic"

    def laid(self, axes: str, sizes: tuple[int, ...]) -> SeenSeries:
        """Itself, its pages (one axis so far) being told apart as these axes."""
        self.axes, self.shape = axes + self.axes[1:], (*sizes, *self.shape[1:])
        return self

    def asarray(self) -> Array:
        """The values.

        Raises:
            what tifffile raises on damaged files.
        """
        values = _turned(self._series.asarray(), self._key)
        seen: Array = values if self._table is None else self._table[values]
        return seen.reshape(self.shape)


def seen_series(tiff: Any) -> list[SeenSeries]:
    """The series of an opened `TiffFile`, without smaller copies of others (the levels of a pyramid)."""
    whole = [series for series in tiff.series if not series.keyframe.is_reduced] or list(tiff.series)
    return [SeenSeries(series) for series in whole]


def _palette(page: Any) -> Array | None:
    """(n, 3) uint8 colours of a palette, None without one."""
    if int(page.photometric) != _PALETTE or page.colormap is None:
        return None
    colours = np.asarray(page.colormap).T
    return (colours if colours.max() < 256 else colours >> 8).astype(np.uint8)  # some write 8 bit where 16 are asked


def _tint(colours: Array) -> str:
    """`#rrggbb` of the last colour if all are shades of it, rising from black; "" for greys and for real palettes."""
    full = colours[-1].astype(float)
    if len(set(full)) == 1:
        return ""
    ramp = colours[:, full.argmax()].astype(float)
    shades = ramp[:, None] * full / full.max()
    rising = ramp[0] <= 1 and bool((np.diff(ramp) >= 0).all())
    close = float(np.abs(shades - colours).max()) < 1.5  # shades are rounded
    return "#" + bytes(colours[-1].tolist()).hex() if rising and close else ""


def _table(colours: Array) -> Array:
    """What each index of a palette stands for: colours (n, 3), or greys (n,) where all of them are."""
    return colours[:, 0] if (colours == colours[:, :1]).all() else colours


def _turned(values: Array, page: Any) -> Array:
    """White-is-zero as others are: 0 is black."""
    if int(page.photometric) != _WHITE_IS_ZERO:
        return values
    if values.dtype == np.bool_:
        return ~values
    top = 2 ** int(page.bitspersample) - 1
    return (top - values).astype(values.dtype) if values.dtype.kind == "u" else values


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


def _alpha_dropped(sizes: dict[str, int], channels: int) -> int:
    """RGBA samples keep three channels."""
    return 3 if sizes.get("S") == 4 and channels == 4 else channels


@contextmanager
def opened_tiff(source: BinaryIO | Path, **options: Any) -> Iterator[Any]:
    """A `TiffFile`; what is wrong with a file is said once, by us.

    Raises:
        DataError: there is no image in it.
    """
    import tifffile

    log = logging.getLogger("tifffile")
    if not any(isinstance(f, _Silence) for f in log.filters):
        log.addFilter(_Silence())
    with tifffile.TiffFile(source, **options) as tiff:
        if not tiff.series:
            raise DataError("there is no image in the TIFF")
        yield tiff


class _Silence(logging.Filter):
    """Drops tifffile's own lines; a filter, unlike a level, may be set by several threads."""

    def filter(self, record: logging.LogRecord) -> bool:
        return False


@contextmanager
def _opened(file: BinaryIO) -> Iterator[Any]:
    file.seek(0)
    with opened_tiff(file) as tiff:
        series = tiff.series[0]
        if "Y" not in series.axes or "X" not in series.axes:
            raise DataError("there is no image in the TIFF")
        yield tiff, SeenSeries(series)
