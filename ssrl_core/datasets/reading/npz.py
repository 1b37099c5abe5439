"""An `.npz` of images, read piece by piece (docs/contracts.md C2).

`x`, or `x_train` / `x_val` / `x_test`: (N,H,W), (N,H,W,C) or (N,C,H,W). `y…`: labels. `names`: class names. `scale`: a
number that `x` is multiplied by. `channels`: channel names. `max_value`: the pixel value that stands for 1. Any other
1-D array of length N is a column. Memory: 16 MB of pixels at a time, and the columns.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.columns import class_names
from ssrl_core.datasets.progress import Report
from ssrl_core.datasets.reading.archives import DAMAGED_MEMBER, ArrayHeader, headers, pieces, whole
from ssrl_core.datasets.reading.image import all_fitted
from ssrl_core.datasets.reading.scale import camera_top
from ssrl_core.datasets.reading.understanding import (
    Column,
    ImportOptions,
    Layout,
    Reading,
    Understanding,
    columns_of,
    told_wrong,
)
from ssrl_core.errors import DataError, SpecError

Array = np.ndarray[Any, Any]
_REMEDY = "Save x as uint8, uint16, or in 0..1, or say what stands for 0 and for 1: --min-value, --max-value."


@dataclass(frozen=True)
class Conversion:
    """`round((x - zero) * factor)` as `dtype`; `full` stands for 1 (None: the largest of the type)."""

    dtype: str
    factor: float = 1.0
    note: str = ""
    full: int | None = None
    zero: float = 0.0
    clipped: bool = False

    def apply(self, values: Array, where: str) -> Array:
        """Pixel values of the same shape.

        Raises:
            DataError: a value that does not fit.
        """
        if values.dtype.name == self.dtype and self.factor == 1:
            return values
        top = float(np.iinfo(self.dtype).max)
        scaled = (values.astype(np.float64) - self.zero) * self.factor
        if self.clipped:
            return np.rint(np.clip(np.nan_to_num(scaled), 0, top)).astype(self.dtype)
        low, high = float(scaled.min(initial=0)), float(scaled.max(initial=0))
        if not (low >= 0 and high <= top + 0.5):
            raise DataError.at(where, "pixel values (times `scale`)", f"in 0..{top:.0f}", [low, high], _REMEDY)
        return np.rint(scaled).astype(self.dtype)


def conversion_for(
    archive: zipfile.ZipFile,
    arrays: list[ArrayHeader],
    scale: float | None,
    where: str,
    zero: float | None = None,
    one: float | None = None,
) -> Conversion:
    """How the numbers of some arrays become pixel values; types other than 8 and 16 bit are looked through once.

    Args:
        zero, one: the numbers that stand for 0 and 1, where somebody says so.

    Raises:
        DataError: text, complex numbers, negative or too large values, fractions above 1, NaN.
    """
    dtype = arrays[0].dtype
    if any(other.dtype != dtype for other in arrays):
        raise DataError.at(where, "x_train and x_test", "of one type", [str(a.dtype) for a in arrays])
    if dtype.kind == "b":
        return Conversion("uint8", 255.0)
    if dtype.kind not in "uif":
        raise DataError.at(where, "x", "numbers", str(dtype), _REMEDY)
    if zero is not None or (one is not None and (not float(one).is_integer() or one <= 1)):
        return _told_range(zero or 0.0, one)
    if scale is not None and scale != 1:
        wide = dtype.itemsize > 1 or scale > 1
        return Conversion("uint16" if wide else "uint8", scale, f"x was multiplied by its scale, {scale:g}")
    if dtype == np.uint8:
        return Conversion("uint8", full=int(one) if one is not None else None)
    looked = _looked_through(archive, arrays, where)
    return replace(looked, full=int(one)) if one is not None else looked


def _told_range(zero: float, one: float | None) -> Conversion:
    """Numbers of a range that somebody names, as 16 bit."""
    if one is None or one <= zero:
        raise told_wrong("max_value", f"given, above {zero:g}, what stands for 0", one)
    note = f"{zero:g} stands for 0 and {one:g} for 1"
    return Conversion("uint16", 65535 / (one - zero), note, zero=zero, clipped=True)


def _looked_through(archive: zipfile.ZipFile, arrays: list[ArrayHeader], where: str) -> Conversion:
    low, high, whole, bytewise = np.inf, -np.inf, True, True
    for array in arrays:
        for piece in pieces(archive, array, where):
            low, high = min(low, float(piece.min())), max(high, float(piece.max()))
            if not (np.isfinite(low) and np.isfinite(high)):
                raise DataError.at(where, "x", "free of NaN and infinity", "NaN or infinity", _REMEDY)
            if piece.dtype.kind == "f":
                whole = whole and bool(np.all(piece == np.rint(piece)))
                bytewise = bytewise and bool(np.all(np.abs(piece * 255 - np.rint(piece * 255)) < 1e-3))
    kind = arrays[0].dtype.kind
    if low >= 0 and whole and (high > 1 or kind in "iu") and high <= 65535:
        kept = "uint16" if high > 255 or (kind == "u" and arrays[0].dtype.itemsize == 2) else "uint8"
        return Conversion(kept, full=camera_top(high) if kept == "uint16" else None)
    if low >= 0 and high <= 1 and kind == "f":
        dtype = "uint8" if bytewise else "uint16"
        return Conversion(dtype, float(np.iinfo(dtype).max), f"numbers in 0..1 were stored as {dtype}")
    raise DataError.at(where, "x", "in 0..1, or whole numbers in 0..65535", f"{low:g} to {high:g}", _REMEDY)


LAYOUTS = ("NHW", "NHWC", "NCHW")
_FEW = 16  # more channels than this are not guessed unless the sides agree
_COLOURS = 4


def find_layout(shapes: list[tuple[int, ...]], asked: str | None, where: str) -> str:
    """The layout of arrays of images; asked for, or read from the sides.

    Channels are fewer than the sides. Where the second and the last axis could both be channels, it is not guessed.

    Raises:
        SpecError: an unknown layout, or one that does not fit.
        DataError: not images, empty images, arrays of different sides, or an ambiguous layout.
    """
    shape = shapes[0]
    if any(other[1:] != shape[1:] for other in shapes):
        raise DataError.at(where, "x_train and x_test", "of the same sides", [s[1:] for s in shapes])
    if len(shape) not in (3, 4) or 0 in shape[1:]:
        raise DataError.at(where, "x", "(N,H,W), (N,H,W,C) or (N,C,H,W)", shape)
    if asked is not None:
        return _asked(asked.strip().upper(), shape, where)
    if len(shape) == 3:
        return "NHW"
    return _guess(shape, where)


def channels_first(images: Array, layout: str) -> Array:
    """(n, C, H, W) of images in any layout."""
    if layout == "NHW":
        return images[:, None]
    return np.moveaxis(images, -1, 1) if layout == "NHWC" else images


def _asked(layout: str, shape: tuple[int, ...], where: str) -> str:
    if layout not in LAYOUTS or len(layout) != len(shape):
        fitting = [name for name in LAYOUTS if len(name) == len(shape)]
        raise SpecError.at(where, "--layout", f"{' or '.join(fitting)} for x of {shape}", layout)
    return layout


def _guess(shape: tuple[int, ...], where: str) -> str:
    _, second, third, last = shape
    first_possible = second <= _FEW and second < third
    last_possible = last <= _FEW and last < third
    if first_possible and not last_possible:
        return "NCHW"
    if last_possible and not first_possible:
        return "NHWC"
    if second == third != last or (last <= _COLOURS and second >= 2 * _COLOURS):
        return "NHWC"
    if third == last != second or (second <= _COLOURS and last >= 2 * _COLOURS):
        return "NCHW"
    remedy = "Say which axis is the channels: --layout NCHW or --layout NHWC."
    if second == third == last:
        remedy = "Volumes are not read: save one plane or the brightest of each, (N,H,W). " + remedy
    raise DataError.at(where, "the layout of x", "clear from its sides", shape, remedy)


_PARTS = ("train", "val", "test")
_SPECIAL = {"names", "scale", "channels", "max_value"}


@dataclass(frozen=True)
class _Part:
    """One array of images and the split it stands for (None: not split)."""

    key: str
    split: str | None
    header: ArrayHeader


class NpzImages:
    """The arrays of an .npz, listed by their headers (see `Listing`).

    Args:
        path: of the file.
        layout: NHW | NHWC | NCHW; None = read from the sides.
        label: the column that is the truth; None = `y`, or a column called label or class.

    Raises:
        DataError: not an .npz, object arrays, or no `x`.
    """

    def __init__(self, path: Path, *, layout: str | None, label: str | None) -> None:
        self._where, self._layout, self._asked = str(path), layout, label
        try:
            self._archive = zipfile.ZipFile(path)
            self._found = _renamed(headers(self._archive, self._where))
        except (OSError, *DAMAGED_MEMBER) as error:
            raise DataError(
                f"{self._where}: this is not a readable .npz ({error}). Save it again with numpy.savez_compressed."
            ) from error
        self._parts = _parts(self._found, self._where)
        self.understood = Understanding(path.name, Layout("npz"), tuple(map(Column, self._fitting())), label)

    def read(self, options: ImportOptions, report: Report) -> Reading:
        """See Listing.

        Raises:
            DataError: an ambiguous layout, numbers that are not pixel values, `y` of another length.
        """
        found, said = [part.header for part in self._parts], self.understood
        layout = find_layout([header.shape for header in found], self._layout, self._where)
        if self._layout is None:
            said.guess("layout of x", layout, "its sides")
        range_told = (options.min_value, options.max_value)
        conversion = conversion_for(self._archive, found, self._scalar("scale"), self._where, *range_told)
        said.notes += [conversion.note] if conversion.note else []
        table, classes, truth = self._table()
        said.columns = columns_of(table, without=("source",))
        said.classes = classes if self._asked in (None, truth, "y") else None
        said.label = _label(self._asked, truth, table)
        said.channels = self._texts("channels")
        top = self._scalar("max_value") if options.max_value is None else None
        said.max_value = int(top) if top is not None else conversion.full
        if top is None and conversion.full and options.max_value is None:
            said.guess("the value that stands for 1", str(conversion.full), "the largest value of x")
        shape = found[0].shape
        channels, height, width = channels_first(np.empty((0, *shape[1:]), np.uint8), layout).shape[1:]
        side = options.size
        said.shape = (channels, side or height, side or width)
        pixels = self._stream(layout, conversion, report)
        reading = Reading(
            said, pixels, lambda: table, table, lambda rows, whole: self._sample(rows, layout, conversion)
        )
        return all_fitted(reading, side, options.fit)

    def _sample(self, rows: Sequence[int], layout: str, conversion: Conversion) -> tuple[list[int], list[Array]]:
        """See Reading.sample; what lies behind the last row is not read."""
        wanted, found, start = sorted(rows), dict[int, Array](), 0
        for part in self._parts:
            for piece in pieces(self._archive, part.header, self._where):
                here = [row for row in wanted if start <= row < start + len(piece)]
                if here:
                    chosen = piece[[row - start for row in here]]
                    found |= zip(here, channels_first(conversion.apply(chosen, self._where), layout), strict=True)
                start += len(piece)
                if not wanted or start > wanted[-1]:
                    break
        return [row for row in rows if row in found], [found[row] for row in rows if row in found]

    def _fitting(self) -> list[str]:
        """The columns that may be a label, by their headers; `y` first if there is one."""
        found, total = self._found, sum(self._counts)
        suffixed = {key for key in found if any(part.split and key.endswith(f"_{part.split}") for part in self._parts)}
        fitting = {key for key, header in found.items() if header.shape == (total,)}
        fitting |= {key.rsplit("_", 1)[0] for key in suffixed}
        return ["y"] * self._labelled + [name for name in self._column_names() if name in fitting]

    @property
    def _counts(self) -> list[int]:
        return [part.header.shape[0] for part in self._parts]

    @property
    def _labelled(self) -> bool:
        return any(key == "y" or key.startswith("y_") for key in self._found)

    def _stream(self, layout: str, conversion: Conversion, report: Report) -> Iterator[Array]:
        total, done = sum(self._counts), 0
        with self._archive:  # a sample is read before
            for part in self._parts:
                for piece in pieces(self._archive, part.header, self._where):
                    yield channels_first(conversion.apply(piece, self._where), layout)
                    done += len(piece)
                    report(done, total, "reading images")

    def _table(self) -> tuple[pd.DataFrame, list[str] | None, str | None]:
        """The columns, the class names of `y` if there are any, and the column that holds `y`."""
        keys = [f"{part.key}[{i}]" for part in self._parts for i in range(part.header.shape[0])]
        columns: dict[str, Any] = {"source": [f"{self.understood.source}#{key}" for key in keys]}
        if self._parts[0].split is not None:
            columns["split"] = np.repeat([part.split for part in self._parts], self._counts)
        labels = self._labels()
        several = self._several_labels() if labels is None and self._labelled else {}
        columns |= several
        if labels is None and self._labelled and not several:
            lengths = {key: header.shape for key, header in self._found.items() if key == "y" or key.startswith("y_")}
            rule = f"one value for each of the {sum(self._counts)} images"
            raise DataError.at(self._where, "y", rule, lengths)
        for name in self._column_names():
            values = self._joined(name)
            if values is not None and name not in columns:
                columns[name] = values
        names, table = self._texts("names") if not several else None, pd.DataFrame(columns)
        if labels is None:
            return _with_names_column(table, names), None, None
        truth = "y" if "label" in table.columns else "label"
        words, classes = _named(pd.Series(labels, name="y"), names, self._where, self.understood)
        table.insert(len(table.columns) if "split" not in table else 2, truth, pd.Series(words, dtype="object"))
        return table, classes, truth

    def _column_names(self) -> list[str]:
        suffixes = [f"_{part.split}" for part in self._parts if part.split]
        names: list[str] = []
        for key, header in self._found.items():
            stem = next((key.removesuffix(s) for s in suffixes if key.endswith(s)), key)
            if stem in {"x", "y"} | _SPECIAL or len(header.shape) != 1 or stem in names:
                continue
            names.append(stem)
        return names

    def _joined(self, name: str) -> Array | None:
        """The column `name` over all parts, or None when it does not have one value for each image."""
        if name in self._found:
            return self._column(name, sum(self._counts))
        columns = [self._column(f"{name}_{part.split or part.key.removeprefix('x_')}", n) for part, n in self._sized()]
        known = [column for column in columns if column is not None]
        return np.concatenate(known) if len(known) == len(columns) else None

    def _labels(self) -> Array | None:
        """`y` over all parts; of columns of 0 and 1 for each class, which is 1; missing in a part without."""
        whole_y = self._joined("y")
        if whole_y is not None:
            return whole_y
        if "y" in self._found:
            return self._one_hot("y", sum(self._counts))
        parts = [self._one_hot(f"y_{part.split or part.key.removeprefix('x_')}", n) for part, n in self._sized()]
        if all(part is None for part in parts):
            return None
        lacking = [p.key for p, part in zip(self._parts, parts, strict=True) if part is None]
        if any(f"y_{key.removeprefix('x_')}" in self._found for key in lacking):
            return None  # it is there, and of another length
        if lacking:
            self.understood.notes.append(f"{' and '.join(lacking)} have no y: these images have no label")
        gaps = [np.full(n, None, object) if part is None else part for part, n in zip(parts, self._counts, strict=True)]
        return np.concatenate([gap.astype(object) for gap in gaps]) if lacking else np.concatenate(gaps)

    def _one_hot(self, key: str, count: int) -> Array | None:
        """Labels of an array: (count,), or the places of the ones of (count, classes)."""
        plain = self._column(key, count)
        if plain is not None or key not in self._found:
            return plain
        values = self._of_each_class(key, count)
        if values is None or not (values.sum(axis=1) == 1).all():
            return None
        self.understood.guess("label", f"which of the {values.shape[1]} columns of {key} is 1", "in each row one is")
        places: Array = values.argmax(axis=1)
        return places

    def _of_each_class(self, key: str, count: int) -> Array | None:
        """(count, classes) of 0 and 1; None where an array is something else."""
        values = whole(self._archive, self._found[key], self._where)
        fits = values.ndim == 2 and len(values) == count and values.dtype.kind in "buif"
        return values if fits and np.isin(values, (0, 1)).all() else None

    def _several_labels(self) -> dict[str, Array]:
        """A column of 0 and 1 for each class where images may be of several; none is the label."""
        keys = [("y", sum(self._counts))] if "y" in self._found else []
        keys = keys or [(f"y_{part.split or part.key.removeprefix('x_')}", n) for part, n in self._sized()]
        parts = [self._of_each_class(key, n) if key in self._found else None for key, n in keys]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts) or len({part.shape[1] for part in known}) > 1:
            return {}
        every = np.concatenate(known).astype(np.uint8)
        names = self._texts("names")
        called = names if names and len(names) == every.shape[1] else [f"y {i}" for i in range(every.shape[1])]
        shown = f"{called[0]} … {called[-1]}"
        self.understood.notes.append(f"images may be of several classes: columns {shown}, none of which is the label")
        return dict(zip(called, every.T, strict=True))

    def _sized(self) -> Iterator[tuple[_Part, int]]:
        return zip(self._parts, self._counts, strict=True)

    def _column(self, key: str, count: int) -> Array | None:
        """(count,) values of an array, one column of two axes taken as one; None where it is not there, or longer."""
        if key not in self._found:
            return None
        values = whole(self._archive, self._found[key], self._where)
        values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
        return values if values.shape == (count,) else None

    def _scalar(self, key: str) -> float | None:
        if key not in self._found:
            return None
        value = whole(self._archive, self._found[key], self._where)
        number = float(value.ravel()[0]) if value.size == 1 and value.dtype.kind in "iuf" else float("nan")
        if not (np.isfinite(number) and number > 0):
            raise DataError.at(self._where, key, "one number above 0", value.tolist())
        return number

    def _texts(self, key: str) -> list[str] | None:
        if key not in self._found:
            return None
        values = whole(self._archive, self._found[key], self._where).ravel()
        return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values.tolist()]


def _renamed(found: dict[str, ArrayHeader]) -> dict[str, ArrayHeader]:
    """The arrays by our names: MedMNIST's `train_images` and `train_labels`, and capitals, are `x_train` and so on."""
    plain = _by_place(found) or {k: v for k, v in (("images", "x"), ("labels", "y")) if k in found and v not in found}
    ours = {"images": "x", "image": "x", "labels": "y", "label": "y", "x": "x", "y": "y"}
    renamed = {}
    for key, header in found.items():
        split, _, kind = key.lower().rpartition("_")
        name = f"{ours[kind]}_{split}" if split in _PARTS and kind in ours else key
        name = key.lower() if key in ("X", "Y") else plain.get(key, name) if "x" in plain.values() else name
        renamed[name if name == key or name not in found else key] = header
    return renamed


