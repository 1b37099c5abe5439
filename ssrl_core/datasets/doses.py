"""Doses as they are written (`300 nM`, `0,3 µM`, a column `dose_uM`) as numbers of one unit; the writing is kept."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.columns import renamed

WRITTEN = "dose_as_written"
_MICRO = "[uµμ]|micro"
_UNITS = {  # unit -> what is measured, its size, how it is written
    "M": ("molar", 1.0, "m|M|mol/l|molar"),
    "mM": ("molar", 1e-3, "mm|mmol/l|millimolar"),
    "µM": ("molar", 1e-6, f"(?:{_MICRO})m|(?:{_MICRO})mol/l|micromolar"),
    "nM": ("molar", 1e-9, "nm|nmol/l|nanomolar"),
    "pM": ("molar", 1e-12, "pm|pmol/l|picomolar"),
    "mg/ml": ("mass", 1e-3, "mg/ml|g/l"),
    "µg/ml": ("mass", 1e-6, f"(?:{_MICRO})g/ml|mg/l"),
    "ng/ml": ("mass", 1e-9, f"ng/ml|(?:{_MICRO})g/l"),
    "%": ("share", 1.0, "%|percent|pct"),
}
_WRITINGS = [(unit, re.compile(pattern, re.IGNORECASE)) for unit, (_, _, pattern) in _UNITS.items()]
_VALUE = re.compile(r"([+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:e[+-]?\d+)?)\s*(\D.*)?", re.IGNORECASE)
_IN_NAME = re.compile(r"^(.*?)[\s_\-.]*(?:\(([^)]+)\)|\[([^\]]+)\]|[\s_\-.]([^\s_\-.]+))$")


def unit_of(text: str) -> str | None:
    """A unit in our writing; None where it is none that is known."""
    bare = text.strip().replace(" ", "").replace("_per_", "/")
    return next((unit for unit, pattern in _WRITINGS if pattern.fullmatch(bare)), None)


def with_doses(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """A table whose doses are numbers of one unit, in `dose` and `dose_unit`, and what is to be said of them.

    What was written stays in `dose_as_written`, or in its column, where that names the unit. Doses that
    are no numbers, or whose unit is unknown, missing or of another kind than that of most, are missing, and said.
    A table without doses, or whose doses are plain numbers of one unit, stays as it is.
    """
    place = _dose_column(table)
    if place is None:
        return table, []
    column, in_name = place
    names = renamed([str(c) for c in table.columns])
    unit_column = next((c for c in table.columns if names.get(c, c) == "dose_unit"), None)
    written = table[column]
    read = [_read(value) for value in written]
    units = _units(table, unit_column, in_name, read)
    plain = pd.api.types.is_numeric_dtype(written)
    if plain and in_name is None and len(set(units)) <= 1:
        return table, []
    if not any(number is not None for number, _ in read):
        return table, [f"no value of column {column!r} is a number: no dose is known"] if written.notna().any() else []
    return _told(table, str(column), in_name, unit_column, read, units)


def _told(
    table: pd.DataFrame,
    column: str,
    in_name: str | None,
    unit_column: Any,
    read: list[tuple[float | None, str]],
    units: list[str],
) -> tuple[pd.DataFrame, list[str]]:
    written = table[column]
    target = _target(read, units)
    pairs = zip(read, units, strict=True)
    doses = pd.Series([_converted(number, unit, target) for (number, _), unit in pairs], table.index, dtype=float)
    notes = _notes(written, column, doses, read, units, target)
    same = pd.api.types.is_numeric_dtype(written) and np.array_equal(written.to_numpy(float), doses, equal_nan=True)
    done = table.copy()
    if in_name is not None:
        done["dose"] = doses
    else:
        done[column] = doses
        done = done.rename(columns={column: "dose"})
        if not same:
            done[WRITTEN] = [_as_written(v, u) for v, u in zip(written, _given(table, unit_column), strict=True)]
    if target:
        done = done.rename(columns={unit_column: "dose_unit"}) if unit_column is not None else done
        done["dose_unit"] = target
    return done, notes


def _dose_column(table: pd.DataFrame) -> tuple[Any, str | None] | None:
    """The column of doses, and the unit that its name says."""
    names = renamed([str(c) for c in table.columns])
    plain = next((c for c in table.columns if names.get(str(c), str(c)) == "dose"), None)
    if plain is not None:
        return plain, None
    for column in table.columns:
        match = _IN_NAME.match(str(column).strip())
        unit = unit_of(match[2] or match[3] or match[4] or "") if match else None
        if match and unit and (renamed([match[1]]).get(match[1], match[1].lower()) == "dose"):
            return column, unit
    return None


def _read(value: Any) -> tuple[float | None, str]:
    """Number and unit of one dose; None = it is no number (or missing)."""
    if isinstance(value, int | float | np.number):
        return (float(value), "") if np.isfinite(value) else (None, "")
    match = _VALUE.fullmatch(str(value).strip()) if isinstance(value, str) else None
    if not match or re.fullmatch(r"[1-9]\d{0,2},\d{3}", match[1]):  # 1,000 may be a thousand, or one
        return None, ""
    return float(match[1].replace(",", ".")), (match[2] or "").strip()


def _units(
    table: pd.DataFrame, unit_column: Any, in_name: str | None, read: list[tuple[float | None, str]]
) -> list[str]:
    """The unit of each row as it is written: beside the number, in its own column, in the column's name, or ""."""
    return [own or given or in_name or "" for (_, own), given in zip(read, _given(table, unit_column), strict=True)]


