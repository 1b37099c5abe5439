"""What sets clusters apart in everything that is known of their images: every column, every descriptor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ssrl_core.analysis.apart import Effect, Units, number_effects, units_of, value_effects
from ssrl_core.analysis.apart_doses import dose_effects, treated
from ssrl_core.datasets.columns import doses_of

MOST_ROWS = 200_000
_FEW_NUMBERS = 12  # a column of numbers with more different values is a scale, not a set of values
_MOST_VALUES = 4  # values of a column that are looked at closely for each cluster
UNITS = ("plate", "well", "site", "replicate", "x_px", "y_px", "dose_unit")


@dataclass(frozen=True)
class Apart:
    """The effects of each cluster, the units that their intervals vary, and how many images (of `n`) were looked at."""

    effects: list[list[Effect]]
    units: Units
    taken: int
    n: int

    @property
    def rests_on(self) -> str:
        """What the intervals rest on, in words."""
        sample = f" Taken on {self.taken:,} images drawn by chance.".replace(",", " ") if self.taken < self.n else ""
        if self.units.few:
            return f"{self.units.count} {self.units.name} are too few for an interval." + sample
        if self.units.name == "images":
            return "Intervals (95 %) take images as what varies, as no wells or plates are known." + sample
        return (
            f"Intervals (95 %) take whole {self.units.name} ({self.units.count}) as what varies: cells of one are not "
            "replicates." + sample
        )


def set_apart(
    table: pd.DataFrame,
    columns: Sequence[str],
    ids: NDArray[np.int32],
    k: int,
    *,
    seed: int = 0,
) -> Apart:
    """The effects of every column in every cluster.

    Args:
        table: (n rows) what is known of the images; `plate` and `well` are what intervals take as varying.
        columns: those that are compared; columns that say where an image comes from are passed over. Compound and dose
            are one statement, and the dose alone, which compares amounts of different compounds, is none.
        ids: (n,) cluster, -1 for none.
        seed: of the rows that are drawn where there are more than 200,000.
    """
    n = len(table)
    rows = np.arange(n)
    if n > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(n, MOST_ROWS, replace=False))
    own, at = table.iloc[rows].reset_index(drop=True), ids[rows]
    units = units_of(own[[c for c in ("plate", "well") if c in own]])
    joined = {"compound", "dose"} <= set(own) and own["compound"].nunique() > 1
    found: list[list[Effect]] = [[] for _ in range(k)]
    for name in columns:
        if name in UNITS or (joined and name in ("compound", "dose")):
            continue
        for c, effects in enumerate(_column(own[name], name, at, k, units)):
            found[c] += effects
    if joined:
        for c, effects in enumerate(dose_effects(treated(own, doses_of(own)), at, k, units)):
            found[c] += effects
    return Apart(found, units, len(rows), n)


def is_scale(column: pd.Series) -> bool:
    """Whether a column is numbers with many values."""
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    return bool(numeric and column.nunique() > _FEW_NUMBERS)


def _column(column: pd.Series, name: str, ids: NDArray[np.int32], k: int, units: Units) -> list[list[Effect]]:
    """The effects of one column, by cluster."""
    if is_scale(column):
        values = column.to_numpy(dtype=np.float32, na_value=np.nan)
        return [[effect] for effect in number_effects(values, name, ids, k, units)]
    codes, names = pd.factorize(column, sort=True)
    kept = _telling_values(codes, len(names), ids, k)
    place = np.full(len(names) + 1, len(kept), np.int32)
    place[kept] = np.arange(len(kept))
    place[-1] = -1  # no value
    words = tuple(_value_words(name, names[code]) for code in kept)
    by_value = value_effects(place[codes], words, name, ids, k, units)
    return [[row[c] for row in by_value] for c in range(k)]


def _telling_values(codes: NDArray[np.int64], count: int, ids: NDArray[np.int32], k: int) -> NDArray[np.int64]:
    """The values whose share differs most in some cluster, ascending."""
    inside = (codes >= 0) & (ids >= 0)
    table = np.bincount(codes[inside] * k + ids[inside], minlength=count * k).reshape(count, k).astype(float)
    every = np.bincount(codes[codes >= 0], minlength=count).astype(float)[:, None]
    sizes, total = table.sum(axis=0), every.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        differs = np.nan_to_num(np.abs(table / sizes - (every - table) / (total - sizes)))
    return np.unique(np.argsort(-differs, axis=0, kind="stable")[:_MOST_VALUES])


def _value_words(column: str, value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return column if value else f"not {column}"
    if isinstance(value, int | float | np.number):
        return f"{column} {float(value):g}"
    text = str(value)
    return f"{column} {text}" if text.replace(".", "").replace("-", "").isdigit() else text
