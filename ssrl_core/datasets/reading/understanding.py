"""What was understood of a source of images: said before anything is written, kept with the image set, shown later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from ssrl_core.datasets.imageset import Channel
from ssrl_core.datasets.progress import Report

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Layout:
    """How a source is laid out.

    Attributes:
        kind: folders | table | files | npz | fields.
        table: the table that names the files.
        names_in: its column of file names.
        split_level, class_level: which folder of a path (0 = the highest) is the split, and which the class.
    """

    kind: str
    table: str | None = None
    names_in: str | None = None
    split_level: int | None = None
    class_level: int | None = None


@dataclass(frozen=True)
class Column:
    """A column that comes with the images: `kind` is text, number or truth, as its values were taken."""

    name: str
    kind: str = "text"
    values: int | None = None  # different ones; None = not counted


@dataclass(frozen=True)
class Guess:
    """What nobody said: which thing, what it was taken for, and from what."""

    what: str
    taken: str
    because: str


@dataclass
class Understanding:
    """Everything that importing decides about a source, apart from the pixels.

    Attributes:
        source: its name.
        columns: what is known of each image; those that may be a label.
        label, group: the column that is the truth, and the one that no two splits share; None = there is none.
        classes: class names in order, or None for those that occur.
        channels: their names, or what the files say of them; None = nothing.
        shape: (C, H, W) that all images are brought to; None = it is not known before the pixels are read.
        max_value: the pixel value that stands for 1; None = the largest of the type.
        skipped: what is left out, and why: {file, reason}; reading the pixels may add to it.
        guessed: what was not said by the user.
        notes: what was decided on the way, in sentences.
    """

    source: str
    layout: Layout
    columns: tuple[Column, ...] = ()
    label: str | None = None
    group: str | None = None
    classes: list[str] | None = None
    channels: Sequence[Channel | str] | None = None
    shape: tuple[int, int, int] | None = None
    max_value: int | None = None
    skipped: list[dict[str, str]] = field(default_factory=list)
    guessed: list[Guess] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def column_names(self) -> list[str]:
        """Names of the columns, in their order."""
        return [column.name for column in self.columns]

    def as_json(self) -> dict[str, Any]:
        """Plain values; channels by their names."""
        names = None if self.channels is None else [c if isinstance(c, str) else c.name for c in self.channels]
        return {**asdict(self), "channels": names}

    def guess(self, what: str, taken: str, because: str) -> None:
        """Note what nobody said."""
        self.guessed.append(Guess(what, taken, because))


@dataclass
class Reading:
    """Images still to be streamed.

    Attributes:
        pixels: chunks (n, C, H, W).
        table: the table of the images that came through; called after the last chunk.
    """

    understood: Understanding
    pixels: Iterable[Array]
    table: Callable[[], pd.DataFrame]


class Listing(Protocol):
    """The images of a source, listed without looking into them."""

    understood: Understanding

    def read(self, size: int | None, way: str, report: Report) -> Reading:
        """Look at the heads of all images; their pixels, brought to `size` (None: as they are, if they agree).

        Raises:
            DataError: not one can be read.
        """
        ...


def columns_of(table: pd.DataFrame, *, without: Sequence[str] = ()) -> tuple[Column, ...]:
    """The columns of a table, with the type that their values were taken for."""
    kept = [name for name in table.columns if str(name) not in without]
    return tuple(Column(str(name), _kind(table[name]), int(table[name].nunique())) for name in kept)


def _kind(values: pd.Series[Any]) -> str:
    if pd.api.types.is_bool_dtype(values):
        return "truth"
    return "number" if pd.api.types.is_numeric_dtype(values) else "text"
