"""What was understood of a source of images: said before anything is written, kept with the image set, shown later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from ssrl_core.datasets.imageset import Channel
from ssrl_core.datasets.progress import Report
from ssrl_core.errors import SpecError

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ImportOptions:
    """What an import of images is told; what is None is understood from the source, and said.

    Attributes:
        title: the name for people; None = the image set's name.
        label: the column that is the truth, `none` = there is none; None = the class folder, `y`, or a column whose
            name says so.
        group: a column no value of which may be in two splits; None = wells, where they are known; `none` = nothing.
        size: the side that images are fitted to; needed where they have several (224 if it is left out).
        fit: crop (the short side fills, the middle is kept) | pad (the long side fits, 0 around it) | stretch.
        layout: NHW | NHWC | NCHW of an .npz whose sides do not tell.
        seed: decides the order and the split.
        max_value: the value of the files that stands for 1 (4095 for 12 bits in 16; 1 or 3.5 for floats).
        min_value: the value of the files that stands for 0; needed where numbers are negative.
        table: the table of a folder or a zip that names the images (its path inside); `none` = folders alone speak.
        names_in: the table's column of file names.
        class_level: which folder of a path is the class, 1 = the highest; `none` = no folder is.
        split: what splits the images: a column, or the number of a folder; `none` = the seed.
        channels: the names of the channels, in their order.
        pages: what the pages of a file are: images | channels | brightest (the maximum of all) | middle (one of them).
        orientation: tagged (turned as the file says) | stored.
        alpha: black | white (laid over it) | ignored | channel (one like the others).
        code_page: of names in a zip that carry no flag (`gbk`, `cp866` …).
        in_place: pixels stay in their files and are decoded when they are asked for; of a folder or tars, 8 bit.
    """

    title: str | None = None
    label: str | None = None
    group: str | None = None
    size: int | None = None
    fit: str = "crop"
    layout: str | None = None
    seed: int = 5
    max_value: float | None = None
    min_value: float | None = None
    table: str | None = None
    names_in: str | None = None
    class_level: int | str | None = None
    split: str | int | None = None
    channels: Sequence[str] | None = None
    pages: str | None = None
    orientation: str = "tagged"
    alpha: str = "black"
    code_page: str | None = None
    in_place: bool = False

    def checked(self) -> ImportOptions:
        """Itself.

        Raises:
            SpecError: a word that is not known, or a number out of its range.
        """
        for field_name, known in _WORDS.items():
            value = getattr(self, field_name)
            if value is not None and value not in known:
                raise told_wrong(field_name, f"one of {', '.join(known)}", value)
        whole = self.size is None or (isinstance(self.size, int | np.integer) and not isinstance(self.size, bool))
        if not whole or (self.size is not None and not 1 <= self.size <= MAX_SIZE):
            raise told_wrong("size", f"a whole number of pixels in 1..{MAX_SIZE}", self.size)
        level = self.class_level
        if level not in (None, NOTHING) and not (str(level).isdigit() and int(level) > 0):  # type: ignore[arg-type]
            raise told_wrong("class_level", "the number of a folder from 1 on, or none", level)
        return self


MAX_SIZE = 4096
WAYS = ("crop", "pad", "stretch")
PAGES = ("images", "channels", "brightest", "middle")
ORIENTATIONS = ("tagged", "stored")
ALPHAS = ("black", "white", "ignored", "channel")
NOTHING = "none"  # of an option: there is none, whatever the source says
_WORDS = {"fit": WAYS, "pages": PAGES, "orientation": ORIENTATIONS, "alpha": ALPHAS}


def told_wrong(field_name: str, rule: str, value: Any) -> SpecError:
    """What is wrong with an option, by its name on the command line."""
    return SpecError.at("data import", f"--{field_name.replace('_', '-')}", rule, value)


@dataclass(frozen=True)
class Level:
    """Folders of one level of all paths: its number (1 = the highest), how many there are, and some of their names."""

    number: int
    count: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """How a source is laid out.

    Attributes:
        kind: folders | table | files | npz | fields.
        table: the table that names the files.
        names_in: its column of file names.
        split_level, class_level: which folder of a path (1 = the highest) is the split, and which the class.
        split_column: the column that is the split.
    """

    kind: str
    table: str | None = None
    names_in: str | None = None
    split_level: int | None = None
    class_level: int | None = None
    split_column: str | None = None


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
        folders, tables: what the source has of them, from which another reading could be chosen.
        counts: class ("" = none) -> split ("" = the seed decides) -> images; empty before the heads were read.
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
    folders: tuple[Level, ...] = ()
    tables: tuple[str, ...] = ()
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
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
        planned: the table of the images that are expected.
        sample: some of these rows, and their images, as they would come, or `whole`: before they are fitted. Rows that
            cannot be read are left out.
        in_place: writes down how images of these sources are decoded later; None where they cannot stay in their files.
    """

    understood: Understanding
    pixels: Iterable[Array]
    table: Callable[[], pd.DataFrame]
    planned: pd.DataFrame
    sample: Callable[[Sequence[int], bool], tuple[list[int], list[Array]]]
    in_place: Callable[[Path, list[str]], None] | None = None


class Listing(Protocol):
    """The images of a source, listed without looking into them."""

    understood: Understanding

    def read(self, options: ImportOptions, report: Report) -> Reading:
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
