"""The columns of a classes table (CONTRACTS C10): which one varies, what else moves, and their cells as codes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ssrl_core.errors import SpecError

BASE = ("dataset", "backbone", "method", "probe")


def vary_columns(table: pd.DataFrame) -> list[str]:
    """The columns that the sweep varies, in the table's order; a seed is no parameter."""
    return [name for name in map(str, table.columns) if name.startswith("vary.") and name != "vary.seed"]


def find_column(table: pd.DataFrame, name: str) -> str:
    """The column that a name means: the column itself, its path in the spec, or an unambiguous end of that path.

    Raises:
        SpecError: no column, or several, go by that name.
    """
    columns = vary_columns(table)
    if name in table.columns:
        return name
    ends = [c for c in columns if c == f"vary.{name}" or c.endswith(f".{name}")]
    if len(ends) == 1:
        return ends[0]
    raise SpecError(
        where="Classes table",
        field="x",
        rule="one column that the sweep varies",
        value=name,
        remedy=f"It varies {', '.join(ends or columns) or 'nothing'}.",
    )


def split_columns(rows: pd.DataFrame, x_codes: NDArray[np.intp], column: str) -> tuple[list[str], list[str]]:
    """What to do with the other varied columns: each value apart, or taken along because it follows the x column.

    Returns:
        columns whose values are settings of their own, columns that move together with x.
    """
    apart, along = [], []
    base = combined([texts(rows[name])[0] for name in BASE])
    for other in vary_columns(rows):
        if other == column:
            continue
        keys = texts(rows[other])[0]
        if _count(base, x_codes, keys) > _count(base, x_codes):
            apart.append(other)
        elif _count(base, keys) > _count(base):
            along.append(other)
    return apart, along


def moves_within(rows: pd.DataFrame, column: str, settings: Sequence[str]) -> bool:
    """Whether a column has two values somewhere among rows that agree in all of `settings`."""
    base = [texts(rows[name])[0] for name in settings] or [np.zeros(len(rows), dtype=np.intp)]
    return _count(*base, texts(rows[column])[0]) > _count(*base)


def _count(*codes: NDArray[np.intp]) -> int:
    """How many combinations of codes occur."""
    return int(combined(codes).max(initial=-1)) + 1


def coded(column: pd.Series) -> tuple[NDArray[np.intp], list[Any]]:
    """The place of each row's value among the values that occur, and those values; each is looked at once only."""
    try:
        codes, values = pd.factorize(column, use_na_sentinel=False)
        return codes, list(values)
    except TypeError:  # lists and mappings cannot be hashed
        cells = column.to_list()
        codes, _ = pd.factorize(np.array([_text(cell) for cell in cells], dtype=object))
        _, first = np.unique(codes, return_index=True)
        return codes, [cells[i] for i in first]


def texts(column: pd.Series) -> tuple[NDArray[np.intp], list[str]]:
    """A column as text: (n,) places among the sorted texts that occur, and those texts."""
    codes, values = coded(column)
    names, places = np.unique(np.array([_text(value) for value in values], dtype=str), return_inverse=True)
    return places[codes], [str(name) for name in names]


def combined(codes: Sequence[NDArray[np.intp]]) -> NDArray[np.intp]:
    """(n,) number of each row's combination of codes, ascending from 0 in the order of the columns."""
    ids = codes[0]
    for other in codes[1:]:
        ids = ids * (int(other.max(initial=0)) + 1) + other
    return np.unique(ids, return_inverse=True)[1].reshape(-1)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple | dict | np.ndarray):
        return json.dumps(value, sort_keys=True, default=lambda v: getattr(v, "tolist", lambda: str(v))())
    if value is None or value is pd.NA or value != value:
        return "none"
    return f"{value:.12g}" if isinstance(value, float | np.floating) else str(value)
