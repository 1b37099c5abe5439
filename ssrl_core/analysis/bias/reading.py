"""A classes table as it is brought: read, its columns named, its numbers checked."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd

from ssrl_core.analysis.bias.columns import BASE, codes_and_values, moves_within, vary_columns
from ssrl_core.errors import DataError

NAMED = ("dataset", "backbone", "method", "class")
"""Columns of names that every row must have."""
ROUNDING = 1e-6
"""What single precision does to an accuracy."""


def checked(table: pd.DataFrame) -> pd.DataFrame:
    """The table with every column that the statistics read, accuracies in 0..1, and none for a class without images.

    Columns that may be left out: probe (`linear`), superclass, n and correct (unknown). An empty accuracy is taken from
    the counts.

    Raises:
        DataError: no rows, a column is missing, a name or a seed is missing, a number is none, an accuracy outside
            0..1.
    """
    _columns_there(table)
    if table.empty:
        raise DataError.at("Classes table", "rows", "at least one", 0, "Wait until a run of it is done.")
    frame = table if table.index.equals(pd.RangeIndex(len(table))) else table.reset_index(drop=True)
    n, correct = _numbers(frame, "n"), _numbers(frame, "correct")
    return frame.assign(
        probe=_names(frame["probe"].astype(object).fillna("linear")) if "probe" in frame else "linear",
        superclass=frame["superclass"].astype(object) if "superclass" in frame else None,
        n=n,
        correct=correct,
        seed=_seeds(frame["seed"]),
        accuracy=_accuracies(_numbers(frame, "accuracy"), n, correct),
        **{name: _names(frame[name]) for name in NAMED},
    )


def _columns_there(table: pd.DataFrame) -> None:
    needed = (*NAMED, "seed", "accuracy")
    absent = [column for column in needed if column not in table.columns]
    if absent:
        raise DataError.at(
            "Classes table",
            "columns",
            f"those of the table of a sweep ({', '.join(needed)}, vary.…)",
            list(map(str, table.columns)),
            f"Missing: {', '.join(absent)}.",
        )


def _refused(column: pd.Series, at: int, rule: str, remedy: str) -> DataError:
    value = column.iloc[at]
    value = None if value is None or value != value else getattr(value, "item", lambda: value)()
    return DataError.at(f"Classes table, row {at}", str(column.name), rule, value, remedy)


def _names(column: pd.Series) -> pd.Series:
    """Names as text, none of them missing; each is looked at once only."""
    codes, values = codes_and_values(column)
    missing = np.array([value is None or value is pd.NA or value != value or value == "" for value in values])
    if missing.any():
        raise _refused(column, int(missing[codes].argmax()), "given", "Every row says which it is of.")
    if all(isinstance(value, str) for value in values) and not isinstance(column.dtype, pd.CategoricalDtype):
        return column
    return pd.Series(np.array([str(value) for value in values], dtype=object)[codes], index=column.index)


def _numbers(frame: pd.DataFrame, name: str) -> pd.Series:
    """A column of numbers; NaN for empty cells and where there is no such column."""
    if name not in frame:
        return pd.Series(np.nan, index=frame.index)
    column = frame[name]
    if pd.api.types.is_numeric_dtype(column):
        return column.astype(np.float64)
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = numbers.isna() & column.notna() & (column.astype(str).str.strip() != "")
    if wrong.any():
        remedy = "Write numbers with a point, and leave a cell empty where nothing was measured."
        raise _refused(column, int(np.flatnonzero(wrong)[0]), "a number", remedy)
    return numbers.astype(np.float64)


def _seeds(column: pd.Series) -> pd.Series:
    seeds = pd.to_numeric(column, errors="coerce").astype(np.float64)
    wrong = seeds.isna() | (seeds != seeds.round())
    if wrong.any():
        raise _refused(column, int(np.flatnonzero(wrong)[0]), "a whole number", "Every run of a sweep has a seed.")
    return seeds.astype(np.int64)


def _accuracies(given: pd.Series, n: pd.Series, correct: pd.Series) -> pd.Series:
    exact = accuracy_of_counts(n, correct)
    rounded = given.isna() | ((given - exact).abs() <= ROUNDING)  # single precision would part what is equal
    accuracy = given.where(~rounded, exact.where(exact.notna(), given)).where(~(n <= 0))
    wrong = (accuracy < -ROUNDING) | (accuracy > 1 + ROUNDING)
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise _refused(accuracy.rename("accuracy"), at, "in 0..1", "Divide percentages by 100.")
    return accuracy.clip(0, 1)


def accuracy_of_counts(n: pd.Series, correct: pd.Series) -> pd.Series:
    """Share of the images that are right, from the counts; NaN without images."""
    return correct.where(n > 0) / n.where(n > 0)


SUFFIXES = (".csv", ".tsv", ".parquet")
_NO_PARAMETER = {*BASE, "run", "sweep", "seed", "class", "superclass", "n", "correct", "accuracy", "low", "high"}


def read_table(content: bytes, name: str) -> pd.DataFrame:
    """A table from the bytes of a file; the name's ending says which kind.

    Text is split at the commonest of comma, semicolon and tab of its first line. Names of classes (the column `class`,
    else the first one) stay as they are written (`007`, `NA`, `null`); numbers with a decimal comma are read where the
    semicolon parts the cells.

    Raises:
        DataError: another ending, an empty file, or one that cannot be read.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError.at(name, "ending", f"one of {', '.join(SUFFIXES)}", suffix or name)
    if not content:
        raise DataError.at(name, "file", "a table", "0 bytes", "Save it again.")
    try:
        return _from_parquet(content) if suffix == ".parquet" else _from_text(content, suffix)
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise DataError(
            f"{name}: this is not a table that can be read ({error}). Save it as CSV in UTF-8, or as Parquet.",
            where=name,
        ) from error


