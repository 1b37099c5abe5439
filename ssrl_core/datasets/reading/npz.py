"""An `.npz` of images, read piece by piece (CONTRACTS C2).

`x`, or `x_train` / `x_val` / `x_test`: (N,H,W), (N,H,W,C) or (N,C,H,W). `y…`: labels. `names`: class names. `scale`: a
number that `x` is multiplied by. `channels`: channel names. `max_value`: the pixel value that stands for 1. Any other
1-D array of length N is a column. Memory: 16 MB of pixels at a time, and the columns.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.labels import class_names
from ssrl_core.datasets.progress import Report, told
from ssrl_core.datasets.reading.npz_arrays import ArrayHeader, Conversion, conversion_for, headers, pieces, whole
from ssrl_core.datasets.reading.outcome import Outcome
from ssrl_core.errors import DataError, SpecError

Array = np.ndarray[Any, Any]
LAYOUTS = ("NHW", "NHWC", "NCHW")
_FEW = 16  # more channels than this are not guessed unless the sides agree
_COLOURS = 4


@dataclass(frozen=True)
class Form:
    """One of NHW, NHWC, NCHW, and a sentence if it was guessed from the sides."""

    name: str
    note: str = ""


def find_layout(shapes: list[tuple[int, ...]], asked: str | None, where: str) -> Form:
    """The layout of arrays of images; asked for, or read from the sides.

    Channels are fewer than the sides. Where the second and the last axis could both be channels, it is not guessed.

    Raises:
        SpecError: an unknown layout, or one that does not fit.
        DataError: not images, empty images, arrays of different sides, or an ambiguous layout.
    """
    shape = shapes[0]
    if any(other[1:] != shape[1:] for other in shapes):
        raise DataError(
            where=where, field="x_train and x_test", rule="of the same sides", value=[s[1:] for s in shapes]
        )
    if len(shape) not in (3, 4) or 0 in shape[1:]:
        raise DataError(where=where, field="x", rule="(N,H,W), (N,H,W,C) or (N,C,H,W)", value=shape)
    if asked is not None:
        return _asked(asked.strip().upper(), shape, where)
    if len(shape) == 3:
        return Form("NHW")
    return Form(_guess(shape, where))


def channels_first(images: Array, form: Form) -> Array:
    """(n, C, H, W) of images in any layout."""
    if form.name == "NHW":
        return images[:, None]
    return np.moveaxis(images, -1, 1) if form.name == "NHWC" else images


def _asked(layout: str, shape: tuple[int, ...], where: str) -> Form:
    if layout not in LAYOUTS or len(layout) != len(shape):
        fitting = [name for name in LAYOUTS if len(name) == len(shape)]
        raise SpecError(where=where, field="--layout", rule=f"{' or '.join(fitting)} for x of {shape}", value=layout)
    return Form(layout)


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
    raise DataError(
        where=where,
        field="the layout of x",
        rule="clear from its sides",
        value=shape,
        remedy="Say which axis is the channels: --layout NCHW or --layout NHWC.",
    )


_PARTS = ("train", "val", "test")
_SPECIAL = {"names", "scale", "channels", "max_value"}


@dataclass(frozen=True)
class _Part:
    """One array of images and the split it stands for (None: not split)."""

    key: str
    split: str | None
    header: ArrayHeader


def read_npz(path: Path, *, layout: str | None, label: str | None, report: Report | None = None) -> Outcome:
    """What an .npz holds, its pixels still to be read.

    Raises:
        DataError: not an .npz, object arrays, no `x`, an ambiguous layout, numbers that are not pixel values.
    """
    where = str(path)
    try:
        archive = zipfile.ZipFile(path)
        found = headers(archive, where)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(
            f"{where}: this is not a readable .npz ({error}). Save it again with numpy.savez_compressed."
        ) from error
    parts = _parts(found, where)
    form = find_layout([part.header.shape for part in parts], layout, where)
    scale = _scalar(archive, found, "scale", where)
    conversion = conversion_for(archive, [part.header for part in parts], scale, where)
    table, classes, truth = _table(archive, found, parts, where)
    top = _scalar(archive, found, "max_value", where)
    return Outcome(
        pixels=_stream(archive, parts, form, conversion, told(report), where),
        table=lambda: table,
        label=_label(label, truth, table),
        classes=classes if label in (None, truth, "y") else None,
        channels=_texts(archive, found, "channels", where),
        max_value=int(top) if top is not None else None,
        source=path.name,
        notes=[note for note in (form.note, conversion.note) if note],
    )


def _parts(found: dict[str, ArrayHeader], where: str) -> list[_Part]:
    if "x" in found:
        return [_Part("x", None, found["x"])]
    given = [split for split in _PARTS if f"x_{split}" in found]
    if not given:
        raise DataError(
            where=where,
            field="the arrays",
            rule="x, or x_train and x_test, (N,H,W[,C]) or (N,C,H,W)",
            value=sorted(found)[:12],
            remedy="Save the images under the name x.",
        )
    return [_Part(f"x_{split}", split if len(given) > 1 else None, found[f"x_{split}"]) for split in given]


def columns_of(archive: zipfile.ZipFile, where: str) -> list[str]:
    """The columns of an .npz that may be a label; `y` first if there is one."""
    found = headers(archive, where)
    parts = _parts(found, where)
    total = sum(part.header.shape[0] for part in parts)
    labelled = ["y"] if any(key == "y" or key.startswith("y_") for key in found) else []
    suffixed = {key for key in found if any(part.split and key.endswith(f"_{part.split}") for part in parts)}
    fitting = {key for key, header in found.items() if header.shape == (total,)} | {
        k.rsplit("_", 1)[0] for k in suffixed
    }
    return labelled + [name for name in _column_names(found, parts) if name in fitting]


def _stream(
    archive: zipfile.ZipFile, parts: list[_Part], form: Any, conversion: Conversion, report: Report, where: str
) -> Iterator[Array]:
    total, done = sum(part.header.shape[0] for part in parts), 0
    with archive:
        for part in parts:
            for piece in pieces(archive, part.header, where):
                yield channels_first(conversion.apply(piece, where), form)
                done += len(piece)
                report(done, total, "reading images")


def _table(
    archive: zipfile.ZipFile, found: dict[str, ArrayHeader], parts: list[_Part], where: str
) -> tuple[pd.DataFrame, list[str] | None, str | None]:
    """The columns, the class names of `y` if there are any, and the column that holds `y`."""
    counts = [part.header.shape[0] for part in parts]
    keys = [f"{part.key}[{i}]" for part in parts for i in range(part.header.shape[0])]
    columns: dict[str, Any] = {"source": [f"{where.rsplit('/', 1)[-1]}#{key}" for key in keys]}
    if parts[0].split is not None:
        columns["split"] = np.repeat([part.split for part in parts], counts)
    labels = _joined(archive, found, "y", parts, where)
    if labels is None and any(key == "y" or key.startswith("y_") for key in found):
        lengths = {key: header.shape for key, header in found.items() if key == "y" or key.startswith("y_")}
        raise DataError(where=where, field="y", rule=f"one value for each of the {sum(counts)} images", value=lengths)
    for name in _column_names(found, parts):
        values = _joined(archive, found, name, parts, where)
        if values is not None and name not in columns:
            columns[name] = values
    names = _texts(archive, found, "names", where)
    table = pd.DataFrame(columns)
    if labels is None:
        return _with_names_column(table, names), None, None
    truth = "y" if "label" in table.columns else "label"
    words, classes = _named(pd.Series(labels, name="y"), names, where)
    table.insert(len(table.columns) if "split" not in table else 2, truth, pd.Series(words, dtype="object"))
    return table, classes, truth


def _column_names(found: dict[str, ArrayHeader], parts: list[_Part]) -> list[str]:
    suffixes = [f"_{part.split}" for part in parts if part.split]
    names: list[str] = []
    for key, header in found.items():
        stem = next((key.removesuffix(s) for s in suffixes if key.endswith(s)), key)
        if stem in {"x", "y"} | _SPECIAL or len(header.shape) != 1 or stem in names:
            continue
        names.append(stem)
    return names


def _joined(
    archive: zipfile.ZipFile, found: dict[str, ArrayHeader], name: str, parts: list[_Part], where: str
) -> Array | None:
    """The column `name` over all parts, or None when it does not have one value for each image."""
    counts = [part.header.shape[0] for part in parts]
    if name in found:
        values = whole(archive, found[name], where)
        values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
        return values if values.shape == (sum(counts),) else None
    pieces_found = []
    for part, count in zip(parts, counts, strict=True):
        header = found.get(f"{name}_{part.split or part.key.removeprefix('x_')}")
        if header is None:
            return None
        values = whole(archive, header, where)
        values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
        if values.shape != (count,):
            return None
        pieces_found.append(values)
    return np.concatenate(pieces_found)


def _named(labels: pd.Series[Any], names: list[str] | None, where: str) -> tuple[list[str | None], list[str] | None]:
    """Labels as class names: numbers count into `names` where those are given, -1 is missing."""
    words = class_names(labels)
    if names is None or set(words) - {None} <= set(names):
        return words, names
    out: list[str | None] = []
    for word in words:
        if word is None or word == "-1":
            out.append(None)
        elif word.isdigit() and int(word) < len(names):
            out.append(names[int(word)])
        else:
            raise DataError(
                where=where,
                field="y",
                rule=f"0..{len(names) - 1} (a place in `names`), or -1 where missing",
                value=word,
            )
    return out, names


def _with_names_column(table: pd.DataFrame, names: list[str] | None) -> pd.DataFrame:
    """Without `y`, `names` of length N is a column like any other."""
    return table.assign(names=names) if names is not None and len(names) == len(table) else table


def _label(asked: str | None, truth: str | None, table: pd.DataFrame) -> str | None:
    if asked == "y" and truth is not None and "y" not in table.columns:
        return truth
    return asked or truth or next((c for c in ("label", "class") if c in table.columns), None)


def _scalar(archive: zipfile.ZipFile, found: dict[str, ArrayHeader], key: str, where: str) -> float | None:
    if key not in found:
        return None
    value = whole(archive, found[key], where)
    if value.size != 1 or value.dtype.kind not in "iuf" or not np.isfinite(value).all() or float(value.ravel()[0]) <= 0:
        raise DataError(where=where, field=key, rule="one number above 0", value=value.tolist())
    return float(value.ravel()[0])


def _texts(archive: zipfile.ZipFile, found: dict[str, ArrayHeader], key: str, where: str) -> list[str] | None:
    if key not in found:
        return None
    values = whole(archive, found[key], where).ravel()
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values.tolist()]
