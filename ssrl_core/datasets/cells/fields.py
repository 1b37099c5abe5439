"""A field: which files its channels lie in, what lies in each, and how it is read.

An OME-Zarr folder counts as a file. OME-TIFF and ImageJ files say which axis is channels, depth or time. Depth is
flattened to its maximum. In a plain TIFF of 2 to 5 pages the pages are taken for channels, of more pages for depth;
both are said in the import's notes.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ssrl_core.datasets.cells.ome_zarr import read_zarr, zarr_facts
from ssrl_core.datasets.imageset import Channel
from ssrl_core.datasets.progress import Report
from ssrl_core.datasets.reading import image
from ssrl_core.datasets.reading.ome import Said, axes_of_pages, in_um, names_of, of_tiff, tinted
from ssrl_core.datasets.reading.source import why
from ssrl_core.datasets.reading.tiff import (
    MAX_VALUES,
    MOST_PAGES_AS_CHANNELS,
    TiffSeries,
    field_pixels,
    is_tiff,
    opened_tiff,
    series_of,
)
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]


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


def read_field_file(path: Path, number: int = 0, full: float | None = None) -> Array:
    """One field of a file.

    Args:
        number: which of the file's fields.
        full: see `FieldRow`.

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
                return _ordered(series.asarray(), layout, left, full)
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


def _series(tiff: Any, path: Path) -> list[TiffSeries]:
    """The series of a file; pages of a set of OME-TIFF files are what its metadata say of them."""
    found = series_of(tiff)
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


def _ordered(values: Array, layout: _Layout, number: int, full: float | None) -> Array:
    ordered = np.transpose(values, layout.order)
    height, width = ordered.shape[-2:]
    ordered = ordered.reshape(layout.fields, layout.depth, layout.channels, height, width)[number]
    flat = ordered[0] if layout.depth == 1 else ordered.max(axis=0)
    return field_pixels(flat, full)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The TIFF; what is wrong with it is a DataError."""
    try:
        with opened_tiff(path, _multifile=False) as tiff:
            yield tiff
    except (DataError, OSError, MemoryError):
        raise
    except Exception as error:
        text = str(error).strip().splitlines()
        raise DataError(f"the image is damaged ({(text[0] if text else type(error).__name__)[:160]})") from error


def _pixel_um(tiff: Any) -> float | None:
    if tiff.is_ome and tiff.ome_metadata:
        size = re.search(r"\bPhysicalSizeX=\"([0-9.eE+-]+)\"", tiff.ome_metadata)
        unit = re.search(r"\bPhysicalSizeXUnit=\"([^\"]+)\"", tiff.ome_metadata)
        return in_um(float(size.group(1)), html.unescape(unit.group(1)).strip() if unit else "µm") if size else None
    if tiff.is_imagej and tiff.imagej_metadata:
        tag = tiff.pages[0].tags.get("XResolution")
        if tag and tag.value[0] > 0:
            return in_um(tag.value[1] / tag.value[0], str(tiff.imagej_metadata.get("unit", "")))
    return None


@dataclass(frozen=True)
class FieldRow:
    """One field to be read.

    Attributes:
        files: for each channel its files (several = depth, flattened to the maximum); a field whose channels lie in one
            file has that file alone, and `planes` says which of its channels are wanted.
        planes: the channels wanted of a file that holds all of them, or None.
        number, of: which of how many fields in a file.
        columns: what is known of the field, and travels to its cells.
        full: the value of float files that stands for 65535, one for the whole set; None = they hold no floats.
    """

    files: tuple[tuple[Path, ...], ...]
    planes: tuple[int, ...] | None = None
    number: int = 0
    of: int = 1
    columns: Mapping[str, Any] = field(default_factory=dict)
    full: float | None = None


@dataclass
class FieldList:
    """Everything that a table or a folder names.

    Attributes:
        channels: their names, in the order of the crops' channels.
        nuclei: which of them holds the nuclei.
        where: the table or folder, for messages.
        base: the folder that paths are shown relative to.
        skipped: rows and files that cannot be fields: {file, reason}.
        notes: what was decided, in sentences.
        pixel_um: size of a pixel, if the files say it.
        looks: colour and display window of a channel, by its name, as far as the files say them.
    """

    fields: list[FieldRow]
    channels: tuple[str, ...]
    nuclei: int
    where: str
    base: Path
    skipped: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pixel_um: float | None = None
    looks: dict[str, Channel] = field(default_factory=dict)

    def as_channels(self, *, windows: bool) -> list[Channel]:
        """The channels with their colours ("" where no file says one).

        Args:
            windows: whether display windows hold (they do not where values are stretched).
        """
        found = [replace(self.looks.get(name, Channel(name, "")), name=name) for name in self.channels]
        return found if windows else [replace(channel, window=None) for channel in found]

    def shown(self, path: Path) -> str:
        """A path as it is written in tables and messages: relative to `base` where it lies below it."""
        return shown_below(self.base, path)

    def source(self, row: FieldRow) -> str:
        """`source` of a field's cells: the file of the nuclei, with `#number` where the file holds several fields."""
        files = row.files[0] if row.planes is not None else row.files[self.nuclei]
        return self.shown(files[0]) + (f"#{row.number}" if row.of > 1 else "")


