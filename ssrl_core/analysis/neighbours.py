"""The nearest rows of each row: what layouts are made from and judged by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ssrl_core.analysis.matrix import Floats

Neighbours = tuple[NDArray[np.int64], Floats]


def nearest_rows(x: Floats, k: int) -> Neighbours:
    """The `k` nearest other rows of every row, exactly, by Euclidean distance.

    Args:
        x: (n, D) finite, n >= 2.
        k: neighbours wanted; at most n - 1 come back.

    Returns:
        row numbers (n, k) int64 and distances (n, k) float32, nearest first, never the row itself.
    """
    from sklearn.neighbors import NearestNeighbors

    k = min(k, len(x) - 1)
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(x)
    distances, rows = search.kneighbors()
    return rows.astype(np.int64), distances.astype(np.float32)


def nearest_to(x: Floats, row: int, k: int) -> Neighbours:
    """The `k` rows nearest to one row (itself left out), for the page that shows what an image lies beside.

    Returns:
        row numbers (k,) int64 and Euclidean distances (k,) float32, nearest first.
    """
    distances = np.sqrt(np.maximum(((x - x[row]) ** 2).sum(axis=1), 0))
    distances[row] = np.inf
    k = min(k, len(x) - 1)
    found = np.argpartition(distances, k - 1)[:k] if k else np.empty(0, dtype=np.int64)
    order = found[np.lexsort((found, distances[found]))]
    return order.astype(np.int64), distances[order].astype(np.float32)
