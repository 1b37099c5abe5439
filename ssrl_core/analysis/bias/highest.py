"""Each class or superclass with the value of its own highest accuracy, and the price that others pay (figure 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ssrl_core.analysis.bias.axis import DECIMALS, Bools, Floats, Ints
from ssrl_core.analysis.bias.grid import Grid, XNames, grids
from ssrl_core.analysis.bias.intervals import Differences, differences
from ssrl_core.analysis.bias.reasons import reason, reason_table
from ssrl_core.analysis.bias.reference import reference_place

GAINS, LOSES, UNCLEAR, SAME = "gains", "loses", "not told apart", "unchanged"


@dataclass(frozen=True)
class Highest:
    """What `own_highest` finds; each table starts with the columns of the setting.

    Args:
        highest: for (the class), x (where its mean accuracy is highest), accuracy, sd, seeds, alike (list of the values
            whose difference from it has an interval with 0 in it: the highest of noisy means is picked, not known;
            empty where there are no intervals),
            reference (the value to compare with), reference_accuracy, gain (own change from it) with low, high, basis;
            others (how many), others_change (their mean), winners, losers (others with an interval above, below 0),
            worst, worst_change (the other that loses most).
        prices: for, x, class, change (from the reference), low, high (95 %), verdict (`verdicts`), accuracy (at x),
            from_own_highest (less the highest of its own, 0 or below), one row for each class that a choice is made
            for and each class that it does something to (itself too).
    """

    highest: pd.DataFrame
    prices: pd.DataFrame
    reasons: pd.DataFrame


def own_highest(table: pd.DataFrame, x: XNames, *, reference: float | str | None = None) -> Highest:
    """For every class its own highest value, and what choosing it does to every other.

    Args:
        table, x: as for `grids`; `by_superclass(table)` for superclasses.
        reference: the value that changes are counted from; None takes the one with the highest overall accuracy.

    Raises:
        SpecError: the sweep does not have the reference.
    """
    highest, prices, told = [], [], []
    for grid in grids(table, x):
        parts = _part(grid, reference)
        highest.append(parts[0])
        prices.append(parts[1])
        told += [*grid.reasons, *parts[2]]
    return Highest(pd.concat(highest, ignore_index=True), pd.concat(prices, ignore_index=True), reason_table(told))


def images_behind(grid: Grid) -> Floats:
    """(C, V) images that each mean rests on; NaN where not known."""
    there = np.isfinite(grid.accuracy)
    total = np.where(there, grid.images, 0.0).sum(axis=2)
    return np.where(total > 0, total, np.nan)


def verdicts(low: Floats, high: Floats) -> NDArray[np.object_]:
    """gains | loses | not told apart of each interval, unchanged where it is the reference; None without one."""
    names = np.where(low > 0, GAINS, np.where(high < 0, LOSES, UNCLEAR)).astype(object)
    names[(low == 0) & (high == 0)] = SAME
    names[~np.isfinite(low)] = None
    return names


def no_intervals(grid: Grid, found: Differences) -> list[dict[str, Any]]:
    """The reason why changes have no interval, if some have none."""
    known = np.asarray(np.isfinite(grid.accuracy).any(axis=(1, 2)))
    if all(basis is not None for basis, there in zip(found.basis, known, strict=True) if there):
        return []
    text = "One seed and no numbers of images: changes have no interval, so none can be told from chance."
    return [reason(grid.setting, "no_intervals", text)]


def _part(grid: Grid, reference: float | str | None) -> tuple[pd.DataFrame, pd.DataFrame, list[dict[str, Any]]]:
    mean, size = grid.mean, len(grid.classes)
    there = np.isfinite(mean)
    known: Bools = np.asarray(there.any(axis=1))
    top = np.where(there, mean, -np.inf).argmax(axis=1)
    told = [
        reason(grid.setting, "no_highest", f"{grid.classes[c]} has no accuracy at any value.", name=grid.classes[c])
        for c in np.flatnonzero(~known)
    ]
    place = reference_place(grid, reference)
    if place is None:
        told.append(reason(grid.setting, "no_reference", "No value has an overall accuracy: nothing to compare with."))
    images = images_behind(grid)
    own = differences(mean, grid.sd, grid.counts, images, top)
    against = differences(mean, grid.sd, grid.counts, images, np.full(size, place or 0))
    if place is None:
        nothing = np.full(mean.shape, np.nan)
        against = Differences(nothing, nothing, nothing, (None,) * size)
    change, low, high = (a[:, top].T for a in (against.change, against.low, against.high))  # rows: for, columns: class
    told += no_intervals(grid, against)
    rows = _highest_rows(grid, top, known, own, against, place)
    others = _others(grid, change, low, high)
    return pd.DataFrame({**rows, **others}, index=range(size)), _prices(grid, top, known, (change, low, high)), told


def _highest_rows(
    grid: Grid, top: Ints, known: Bools, own: Differences, against: Differences, place: int | None
) -> dict[str, Any]:
    rows, cells, mean = np.arange(len(top)), grid.axis.cells(), grid.mean
    sure = [known[c] and own.basis[c] is not None for c in rows]
    alike = [[cells[v] for v in np.flatnonzero(own.high[c] >= 0)] if sure[c] else [] for c in rows]
    return {
        **grid.setting,
        "for": list(grid.classes),
        "x": [cells[top[c]] if known[c] else None for c in rows],
        "accuracy": mean[rows, top],
        "sd": grid.sd[rows, top],
        "seeds": grid.counts[rows, top],
        "alike": alike,
        "reference": None if place is None else cells[place],
        "reference_accuracy": mean[:, place] if place is not None else np.full(len(top), np.nan),
        "gain": against.change[rows, top],
        "low": against.low[rows, top],
        "high": against.high[rows, top],
        "basis": list(against.basis),
    }


def _others(grid: Grid, change: Floats, low: Floats, high: Floats) -> dict[str, Any]:
    """Sums over the others of each row (choice)."""
    size = len(change)
    other = np.isfinite(change) & ~np.eye(size, dtype=bool)
    count = other.sum(axis=1)
    total = np.where(other, change, 0.0).sum(axis=1)
    worst = np.where(other, change, np.inf).argmin(axis=1) if size else np.zeros(0, dtype=np.int64)
    some = count > 0
    rows = np.arange(size)
    return {
        "others": count,
        "others_change": np.divide(total, count, out=np.full(size, np.nan), where=some),
        "winners": (other & (low > 0)).sum(axis=1),
        "losers": (other & (high < 0)).sum(axis=1),
        "worst": [grid.classes[worst[c]] if some[c] else None for c in rows],
        "worst_change": np.where(some, change[rows, worst], np.nan),
    }


def _prices(grid: Grid, top: Ints, known: Bools, changes: tuple[Floats, Floats, Floats]) -> pd.DataFrame:
    names = np.array(grid.classes, dtype=object)
    cells = np.array([*grid.axis.cells(), None], dtype=object)
    size = len(names)
    at = cells[np.where(known, top, -1)]
    there = grid.mean[:, top].T  # rows: for, columns: class
    own = grid.mean[np.arange(size), top]
    parts = (*changes, there, np.round(there - own, DECIMALS))
    change, low, high, accuracy, regret = (np.where(known[:, None], a, np.nan).ravel() for a in parts)
    return pd.DataFrame(
        {
            **grid.setting,
            "for": np.repeat(names, size),
            "x": np.repeat(at, size),
            "class": np.tile(names, size),
            "change": change,
            "low": low,
            "high": high,
            "verdict": verdicts(low, high),
            "accuracy": accuracy,
            "from_own_highest": regret,
        },
        index=range(size * size),
    )
