"""Two conditions beside each other: which groups of cells one has more of."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ssrl_core.analysis.classes import wilson


def compare_shares(groups: ArrayLike, first: ArrayLike, second: ArrayLike, k: int) -> pd.DataFrame:
    """Share of every group among two sets of cells, and the difference.

    Args:
        groups: (n,) group of each cell, -1 for none.
        first, second: (n,) bool, the cells of each condition.

    Returns:
        group, count_1, cells_1, share_1, low_1, high_1, the same with _2, difference (second minus first), low, high:
        its 95 % interval, from the two Wilson intervals.

    Source:
        Newcombe 1998, method 10: stays sensible for few cells and for shares near 0 and 1.
    """
    ids = np.asarray(groups, np.int64)
    chosen = [ids[np.asarray(mask, bool) & (ids >= 0)] for mask in (first, second)]
    return compare_counts(*(np.bincount(own, minlength=k) for own in chosen))


def compare_counts(first: ArrayLike, second: ArrayLike) -> pd.DataFrame:
    """`compare_shares` of cells that are counted already.

    Args:
        first, second: (k,) cells of each condition in each group.
    """
    counts = [np.asarray(given, np.int64) for given in (first, second)]
    rows = []
    for g in range(len(counts[0])):
        row: dict[str, float] = {"group": g}
        ends = []
        for i, own in enumerate(counts, start=1):
            count, cells = int(own[g]), int(own.sum())
            share = count / cells if cells else math.nan
            low, high = wilson(count, cells)
            row |= {f"count_{i}": count, f"cells_{i}": cells, f"share_{i}": share, f"low_{i}": low, f"high_{i}": high}
            ends.append((share, low, high))
        (p1, l1, u1), (p2, l2, u2) = ends
        row["difference"] = p2 - p1
        row["low"] = p2 - p1 - math.hypot(p2 - l2, u1 - p1)
        row["high"] = p2 - p1 + math.hypot(u2 - p2, p1 - l1)
        rows.append(row)
    return pd.DataFrame(rows)
