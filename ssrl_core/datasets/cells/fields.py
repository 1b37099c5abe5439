"""A field: which files its channels lie in, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ssrl_core.datasets.cells.field_files import read_field_file
from ssrl_core.datasets.imageset import Channel
from ssrl_core.datasets.reading.source import why
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class FieldRow:
    """One field to be read.

    Attributes:
        files: for each channel its files (several = depth, flattened to the maximum); a field whose channels lie in one
            file has that file alone, and `planes` says which of its channels are wanted.
        planes: the channels wanted of a file that holds all of them, or None.
        number, of: which of how many fields in a file.
        columns: what is known of the field, and travels to its cells.
    """

    files: tuple[tuple[Path, ...], ...]
    planes: tuple[int, ...] | None = None
    number: int = 0
    of: int = 1
    columns: Mapping[str, Any] = field(default_factory=dict)


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


def read_field(row: FieldRow) -> Array:
    """(C, H, W) uint8 or uint16.

    Raises:
        UnreadableField: a file is missing or damaged, or the channels do not fit together.
    """
    if row.planes is not None:
        image = _read(row.files[0][0], row.number)
        if max(row.planes) >= len(image):
            raise UnreadableField(
                row.files[0][0], f"it has {len(image)} channels where {max(row.planes) + 1} are needed"
            )
        return image[list(row.planes)]
    channels = [_one_channel(files, row.number) for files in row.files]
    for files, channel in zip(row.files, channels, strict=True):
        if channel.shape != channels[0].shape:
            sizes = [f"{c.shape[1]}×{c.shape[0]}" for c in (channel, channels[0])]
            raise UnreadableField(files[0], f"it is {sizes[0]} px where the first channel is {sizes[1]}")
        if channel.dtype != channels[0].dtype:
            raise UnreadableField(files[0], f"it is {channel.dtype} where the first channel is {channels[0].dtype}")
    return np.stack(channels)


def _one_channel(files: tuple[Path, ...], number: int) -> Array:
    flat: Array | None = None
    for path in files:
        image = _read(path, number)
        if len(image) > 1 and not np.all(image == image[:1]):
            raise UnreadableField(path, f"it holds {len(image)} channels where one was expected")
        if flat is not None and image[0].shape != flat.shape:
            raise UnreadableField(path, "it has another size than the other planes of its stack")
        flat = image[0] if flat is None else np.maximum(flat, image[0])
    if flat is None:
        raise ValueError("a channel without files")
    return flat


def _read(path: Path, number: int) -> Array:
    try:
        return read_field_file(path, number)
    except (OSError, DataError) as error:
        raise UnreadableField(path, why(error)) from error
