"""Which cells of a screen are untreated, and the names that screens give to that."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

Array = np.ndarray[Any, Any]
UNTREATED = ("dmso", "untreated", "control", "negative", "negcon", "mock", "vehicle")


def is_untreated_name(value: object) -> bool:
    """Whether a compound's name says that there was none."""
    return str(value).strip().lower() in UNTREATED


def untreated(table: pd.DataFrame) -> Array:
    """(n,) bool: cells whose compound says so, or, where no compound does, whose dose is 0."""
    named = np.zeros(len(table), bool)
    if "compound" in table:
        known = {value: is_untreated_name(value) for value in table["compound"].unique()}
        named = table["compound"].map(known).to_numpy(bool)
    if not named.any() and "dose" in table:
        return np.asarray(pd.to_numeric(table["dose"], errors="coerce") == 0)
    return named


def doses_of(table: pd.DataFrame) -> Array:
    """(n,) float dose of each cell: 0 where it is untreated, NaN where it is not known."""
    doses = pd.to_numeric(table["dose"], errors="coerce").to_numpy(float) if "dose" in table else None
    if doses is None:
        doses = np.full(len(table), np.nan)
    return np.where(untreated(table), 0.0, doses)
