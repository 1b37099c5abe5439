"""What was selected on a map: which points lie inside an outline, and what they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ssrl_core.analysis.intervals import wilson

MOST_VALUES = 1000


def in_polygon(points: ArrayLike, outline: ArrayLike) -> NDArray[np.bool_]:
    """Which points lie in a polygon, by the even-odd rule (a loop drawn twice cuts a hole).

    Args:
        points: (n, 2); NaN rows are never inside.
        outline: (m, 2) corners, closed by itself; fewer than 3 enclose nothing.

    Returns:
        (n,) bool. A point on an edge may fall on either side, but of two polygons that share the edge only one has it.
    """
    flat, corners = np.asarray(points, dtype=np.float64), np.asarray(outline, dtype=np.float64).reshape(-1, 2)
    result = np.zeros(len(flat), dtype=bool)
    if len(corners) < 3 or not len(flat):
        return result
    low, high = corners.min(axis=0), corners.max(axis=0)
    near = np.flatnonzero(((flat >= low) & (flat <= high)).all(axis=1))
    near = near[np.argsort(flat[near, 1], kind="stable")]  # by height: an edge concerns one stretch of them
    x, y = flat[near, 0], flat[near, 1]
    odd = np.zeros(len(near), dtype=bool)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y1 == y2:
            continue
        if y1 > y2:  # always upwards: an edge cuts the same for both polygons that share it
            x1, y1, x2, y2 = x2, y2, x1, y1
        first, last = np.searchsorted(y, (y1, y2))
        at = slice(first, last)
        odd[at] ^= x[at] < x1 + (y[at] - y1) * (x2 - x1) / (y2 - y1)
    result[near] = odd
    return result


def in_box(points: ArrayLike, first: Sequence[float], second: Sequence[float]) -> NDArray[np.bool_]:
    """(n,) bool: which points lie in the rectangle between two opposite corners, edges included."""
    flat = np.asarray(points, dtype=np.float64)
    low, high = np.minimum(first, second), np.maximum(first, second)
    return np.asarray(((flat >= low) & (flat <= high)).all(axis=1))


def counts(values: Sequence[Any] | pd.Series, chosen: NDArray[np.bool_]) -> pd.DataFrame:
    """How often each value of a column is among the chosen rows, beside how often it is among all.

    Args:
        values: (n,) a column; missing values are counted as None.
        chosen: (n,) bool.

    Returns:
        columns value, selected, all, share (of the selected), low, high (its 95 % Wilson interval), share_all, times
        (share / share_all): most frequent in the selection first. At most 1,000 values come back;
        `attrs["left_out"]` counts the others.
    """
    column = pd.Series(np.asarray(values, dtype=object))
    keys, uniques = pd.factorize(column.where(column.notna(), None), use_na_sentinel=True)
    return counts_of_codes(keys, list(uniques), chosen)


def counts_of_codes(codes: NDArray[Any], names: Sequence[Any], chosen: NDArray[np.bool_]) -> pd.DataFrame:
    """The same of a column that is numbered already: a million rows in a few milliseconds.

    Args:
        codes: (n,) int, place in `names`; below 0 is a missing value.
    """
    values, keys = [*names, None], np.where(codes < 0, len(names), codes)
    everywhere = np.bincount(keys, minlength=len(values))
    here = np.bincount(keys[chosen], minlength=len(values))
    total, n = int(here.sum()), len(keys)
    order = np.lexsort((np.arange(len(values)), -everywhere, -here))
    order = order[everywhere[order] > 0]
    rows = [_count(values[i], int(here[i]), int(everywhere[i]), total, n) for i in order[:MOST_VALUES]]
    frame = pd.DataFrame(rows, columns=["value", "selected", "all", "share", "low", "high", "share_all", "times"])
    frame["value"] = frame["value"].astype(object).where(frame["value"].notna(), None)
    frame.attrs["left_out"] = max(0, len(order) - MOST_VALUES)
    return frame


def _count(value: Any, here: int, everywhere: int, total: int, n: int) -> dict[str, Any]:
    share, share_all = (here / total if total else 0.0), everywhere / n
    low, high = wilson(here, total)
    return {
        "value": value,
        "selected": here,
        "all": everywhere,
        "share": share,
        "low": low,
        "high": high,
        "share_all": share_all,
        "times": share / share_all if share_all else 0.0,
    }
