"""What lies in one file of a field: planes of one or several channels, in one or several fields.

An OME-Zarr folder counts as a file. OME-TIFF and ImageJ files say which axis is channels, depth or time. Depth is
flattened to its maximum. In a plain TIFF of 2 to 5 pages the pages are taken for channels, of more pages for depth;
both are said in the import's notes.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssrl_core.datasets.cells.ome_zarr import read_zarr, zarr_facts
from ssrl_core.datasets.reading import image
from ssrl_core.datasets.reading.ome import Said, axes_of_pages, in_um, names_of, of_tiff, tinted
from ssrl_core.datasets.reading.tiff import MAX_VALUES, SeenSeries, field_pixels, is_tiff, seen_series
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]


MOST_PAGES_AS_CHANNELS = 5


@dataclass(frozen=True)
class FileFacts:
    """What a file says of itself.

    Attributes:
        fields: fields in it (series, time points, positions).
        channels: channels of each.
        said: what the file says of its channels (names, colours, display windows); () = nothing.
        pixel_um: size of a pixel, if the file says it.
        depth: planes that are flattened into one (1 = nothing to flatten).
        guessed: what its pages were taken for, if it does not say ("channels" or "depth"), else "".
        left_out: channels of each of its series that has another number than the first, and is not read.
    """

    fields: int
    channels: int
    said: Said = ()
    pixel_um: float | None = None
    depth: int = 1
    guessed: str = ""
    left_out: tuple[int, ...] = ()

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the channels, if the file gives them."""
        return names_of(self.said)


def file_facts(path: Path) -> FileFacts:
    """What a file holds, from its head.

    Raises:
        DataError: it is no image; the message is the reason, without the file's name.
        OSError: it cannot be opened.
    """
    if path.is_dir():
        told = zarr_facts(path)
        return FileFacts(told.fields, told.channels, told.said, told.pixel_um, told.depth)
    with open(path, "rb") as file:
        head = file.read(64)
        if not is_tiff(head):
            known = image.facts(file)
            return FileFacts(1, known.channels)
    with _opened(path) as tiff:
        every = _series(tiff, path)
        layouts = [_layout(series, tiff) for series in every]
        first = layouts[0]
        same = [layout for layout in layouts if layout.channels == first.channels]
        return FileFacts(
            fields=sum(layout.fields for layout in same),
            channels=first.channels,
            said=tinted(of_tiff(tiff, first.channels), every[0].tint, first.channels),
            pixel_um=_pixel_um(tiff),
            depth=max(layout.depth for layout in same),
            guessed=first.guessed,
            left_out=tuple(layout.channels for layout in layouts if layout.channels != first.channels),
        )


def ome_text(path: Path) -> str:
    """The OME-XML of a TIFF, or of a companion file; "" where there is none, or the file cannot be read."""
    try:
        with open(path, "rb") as file:
            plain = not is_tiff(file.read(64))
        if plain:
            return path.read_text(encoding="utf-8") if path.suffix.lower() in (".ome", ".xml") else ""
        with _opened(path) as tiff:
            said = tiff.pages[0].description or ""
            return said if "<OME" in said[:2000] else ""
    except (OSError, DataError, UnicodeDecodeError):
        return ""


def read_field_file(path: Path, number: int = 0) -> Array:
    """One field of a file.

    Args:
        number: which of the file's fields.

    Returns:
        (C, H, W) uint8 or uint16; depth is flattened to its maximum.

    Raises:
        DataError: it cannot be read; the message is the reason, without the file's name.
        OSError: it cannot be opened.
    """
    if path.is_dir():
        return read_zarr(path, number)
    with open(path, "rb") as file:
        if not is_tiff(file.read(64)):
            pages = image.decode(file)
            result: Array = pages[min(number, len(pages) - 1)]
            return result
    with _opened(path) as tiff:
        left = number
        every = _series(tiff, path)
        first = _layout(every[0], tiff).channels
        for series in every:
            layout = _layout(series, tiff)
            if layout.channels != first:
                continue
            if left < layout.fields:
                return _ordered(series.asarray(), layout, left)
            left -= layout.fields
    raise DataError(f"it has no field number {number}")


