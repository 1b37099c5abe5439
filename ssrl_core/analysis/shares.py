"""Shares and how sure they are: their intervals, and two conditions beside each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ssrl_core.errors import SpecError

Floats = NDArray[np.float64]
Counts = tuple[ArrayLike, ArrayLike]


def wilson(correct: ArrayLike, n: ArrayLike) -> tuple[Floats, Floats]:
    """95 % intervals of shares.

    Args:
        correct, n: numbers or arrays of one shape, 0 <= correct <= n; NaN gives NaN.

    Returns:
        (low, high) within 0..1; (0, 1) for n = 0, where nothing is known.

    Source:
        Wilson 1927, by statsmodels; stays inside 0..1 and keeps its coverage near the ends, where the normal interval
        does not.
    """
    from statsmodels.stats.proportion import proportion_confint

    count, size = np.asarray(correct, float), np.asarray(n, float)
    if ((count < 0) | (count > size * (1 + 1e-12))).any():
        raise SpecError(where="Interval", field="correct", rule=f"in 0..{size}", value=correct)
    low, high = proportion_confint(count, np.where(size == 0, 1.0, size), method="wilson")
    low = np.where((size == 0) | (count == 0), 0.0, low)  # exactly, where rounding would leave 1e-17
    high = np.where((size == 0) | (count == size), 1.0, high)
    return low[()], high[()]


def difference(first: Counts, second: Counts) -> tuple[Floats, Floats, Floats]:
    """How much larger the second share is than the first.

    Args:
        first, second: (correct, n) of each, numbers or arrays; NaN comes back where an n is 0.

    Returns:
        (difference, low, high), a 95 % interval in -1..1.

    Source:
        Newcombe 1998, method 10 (from the two Wilson intervals), by statsmodels: sensible for few images and for
        shares near 0 and 1. It takes the two for independent; runs that were tested on the same images agree more than
        that, so the interval is rather too wide than too narrow.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep

    (c1, n1), (c2, n2) = ((np.asarray(c, float), np.asarray(n, float)) for c, n in (first, second))
    n1, n2 = (np.where(n > 0, n, np.nan) for n in (n1, n2))
    low, high = confint_proportions_2indep(c2, n2, c1, n1, method="newcomb")
    return np.asarray(c2 / n2 - c1 / n1)[()], low, high


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
    table: dict[str, ArrayLike] = {"group": np.arange(len(counts[0]))}
    for i, own in enumerate(counts, start=1):
        cells = np.full(len(own), own.sum())
        low, high = wilson(own, cells)
        share = own / np.where(cells > 0, cells, np.nan)
        table |= {f"count_{i}": own, f"cells_{i}": cells, f"share_{i}": share, f"low_{i}": low, f"high_{i}": high}
    table["difference"], table["low"], table["high"] = difference(*((own, own.sum()) for own in counts))
    return pd.DataFrame(table)