def _by_place(found: dict[str, ArrayHeader]) -> dict[str, str]:
    """The arrays that numpy.savez was given without names: images, and a value for each."""
    shapes = {key: header.shape for key, header in found.items() if key in ("arr_0", "arr_1")}
    if len(shapes) < len(found) or len(shapes.get("arr_0", ())) < 3:
        return {}
    return {"arr_0": "x"} | ({"arr_1": "y"} if shapes.get("arr_1", ())[:1] == shapes["arr_0"][:1] else {})


def _parts(found: dict[str, ArrayHeader], where: str) -> list[_Part]:
    if "x" in found:
        return [_Part("x", None, found["x"])]
    given = [split for split in _PARTS if f"x_{split}" in found]
    if not given:
        raise DataError.at(
            where,
            "the arrays",
            "x, or x_train and x_test, (N,H,W[,C]) or (N,C,H,W)",
            sorted(found)[:12],
            "Save the images under the name x.",
        )
    return [_Part(f"x_{split}", split if len(given) > 1 else None, found[f"x_{split}"]) for split in given]


def _named(
    labels: pd.Series[Any], names: list[str] | None, where: str, understood: Understanding
) -> tuple[list[str | None], list[str] | None]:
    """Labels as class names: numbers count into `names` where those are given (from 1, where they say so); -1 is
    missing."""
    words = [None if word == "nan" else word for word in class_names(labels)]  # so numpy writes a gap among text
    numbers = pd.api.types.is_numeric_dtype(labels.infer_objects())
    first = 0
    if names is not None and numbers and str(len(names)) in words and "0" not in words:
        first = 1
        understood.guess("label", "y counts from 1", f"it goes to {len(names)}, as many as there are names, without 0")
    if names is None or (not numbers and set(words) - {None} <= set(names)):
        return words, names
    out: list[str | None] = []
    for word in words:
        if word is None or word == "-1":
            out.append(None)
        elif word.isdigit() and first <= int(word) < len(names) + first:
            out.append(names[int(word) - first])
        else:
            raise DataError.at(where, "y", f"0..{len(names) - 1} (a place in `names`), or -1 where missing", word)
    return out, names


def _with_names_column(table: pd.DataFrame, names: list[str] | None) -> pd.DataFrame:
    """Without `y`, `names` of length N is a column like any other."""
    return table.assign(names=names) if names is not None and len(names) == len(table) else table


def _label(asked: str | None, truth: str | None, table: pd.DataFrame) -> str | None:
    if asked == "y" and truth is not None and "y" not in table.columns:
        return truth
    return asked or truth or next((c for c in ("label", "class") if c in table.columns), None)
