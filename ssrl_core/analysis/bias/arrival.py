"""The classes table (CONTRACTS C10) on arrival: what it must have, and what is made of its cells."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ssrl_core.analysis.bias.columns import coded
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
        raise DataError(
            where="Classes table", field="rows", rule="at least one", value=0, remedy="Wait until a run of it is done."
        )
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
        raise DataError(
            where="Classes table",
            field="columns",
            rule=f"those of the table of a sweep ({', '.join(needed)}, vary.…)",
            value=list(map(str, table.columns)),
            remedy=f"Missing: {', '.join(absent)}.",
        )


def _refused(column: pd.Series, at: int, rule: str, remedy: str) -> DataError:
    value = column.iloc[at]
    value = None if value is None or value != value else getattr(value, "item", lambda: value)()
    return DataError(where=f"Classes table, row {at}", field=str(column.name), rule=rule, value=value, remedy=remedy)


def _names(column: pd.Series) -> pd.Series:
    """Names as text, none of them missing; each is looked at once only."""
    codes, values = coded(column)
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
    exact = counted(n, correct)
    rounded = given.isna() | ((given - exact).abs() <= ROUNDING)  # single precision would part what is equal
    accuracy = given.where(~rounded, exact.where(exact.notna(), given)).where(~(n <= 0))
    wrong = (accuracy < -ROUNDING) | (accuracy > 1 + ROUNDING)
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise _refused(accuracy.rename("accuracy"), at, "in 0..1", "Divide percentages by 100.")
    return accuracy.clip(0, 1)


def counted(n: pd.Series, correct: pd.Series) -> pd.Series:
    """Share of the images that are right, from the counts; NaN without images."""
    return correct.where(n > 0) / n.where(n > 0)
