"""The values that a sweep gives one parameter, read from whatever the table holds: numbers, ranges or names."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ssrl_core.analysis.bias.columns import coded

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
    codes, raw = coded(column)
    cells = _cells(raw)
    numbers, note = _numbers(cells)
    if numbers is None:
        texts = np.array([_text(cell) for cell in cells], dtype=object)
        keys: NDArray[Any] = texts
    else:
        keys = np.round(np.asarray(numbers, dtype=np.float64), DECIMALS) + 0.0  # + 0.0: no negative zero
        texts = np.array([_short(value) for value in keys], dtype=object)
    ordered, first, places = np.unique(keys, return_index=True, return_inverse=True)
    values = np.asarray(numbers)[first] + 0.0 if numbers is not None else np.full(len(ordered), np.nan)
    axis = Axis(str(column.name), tuple(str(t) for t in texts[first]), values, note)
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


def _text(cell: Cell) -> str:
    return f"[{', '.join(f'{v:g}' for v in cell)}]" if isinstance(cell, tuple) else _number(cell)


def _number(cell: float | str) -> str:
    return f"{cell:g}" if isinstance(cell, float) else cell