def _from_parquet(content: bytes) -> pd.DataFrame:
    """The table; names that pandas had put into its index are columns again."""
    table = pd.read_parquet(io.BytesIO(content))
    named = [name for name in table.index.names if name is not None]
    return table.reset_index(named) if named else table


def _from_text(content: bytes, suffix: str) -> pd.DataFrame:
    text = content.decode("utf-8-sig")
    lines = text.split("\n", 2)
    mark = "\t" if suffix == ".tsv" else max(",;\t", key=lines[0].count)
    comma = mark == ";" and len(lines) > 1 and re.search(r"(^|;)-?\d+,\d+\s*(;|$)", lines[1]) is not None
    head = pd.read_csv(io.StringIO(lines[0]), sep=mark)
    named = [column for column in head.columns if str(column).strip().lower() == "class"] or list(head.columns[:1])
    as_written = dict.fromkeys(named, str)
    return pd.read_csv(io.StringIO(text), sep=mark, decimal="," if comma else ".", converters=as_written)


def read_classes(content: bytes, name: str) -> pd.DataFrame:
    """A classes table (docs/contracts.md C10) from the bytes of a file.

    Raises:
        DataError: as `read_table`; columns that lack, no rows, an accuracy outside 0..1, nothing that varies.
    """
    table = read_table(content, name)
    checked(table)
    if not parameters(table):
        raise DataError.at(
            name,
            "columns",
            "one at least that varies, named vary.PATH",
            list(map(str, table.columns)),
            "Add the parameter's values as a column, e.g. vary.hue.",
        )
    return table


def parameters(table: pd.DataFrame) -> list[str]:
    """The columns that may be the parameter: `vary.…`, or where there is none, whatever else is no known column.

    One that only repeats the method, the backbone or the data set moves nothing within a setting: it is left out where
    another one moves something. The method as such (its settings may differ) comes last.
    """
    named = vary_columns(table) or [name for name in map(str, table.columns) if not _known(name)]
    if len(named) < 2:
        return named
    settings = [name for name in BASE if name in table]
    moving = [name for name in named if moves_within(table, name, settings)]
    return sorted(moving or named, key=lambda name: name.removeprefix("vary.") in BASE)


def _known(name: str) -> bool:
    """A column of docs/contracts.md C10, or the number of the row, which pandas writes without a name."""
    return name in _NO_PARAMETER or name.startswith("Unnamed:")
