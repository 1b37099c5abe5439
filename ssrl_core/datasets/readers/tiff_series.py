"""One series of a TIFF with values as the file means them: palette colours, white-is-zero, LZW and JPEG read by Pillow.

tifffile gives palette indices and inverted greys as they are stored, and needs a package of its own for some
compressions. A palette that runs from black to one colour only shows a channel: its index is the intensity.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

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

    def __init__(self, series: Any, source: BinaryIO | Path) -> None:
        self._series, self._source, self._key = series, source, series.keyframe
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
            what tifffile or Pillow raises on damaged files.
        """
        try:
            values: Array = self._series.asarray()
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            values = self._by_pillow()  # which turns white-is-zero round by itself
        else:
            values = _turned(values, self._key)
        seen: Array = values if self._table is None else self._table[values]
        return seen.reshape(self.shape)

    def _by_pillow(self) -> Array:
        from PIL import Image, ImageSequence

        wanted = [page.index for page in self._series.pages]
        if not isinstance(self._source, Path):
            self._source.seek(0)
        with Image.open(self._source, formats=("TIFF",)) as image:
            pages = {i: np.asarray(page) for i, page in enumerate(ImageSequence.Iterator(image)) if i in set(wanted)}
        return np.stack([pages[i] for i in wanted]).reshape(self._series.shape)


def seen_series(tiff: Any, source: BinaryIO | Path) -> list[SeenSeries]:
    """The series of an opened `TiffFile`, without smaller copies of others (the levels of a pyramid)."""
    whole = [series for series in tiff.series if not series.keyframe.is_reduced] or list(tiff.series)
    return [SeenSeries(series, source) for series in whole]


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