def _given(table: pd.DataFrame, unit_column: Any) -> list[str]:
    if unit_column is None:
        return [""] * len(table)
    return ["" if pd.isna(value) else str(value).strip() for value in table[unit_column]]


def _target(read: list[tuple[float | None, str]], units: list[str]) -> str | None:
    """The unit of most doses above 0 (of all, if none is); None where no unit is known."""
    known = [(number, unit_of(unit)) for (number, _), unit in zip(read, units, strict=True)]
    above = Counter(unit for number, unit in known if unit and number)
    every = above or Counter(unit for number, unit in known if unit and number is not None)
    return every.most_common(1)[0][0] if every else None


def _converted(number: float | None, unit: str, target: str | None) -> float:
    if number is None:
        return np.nan
    if number == 0 or (target is None and not unit):
        return number
    known = unit_of(unit)
    if known is None or target is None or _UNITS[known][0] != _UNITS[target][0]:
        return np.nan
    return number if known == target else float(f"{number * (_UNITS[known][1] / _UNITS[target][1]):.12g}")


def _as_written(value: Any, unit: str) -> str | None:
    if pd.isna(value):
        return None
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{text} {unit}".strip()


def _notes(
    written: pd.Series[Any],
    column: str,
    doses: pd.Series[Any],
    read: list[tuple[float | None, str]],
    units: list[str],
    target: str | None,
) -> list[str]:
    changed = sorted({unit for unit in units if unit and unit_of(unit) and unit_of(unit) != target})
    notes = [f"doses in {' and '.join(changed)} were converted to {target}"] if changed and target else []
    if target and not changed and any(own for _, own in read):
        notes.append(f"doses are in {target}, as column {column!r} says")
    lost: dict[str, set[str]] = {}
    for value, dose, (number, _), unit in zip(written, doses, read, units, strict=True):
        if pd.isna(value) or np.isfinite(dose):
            continue
        reason = "are no numbers" if number is None else f"have the unit {unit!r}" if unit else "have no unit"
        lost.setdefault(reason, set()).add(str(value))
    for reason, values in lost.items():
        shown = ", ".join(sorted(values)[:3]) + (" …" if len(values) > 3 else "")
        beside = f" where others are in {target}" if "unit" in reason and target else ""
        notes.append(f"doses that {reason}{beside} were left out ({shown})")
    return notes