def shown_below(base: Path, path: Path) -> str:
    """A path as it is written in tables and messages: relative to `base` where it lies below it."""
    return (path.relative_to(base) if path.is_relative_to(base) else path).as_posix()


class UnreadableField(Exception):
    """A field that is skipped: the file, and the reason."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(reason)
        self.path, self.reason = path, reason


def readable(
    listed: FieldList, skipped: list[dict[str, str]], report: Report, what: str
) -> Iterator[tuple[FieldRow, Array]]:
    """The fields with their pixels, one after another; one that cannot be read goes into `skipped` with its reason.

    Args:
        what: is done, for the report.
    """
    for done, row in enumerate(listed.fields):
        report(done, len(listed.fields), what)
        try:
            image = read_field(row)
        except UnreadableField as error:
            skipped.append({"file": listed.shown(error.path), "reason": error.reason})
            continue
        yield row, image


def read_field(row: FieldRow) -> Array:
    """(C, H, W) uint8 or uint16.

    Raises:
        UnreadableField: a file is missing or damaged, or the channels do not fit together.
    """
    if row.planes is not None:
        image = _read(row.files[0][0], row.number, row.full)
        if max(row.planes) >= len(image):
            raise UnreadableField(
                row.files[0][0], f"it has {len(image)} channels where {max(row.planes) + 1} are needed"
            )
        return image[list(row.planes)]
    channels = [_one_channel(files, row.number, row.full) for files in row.files]
    for files, channel in zip(row.files, channels, strict=True):
        if channel.shape != channels[0].shape:
            sizes = [f"{c.shape[1]}×{c.shape[0]}" for c in (channel, channels[0])]
            raise UnreadableField(files[0], f"it is {sizes[0]} px where the first channel is {sizes[1]}")
        if channel.dtype != channels[0].dtype:
            raise UnreadableField(files[0], f"it is {channel.dtype} where the first channel is {channels[0].dtype}")
    return np.stack(channels)


def _one_channel(files: tuple[Path, ...], number: int, full: float | None) -> Array:
    flat: Array | None = None
    for path in files:
        image = _read(path, number, full)
        if len(image) > 1 and not np.all(image == image[:1]):
            raise UnreadableField(path, f"it holds {len(image)} channels where one was expected")
        if flat is not None and image[0].shape != flat.shape:
            raise UnreadableField(path, "it has another size than the other planes of its stack")
        flat = image[0] if flat is None else np.maximum(flat, image[0])
    if flat is None:
        raise ValueError("a channel without files")
    return flat


def _read(path: Path, number: int, full: float | None) -> Array:
    try:
        return read_field_file(path, number, full)
    except (OSError, DataError) as error:
        raise UnreadableField(path, why(error)) from error


def float_values(path: Path) -> Array | None:
    """The values of the first series of a TIFF of floats; None for any other file, or one that cannot be read."""
    try:
        with open(path, "rb") as file:
            plain = not is_tiff(file.read(64))
        if plain:
            return None
        with _opened(path) as tiff:
            series = _series(tiff, path)[0]
            return series.asarray() if series.dtype.kind == "f" else None
    except (OSError, DataError):
        return None  # its field is skipped with the reason when it is read
