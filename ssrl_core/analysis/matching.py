"""Which cluster of one clustering is which of another: by the images they share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEAST_SHARED = 0.5


def contingency(first: ArrayLike, second: ArrayLike) -> NDArray[np.int64]:
    """How many rows each pair of clusters shares.

    Args:
        first, second: (n,) int cluster ids of the same rows, -1 for none; rows where either is -1 are left out.

    Returns:
        (max(first) + 1, max(second) + 1).
    """
    a, b = np.asarray(first, np.int64), np.asarray(second, np.int64)
    rows, columns = int(a.max(initial=-1)) + 1, int(b.max(initial=-1)) + 1
    both = (a >= 0) & (b >= 0)
    return np.bincount(a[both] * columns + b[both], minlength=rows * columns).reshape(rows, columns)


def shared(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """Dice overlap of every pair of a contingency: twice what they share over what they have together, 0..1."""
    together = table.sum(axis=1, keepdims=True) + table.sum(axis=0, keepdims=True)
    return np.asarray(2.0 * table / np.maximum(together, 1))


def matched(table: NDArray[np.int64], *, least: float = LEAST_SHARED) -> dict[int, tuple[int, float]]:
    """The best partner of each cluster, one to one, the most alike first.

    Args:
        table: contingency, rows the first clustering.
        least: pairs that share less (Dice) are none: a cluster that fell apart has no successor.

    Returns:
        {row: (column, shared)}.
    """
    overlap = shared(table)
    found: dict[int, tuple[int, float]] = {}
    taken: set[int] = set()
    for at in np.argsort(-overlap, axis=None, kind="stable"):
        row, column = divmod(int(at), overlap.shape[1])
        if overlap[row, column] < least:
            break
        if row not in found and column not in taken:
            found[row] = column, float(overlap[row, column])
            taken.add(column)
    return found
