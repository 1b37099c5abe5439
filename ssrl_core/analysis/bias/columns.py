"""The columns of a classes table, which one varies, and the values along it as an axis."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
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
    raise SpecError.at(
        "Classes table",
        "x",
        "one column that the sweep varies",
        name,
        f"It varies {', '.join(ends or columns) or 'nothing'}.",
    )


def split_columns(rows: pd.DataFrame, x_codes: NDArray[np.intp], column: str) -> tuple[list[str], list[str]]:
    """What to do with the other varied columns: each value apart, or taken along because it follows the x column.

    Returns:
        columns whose values are settings of their own, columns that move together with x.
    """
    apart, along = [], []
    base = combined_codes([text_codes(rows[name])[0] for name in BASE])
    for other in vary_columns(rows):
        if other == column:
            continue
        keys = text_codes(rows[other])[0]
        if _count(base, x_codes, keys) > _count(base, x_codes):
            apart.append(other)
        elif _count(base, keys) > _count(base):
            along.append(other)
    return apart, along


def moves_within(rows: pd.DataFrame, column: str, settings: Sequence[str]) -> bool:
    """Whether a column has two values somewhere among rows that agree in all of `settings`."""
    base = [text_codes(rows[name])[0] for name in settings] or [np.zeros(len(rows), dtype=np.intp)]
    return _count(*base, text_codes(rows[column])[0]) > _count(*base)


def _count(*codes: NDArray[np.intp]) -> int:
    """How many combinations of codes occur."""
    return int(combined_codes(codes).max(initial=-1)) + 1


def codes_and_values(column: pd.Series) -> tuple[NDArray[np.intp], list[Any]]:
    """The place of each row's value among the values that occur, and those values; each is looked at once only."""
    try:
        codes, values = pd.factorize(column, use_na_sentinel=False)
        return codes, list(values)
    except TypeError:  # lists and mappings cannot be hashed
        cells = column.to_list()
        codes, _ = pd.factorize(np.array([_text(cell) for cell in cells], dtype=object))
        _, first = np.unique(codes, return_index=True)
        return codes, [cells[i] for i in first]


def text_codes(column: pd.Series) -> tuple[NDArray[np.intp], list[str]]:
    """A column as text: (n,) places among the sorted texts that occur, and those texts."""
    codes, values = codes_and_values(column)
    names, places = np.unique(np.array([_text(value) for value in values], dtype=str), return_inverse=True)
    return places[codes], [str(name) for name in names]


def combined_codes(codes: Sequence[NDArray[np.intp]]) -> NDArray[np.intp]:
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


Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Cell = float | tuple[float, ...] | str

DECIMALS = 12
"""Values and means closer than 1e-12 are the same: rounding of floats must not break ties."""


@dataclass(frozen=True)
class Axis:
    """The values of one column, each once, in order.

    Args:
        column: its name in the table, e.g. `vary.terms.0.composition.steps.color_jitter.hue`.
        labels: (V,) text of each value.
        values: (V,) ascending; NaN throughout where the values are names, which then are in alphabetical order.
        note: how a value that is not a number was read; empty for numbers.
    """

    column: str
    labels: tuple[str, ...]
    values: Floats
    note: str = ""

    @property
    def numeric(self) -> bool:
        """Whether a slope over the values means something."""
        return bool(len(self.values)) and bool(np.isfinite(self.values).all())

    @property
    def path(self) -> str:
        """The path in the run spec, as Compose and the command line know it."""
        return self.column.removeprefix("vary.")

    def cells(self) -> list[float | str]:
        """What tables show for each value: the number, or the name."""
        return [float(v) for v in self.values] if self.numeric else list(self.labels)


