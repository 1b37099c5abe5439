"""A table (CSV, TSV, Parquet) with a column of file names; all its other columns travel."""

from __future__ import annotations

import io
import posixpath
from typing import Any

import pandas as pd

from ssrl_core.datasets.reading import image
from ssrl_core.datasets.reading.folders import Entry, ImageFiles
from ssrl_core.datasets.reading.source import Tree
from ssrl_core.datasets.reading.understanding import Layout, Understanding, columns_of
from ssrl_core.errors import DataError

TABLES = (".csv", ".tsv", ".parquet")
_USUAL = ("file", "filename", "file_name", "path", "image", "image_path", "filepath")


def find_table(tree: Tree) -> str | None:
    """The only table at the top of a tree (or of the one folder in it) that names files, or None."""
    tables = [path for path in tree.files if path.lower().endswith(TABLES)]
    top = min((path.count("/") for path in tables), default=0)
    tables = [path for path in tables if path.count("/") == top]
    if len(tables) != 1 or top > 1:
        return None
    try:
        table = read(tree, tables[0])
    except DataError:
        return None  # then it is one of the files that are skipped
    known = set(tree.files)
    folder = posixpath.dirname(tables[0])
    column, _ = _file_column(table)
    if column is None or not any(_inside(folder, value) in known for value in table[column].dropna().tolist()):
        return None
    return tables[0]


def list_table(tree: Tree, path: str) -> ImageFiles:
    """The images that a table names, in its order.

    Raises:
        DataError: a table that cannot be read, that names no image files, or none that is there.
    """
    table = read(tree, path)
    column, others = _file_column(table)
    if column is None:
        raise DataError(
            where=f"{tree.where}/{path}",
            field="one column",
            rule=f"of names of image files ({', '.join(image.SUFFIXES)})",
            value=[str(c) for c in table.columns],
            remedy="Add a column called file, with names relative to the table's folder.",
        )
    entries, skipped = _entries(table, column, posixpath.dirname(path))
    if not entries and not skipped:
        raise DataError(f"{tree.where}/{path}: the table has no rows. Add one row for each image.")
    understood = Understanding(posixpath.basename(path), Layout("table", path, column), skipped=skipped)
    understood.columns = columns_of(table, without=(column,))
    understood.label = next((name for name in ("label", "class") if name in table.columns), None)
    if understood.label:
        understood.guess("label", f"column {understood.label!r}", "its name")
    if others:
        understood.notes.append(
            f"images were taken from column {column!r}; {', '.join(map(repr, others))} also name files"
        )
    return ImageFiles(tree, entries, understood)


def _entries(table: pd.DataFrame, column: str, folder: str) -> tuple[list[Entry], list[dict[str, str]]]:
    entries, skipped = [], []
    rest = [c for c in table.columns if c != "source"]
    for number, row in enumerate(table[rest].to_dict("records")):
        value = row[column]
        inside = _inside(folder, value)
        if not isinstance(value, str) or not value.strip():
            skipped.append({"file": f"row {number + 1}", "reason": "the file name is missing"})
        elif inside is None:
            skipped.append({"file": value, "reason": "its path leaves the table's folder; give one relative to it"})
        else:
            entries.append(Entry(inside, {str(k): v for k, v in row.items()}))
    return entries, skipped


def read(tree: Tree, path: str) -> pd.DataFrame:
    """A table of a tree; the ending of its name says which kind.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with tree.open(path) as file:
            data = file.read()
        if path.lower().endswith(".parquet"):
            return pd.read_parquet(io.BytesIO(data))
        text = _text(data)
        return pd.read_csv(io.StringIO(text), sep=_separator(text, path))
    except (OSError, ValueError, pd.errors.ParserError) as error:
        where = f"{tree.where}/{path}"
        raise DataError(f"{where}: this is not a table that can be read ({error}). Save it as CSV in UTF-8.") from error


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")  # what Excel writes


def _separator(text: str, path: str) -> str:
    """Tab for TSV; else what the first line has most of (European spreadsheets write semicolons)."""
    if path.lower().endswith(".tsv"):
        return "\t"
    first = text.split("\n", 1)[0]
    return max(",;\t", key=first.count)


def _file_column(table: pd.DataFrame) -> tuple[str | None, list[str]]:
    """The column that names image files, and further ones that do so too."""
    naming = [str(column) for column in table.columns if _names_images(table[column])]
    usual = [column for column in naming if column.lower() in _USUAL]
    chosen = next(iter(usual or naming), None)
    return chosen, [column for column in naming if column != chosen]


def _names_images(values: pd.Series[Any]) -> bool:
    known = [value for value in values.dropna().tolist() if isinstance(value, str)]
    return bool(known) and sum(image.is_image(value) for value in known) > len(known) / 2


def _inside(folder: str, value: Any) -> str | None:
    """The path in the tree, or None if it leads out of the table's folder."""
    name = str(value).strip().replace("\\", "/")
    if not name or name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return None
    path = posixpath.normpath(name)
    return None if path.startswith("..") else posixpath.join(folder, path)
