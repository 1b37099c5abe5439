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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ssrl_core.datasets.reading.ome import Said, of_tiff, tinted
from ssrl_core.datasets.reading.scale import Spread, as_numbers
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]
_WHITE_IS_ZERO, _PALETTE, _INKS, _LAB = 0, 3, 5, 8
SWAPPED = (5, 6, 7, 8)  # orientations (EXIF has the same) that swap height and width
LAID, NOT_LAID = 1, 2  # kinds of alpha: over black already, or not


@dataclass(frozen=True)
class Sight:
    """How files are seen, the same for all of a set (see `ImportOptions`).

    Attributes:
        turned: as their tag of orientation says.
        alpha: black | white (laid over it) | ignored | channel (one like the others).
        any_range: negative numbers, and ones above 16 bit, are taken.
    """

    turned: bool = True
    alpha: str = "black"
    any_range: bool = False


PLAIN = Sight()
UNNAMED = "unnamed"
MOST_PAGES_AS_CHANNELS = 5  # that nobody named


class TiffSeries:
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

    def laid(self, axes: str, sizes: tuple[int, ...]) -> TiffSeries:
        """Itself, its pages (one axis so far) being told apart as these axes."""
        self.axes, self.shape = axes + self.axes[1:], (*sizes, *self.shape[1:])
        return self

    def asarray(self) -> Array:
        """The values.

        Raises:
            DataError: a page does not say where all of its pieces are.
            what tifffile raises on damaged files.
        """
        self._check_pieces()
        values = _turned(self._series.asarray(), self._key)
        seen: Array = values if self._table is None else self._table[values]
        return seen.reshape(self.shape)

    def _check_pieces(self) -> None:
        """tifffile takes pieces that are nowhere for zeros, one by one: four million, said in 200 bytes, take 20 s."""
        if self._series.dataoffset is not None:  # in one block, whatever is said of pieces
            return
        pieces = math.prod(self._key.chunked)
        for page in self.pages:
            if page is not None and len(page.dataoffsets) < pieces:
                known = len(page.dataoffsets)
                raise DataError(f"it says where {known:,} of its {pieces:,} pieces are; save it anew")


def series_of(tiff: Any) -> list[TiffSeries]:
    """The series of an opened `TiffFile`, without smaller copies of others (the levels of a pyramid)."""
    whole = [series for series in tiff.series if not series.keyframe.is_reduced] or list(tiff.series)
    return [TiffSeries(series) for series in whole]


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


@dataclass(frozen=True)
class Head:
    """What a TIFF says of itself, as it is seen: turned, colours as RGB, without alpha.

    Attributes:
        shape: (pages, C, H, W).
        said: what is said of the channels.
        pages: what its pages are: "" (one), `unnamed`, or the axes that metadata call them by (`Z`, `T` …).
        turned, alpha: whether it says that it lies on its side or its head, and that a sample is alpha.
    """

    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    said: Said
    pages: str
    turned: bool = False
    alpha: bool = False


def head_of(file: BinaryIO, sight: Sight = PLAIN) -> Head:
    """The head of a TIFF, without reading pixels.

    Raises:
        DataError: no image in it, or a huge one.
    """
    with _opened(file) as (tiff, series):
        shape, axes = series.shape, series.axes
        if math.prod(shape) > MAX_VALUES:
            raise DataError(f"{'×'.join(map(str, shape))} values are too many for one file; cut it into pieces")
        sizes = dict(zip(axes, shape, strict=True))
        samples = math.prod(n for axis, n in sizes.items() if axis in "CS")
        channels = _seen_samples(tiff.pages[0], sizes.get("S", 1), samples, sight)
        others = [axis for axis in axes if axis not in "CSYX"]
        pages = math.prod(sizes[axis] for axis in others)
        named = "" if pages == 1 else "".join(others) if not set(others) & set("QI") else UNNAMED
        said = tinted(of_tiff(tiff, channels), series.tint, channels)
        height, width = sizes["Y"], sizes["X"]
        tag, alpha = _orientation(tiff.pages[0]), _alpha(tiff.pages[0], sizes.get("S", 1))
        if tag in SWAPPED and sight.turned:
            height, width = width, height
        dtype = np.dtype(series.dtype)
        return Head((pages, channels, height, width), dtype, said, named, tag != 1, bool(alpha))


def decode(file: BinaryIO, sight: Sight = PLAIN) -> Array:
    """(pages, C, H, W) numbers of any type, turned and in colours as the file says.

    Raises:
        DataError: values that are no pixel values.
    """
    with _opened(file) as (tiff, series):
        values, axes = series.asarray(), series.axes
        page, samples = tiff.pages[0], dict(zip(axes, values.shape, strict=True)).get("S", 1)
    others = [i for i, axis in enumerate(axes) if axis not in "CSYX"]
    channels = [i for i, axis in enumerate(axes) if axis in "CS"]
    ordered = np.transpose(values, [*others, *channels, axes.index("Y"), axes.index("X")])
    shape = (math.prod(ordered.shape[: len(others)]), -1, *ordered.shape[-2:])
    numbers = as_numbers(ordered.reshape(shape), any_range=sight.any_range)
    seen = _seen_colours(numbers, page, sight) if numbers.shape[1] == samples else numbers
    return _upright(seen, _orientation(page)) if sight.turned else seen