@dataclass(frozen=True)
class _Layout:
    """The axes of a series sorted by what they mean."""

    order: tuple[int, ...]
    fields: int
    depth: int
    channels: int
    guessed: str


def _series(tiff: Any, path: Path) -> list[SeenSeries]:
    """The series of a file; pages of a set of OME-TIFF files are what its metadata say of them."""
    found = seen_series(tiff)
    first = found[0]
    if tiff.is_ome and len(found) == 1 and first.is_generic and len(first.axes) > 2 and first.axes[0] == "I":
        told = axes_of_pages(tiff.pages[0].description or "", path, first.shape[0])
        return [first.laid(*told)] if told else found
    return found


def _layout(series: Any, tiff: Any) -> _Layout:
    axes, shape = series.axes, series.shape
    if "Y" not in axes or "X" not in axes:
        raise DataError("there is no image in the TIFF")
    if math.prod(shape) > MAX_VALUES:
        raise DataError(f"{'×'.join(map(str, shape))} values are too many for one file; cut it into pieces")
    meaning, guessed = dict.fromkeys(axes, "field"), ""
    for axis, size in zip(axes, shape, strict=True):
        if axis in "YX":
            meaning[axis] = axis
        elif axis in "CS":
            meaning[axis] = "channel"
        elif axis == "Z":
            meaning[axis] = "depth"
        elif axis not in "TPRHVMAW" and not (tiff.is_ome or tiff.is_imagej):  # pages that nobody named
            meaning[axis] = "channel" if size <= MOST_PAGES_AS_CHANNELS and "C" not in axes else "depth"
            guessed = "channels" if meaning[axis] == "channel" else "depth"
    groups = {
        kind: [i for i, axis in enumerate(axes) if meaning[axis] == kind] for kind in ("field", "depth", "channel")
    }
    sizes = {kind: math.prod(shape[i] for i in places) for kind, places in groups.items()}
    order = (*groups["field"], *groups["depth"], *groups["channel"], axes.index("Y"), axes.index("X"))
    return _Layout(order, sizes["field"], sizes["depth"], sizes["channel"], guessed)


def _ordered(values: Array, layout: _Layout, number: int) -> Array:
    ordered = np.transpose(values, layout.order)
    height, width = ordered.shape[-2:]
    ordered = ordered.reshape(layout.fields, layout.depth, layout.channels, height, width)[number]
    flat = ordered[0] if layout.depth == 1 else ordered.max(axis=0)
    return field_pixels(flat)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The TIFF, with its complaints told once, by us, as a DataError."""
    import tifffile

    log = logging.getLogger("tifffile")
    if not any(isinstance(f, _Silence) for f in log.filters):
        log.addFilter(_Silence())
    try:
        with tifffile.TiffFile(path, _multifile=False) as tiff:
            if not tiff.series:
                raise DataError("there is no image in the TIFF")
            yield tiff
    except (DataError, OSError, MemoryError):
        raise
    except Exception as error:
        text = str(error).strip().splitlines()
        raise DataError(f"the image is damaged ({(text[0] if text else type(error).__name__)[:160]})") from error


class _Silence(logging.Filter):
    """Drops tifffile's own lines; a filter, unlike a level, may be set by several threads."""

    def filter(self, record: logging.LogRecord) -> bool:
        return False


def _unescaped(text: str) -> str:
    import html

    return html.unescape(text).strip()


def _pixel_um(tiff: Any) -> float | None:
    if tiff.is_ome and tiff.ome_metadata:
        size = re.search(r"\bPhysicalSizeX=\"([0-9.eE+-]+)\"", tiff.ome_metadata)
        unit = re.search(r"\bPhysicalSizeXUnit=\"([^\"]+)\"", tiff.ome_metadata)
        return in_um(float(size.group(1)), _unescaped(unit.group(1)) if unit else "µm") if size else None
    if tiff.is_imagej and tiff.imagej_metadata:
        tag = tiff.pages[0].tags.get("XResolution")
        if tag and tag.value[0] > 0:
            return in_um(tag.value[1] / tag.value[0], str(tiff.imagej_metadata.get("unit", "")))
    return None