def read_axis(column: pd.Series) -> tuple[Axis, Ints]:
    """The values of a column without empty cells, and the place of each row among them.

    A range is read as a number where the sweep moves only one end, or both ends together ([x, x] and [-x, x]).

    Returns:
        axis, and (n,) int codes into its values.
    """
    codes, raw = codes_and_values(column)
    cells = _cells(raw)
    numbers, note = _numbers(cells)
    if numbers is None:
        text_codes = np.array([_as_text(cell) for cell in cells], dtype=object)
        keys: NDArray[Any] = text_codes
    else:
        keys = np.round(np.asarray(numbers, dtype=np.float64), DECIMALS) + 0.0  # + 0.0: no negative zero
        text_codes = np.array([_short(value) for value in keys], dtype=object)
    ordered, first, places = np.unique(keys, return_index=True, return_inverse=True)
    values = np.asarray(numbers)[first] + 0.0 if numbers is not None else np.full(len(ordered), np.nan)
    axis = Axis(str(column.name), tuple(str(t) for t in text_codes[first]), values, note)
    return axis, np.asarray(places[codes], dtype=np.int64)


def as_given(column: pd.Series, cell: float | str) -> Any:
    """The value of the sweep behind one of `Axis.cells`: where a range is shown as a number, the whole range.

    Text of a file is read as what it says (`[0.2, 1.0]` is a list); a cell that no row has is None.
    """
    rows = column.dropna()
    axis, codes = read_axis(rows)
    cells = axis.cells()
    if cell not in cells:
        return None
    value = rows.iloc[int((codes == cells.index(cell)).argmax())]
    if not isinstance(value, str):
        return getattr(value, "tolist", lambda: value)()
    read = _from_text(value)
    return list(read) if isinstance(read, tuple) else _mapping(value) or read


def _cells(raw: list[Any]) -> list[Cell]:
    """The values of a column to compare; mappings go by their names, where these tell them apart."""
    mappings = [_mapping(value) for value in raw]
    if all(mappings):
        names = [str(mapping.get("name")) for mapping in mappings if mapping]
        if len(set(names)) == len({json.dumps(m, sort_keys=True, default=str) for m in mappings}):
            return list(names)
    return [_cell(value if mapping is None else mapping) for value, mapping in zip(raw, mappings, strict=True)]


def _mapping(value: Any) -> dict[str, Any] | None:
    """A mapping, or the one that text in JSON says."""
    if isinstance(value, str) and value[:1] == "{":
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, dict) and value else None


def _cell(value: Any) -> Cell:
    """A cell as something that can be compared."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | float | np.integer | np.floating):
        return float(value) if np.isfinite(value) else str(value)
    if isinstance(value, list | tuple | np.ndarray):
        return _sequence(list(value))
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True, default=str)
    return _from_text(str(value))


def _sequence(items: list[Any]) -> Cell:
    try:
        return tuple(float(item) for item in items)
    except (TypeError, ValueError):
        return json.dumps(items, sort_keys=True, default=str)


def _from_text(text: str) -> Cell:
    """Numbers and ranges that came as text, as they do from a file of comma-separated values."""
    try:
        number = float(text)
        return number if np.isfinite(number) else text
    except ValueError:
        pass
    if text[:1] in "([" and text[-1:] in ")]":
        return _sequence(re.split(r"[,\s]+", text[1:-1].strip()))
    return text


def _numbers(cells: list[Cell]) -> tuple[list[float] | None, str]:
    if all(isinstance(cell, float) for cell in cells):
        return [float(cell) for cell in cells if isinstance(cell, float)], ""
    ranges = [cell for cell in cells if isinstance(cell, tuple) and len(cell) == 2]
    if len(ranges) != len(cells):
        return None, "The values are names, not numbers: no slope."
    low, high = [r[0] for r in ranges], [r[1] for r in ranges]
    if len(set(high)) == 1 and len(set(low)) > 1:
        return low, f"The values are ranges up to {high[0]:g}: their lower end is shown."
    if len(set(low)) == 1:
        return high, f"The values are ranges from {low[0]:g}: their upper end is shown."
    if low == high:
        return low, "The values are ranges of one value: that value is shown."
    if all(a == -b for a, b in ranges):
        return high, "The values are ranges around 0: their upper end is shown."
    return None, "The values are ranges that move at both ends: they are taken as names, without a slope."


def _short(value: float) -> str:
    """Four digits, but whole numbers whole: 10000 epochs are not 1e+04."""
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e9 else f"{value:.4g}"


def _as_text(cell: Cell) -> str:
    return f"[{', '.join(f'{v:g}' for v in cell)}]" if isinstance(cell, tuple) else _number(cell)


def _number(cell: float | str) -> str:
    return f"{cell:g}" if isinstance(cell, float) else cell
