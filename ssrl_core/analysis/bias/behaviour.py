"""What each class does as the parameter grows: ascending, descending, or neither (random)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ssrl_core.analysis.bias.grid import Grid, XNames, grids
from ssrl_core.analysis.bias.regression import Lines, lines
from ssrl_core.analysis.bias.rule import POINTS
from ssrl_core.analysis.bias.significance import false_discovery
from ssrl_core.errors import SpecError

BEHAVIOURS = ("ascending", "descending", "random")


def behaviours(table: pd.DataFrame, x: XNames, *, points: str = "means", alpha: float = 0.05) -> pd.DataFrame:
    """The behaviour of each class, from the slope of the line through its accuracies.

    Ascending: slope above 0 with p < alpha; descending: below 0; random: neither, which is "no trend was shown", not
    "no effect": a class that rises and falls again is random too. A constant accuracy has slope 0 and no test: random.

    Args:
        table, x: as for `grids`.
        points: `means` over the seeds of each value, or `runs`.
        alpha: level of the two-sided test of each class.

    Returns:
        the setting's columns, class, superclass, n (points), slope (accuracy per unit of the parameter), low, high
        (95 %), change (slope × the range of the parameter), intercept, r2, p, q (p adjusted over the classes of the
        setting), behaviour (None where it cannot be told), alpha, points, reason.

    Source:
        Section 3.1 of the paper, which does not give the test or its level.
    """
    if points not in POINTS:
        raise SpecError(where="Behaviours", field="points", rule=f"one of {', '.join(POINTS)}", value=points)
    if not 0 < alpha < 1:
        raise SpecError(where="Behaviours", field="alpha", rule="between 0 and 1", value=alpha)
    return pd.concat([_rows(grid, points, alpha) for grid in grids(table, x)], ignore_index=True)


def most_shared_behaviour(found: pd.DataFrame, over: str = "method") -> pd.DataFrame:
    """One behaviour a class over several methods (or backbones): the one that more than half of them share.

    Args:
        found: of `behaviours`. over: the column to look across.

    Returns:
        the other setting columns, class, behaviour (`mixed` without a majority, None where none is known), share,
        of (how many knew one).
    """
    settings = [c for c in found.columns[: found.columns.get_loc("class")] if c != over]
    rows = []
    for key, part in found.groupby([*settings, "class"], sort=False, dropna=False):
        known = part["behaviour"].dropna()
        counts = known.value_counts()
        top = str(counts.index[0]) if len(counts) else None
        share = float(counts.iloc[0] / len(known)) if len(counts) else np.nan
        behaviour = top if share > 0.5 else ("mixed" if len(counts) else None)
        place = dict(zip([*settings, "class"], key, strict=True))
        rows.append({**place, "behaviour": behaviour, "share": share, "of": len(known)})
    return pd.DataFrame(rows)


def label(found: Lines, alpha: float) -> NDArray[np.object_]:
    """(C,) ascending | descending | random | None of each line."""
    clear = found.p < alpha
    names = np.where(clear & (found.slope > 0), "ascending", np.where(clear, "descending", "random")).astype(object)
    unknown = (found.n < 3) | ~np.isfinite(found.slope)
    names[unknown] = None
    return names


def _rows(grid: Grid, points: str, alpha: float) -> pd.DataFrame:
    size = len(grid.classes)
    x = grid.point_values(points)
    if grid.axis.numeric:
        found = lines(x, grid.points(points))
    else:
        found = lines(np.zeros(len(x)), np.full((size, len(x)), np.nan))
    return pd.DataFrame(
        {
            **grid.setting,
            "class": list(grid.classes),
            "superclass": list(grid.superclasses),
            "n": found.n,
            "slope": found.slope,
            "low": found.low,
            "high": found.high,
            "change": found.slope * np.ptp(grid.axis.values),
            "intercept": found.intercept,
            "r2": found.r2,
            "p": found.p,
            "q": false_discovery(found.p),
            "behaviour": label(found, alpha),
            "alpha": alpha,
            "points": points,
            "reason": list(_reasons(grid, found)),
        },
        index=range(size),
    )


def _reasons(grid: Grid, found: Lines) -> Iterator[Any]:
    for n, slope, p in zip(found.n, found.slope, found.p, strict=True):
        if not grid.axis.numeric:
            yield grid.axis.note
        elif n < 3:
            yield f"{n} points, at least 3 are needed"
        elif np.isnan(slope):
            yield "one value of the parameter only"
        elif np.isnan(p):
            yield "the accuracy is the same at every point: slope 0, nothing to test"
        else:
            yield None