def _orientation(page: Any) -> int:
    tag = page.tags.get(274)
    return int(tag.value) if tag is not None and tag.value in range(1, 9) else 1


def _upright(values: Array, orientation: int) -> Array:
    """(…, H, W) as the camera held it (EXIF orientation 1..8)."""
    if orientation in SWAPPED:
        values = np.swapaxes(values, -1, -2)
    if orientation in (2, 3, 6, 7):
        values = values[..., ::-1]
    return values[..., ::-1, :] if orientation in (3, 4, 7, 8) else values


def _alpha(page: Any, samples: int) -> int:
    """LAID or NOT_LAID where the last sample is alpha, else 0."""
    extra = [int(kind) for kind in page.extrasamples]
    last = extra[-1] if extra else 0
    return last if last in (LAID, NOT_LAID) and samples in (2, 4) and len(extra) == 1 else 0


def _seen_samples(page: Any, samples: int, channels: int, sight: Sight) -> int:
    """How many channels are seen of so many samples: alpha is no channel, inks become colours."""
    if samples != channels:
        return channels
    if int(page.photometric) == _INKS and samples == 4:
        return 3
    return channels - (bool(_alpha(page, samples)) and sight.alpha != "channel")


def _seen_colours(values: Array, page: Any, sight: Sight) -> Array:
    """(pages, C, H, W) without alpha, inks and Lab as RGB.

    Raises:
        DataError: colours of a kind that is not read.
    """
    samples, kind = values.shape[1], int(page.photometric)
    if kind == _INKS and samples == 4:
        return _converted(values, "CMYK")
    if kind == _LAB and samples == 3:
        return _converted(values, "LAB")
    if kind in (_INKS, _LAB, 9, 10):
        raise DataError("its colours are CMYK or Lab of an unusual kind; save it as RGB")
    alpha = _alpha(page, samples)
    return without_alpha(values, alpha, sight) if alpha else values


def without_alpha(values: Array, alpha: int, sight: Sight) -> Array:
    """(pages, C, H, W) whose last channel is alpha of a kind (LAID, NOT_LAID), as it is seen."""
    if sight.alpha == "channel":
        return values
    if sight.alpha == "ignored" or (alpha == LAID and sight.alpha == "black"):
        return values[:, :-1]
    top = np.iinfo(values.dtype).max if values.dtype.kind == "u" else 1
    share = values[:, -1:] / top
    over = values[:, :-1] * (share if alpha == NOT_LAID else 1) + (top * (1 - share) if sight.alpha == "white" else 0)
    laid: Array = (over if values.dtype.kind == "f" else np.rint(over)).astype(values.dtype)
    return laid


def _converted(values: Array, mode: str) -> Array:
    """(pages, 3, H, W) uint8 RGB of 8-bit colours of another kind."""
    from PIL import Image, ImageCms

    if values.dtype != np.uint8:
        raise DataError(f"its colours are {mode} of {values.dtype}; save it as RGB")
    size = (values.shape[3], values.shape[2])
    images = [Image.frombytes(mode, size, np.moveaxis(page, 0, -1).tobytes()) for page in values]
    if mode == "CMYK":
        seen = [image.convert("RGB") for image in images]
    else:
        lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        change = ImageCms.buildTransform(lab, rgb, "LAB", "RGB")
        seen = [ImageCms.applyTransform(image, change) or image for image in images]  # None only where in place
    return np.stack([np.moveaxis(np.asarray(image), -1, 0) for image in seen])


def as_pixels(values: Array) -> Array:
    """Numbers of any type as uint8 or uint16, on a scale of their own (see `scale.py` for several files).

    Raises:
        DataError: negative or too large numbers, NaN.
    """
    numbers = as_numbers(values)
    if numbers.dtype in (np.uint8, np.uint16):
        return numbers
    spread = Spread()
    spread.take(numbers, "")
    if spread.high <= 1 and numbers.dtype.kind == "f":
        return np.rint(numbers.astype(np.float64) * 65535).astype(np.uint16)
    if not spread.whole:
        raise DataError(f"{values.dtype} values from {spread.low:g} to {spread.high:g}; save it as 8 or 16 bit")
    return numbers.astype(np.uint16)


def field_pixels(values: Array, full: float | None = None) -> Array:
    """uint8 or uint16; floats above 1 that fit are rounded (deconvolved or corrected images).

    Args:
        full: the float that stands for 65535, for all files of a set; None = what these values say by themselves.

    Raises:
        DataError: NaN, or numbers that 16 bit do not hold; the message is the reason, without the file's name.
    """
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise DataError("it holds NaN or infinite values")
        low, high = float(values.min()), float(values.max())
        factor = 65535 / full if full else 1.0
        if (high > 1 or full) and low * factor >= -0.5 and high * factor <= 65535.49:
            return np.rint(np.maximum(values * factor, 0)).astype(np.uint16)
    return as_pixels(values)


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
        len(tiff.pages)  # finds all pages first: only then does tifffile see that one names itself as the next
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
        yield tiff, TiffSeries(series)
