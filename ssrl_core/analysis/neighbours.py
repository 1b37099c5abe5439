"""The nearest rows of each row: what layouts are made from and judged by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ssrl_core.analysis.matrix import Floats

Neighbours = tuple[NDArray[np.int64], Floats]

MOST_EXACT = 100_000  # rows; above, neighbours are found by descent in a graph, a few in a hundred of them missed


def nearest_rows(x: Floats, k: int, *, seed: int = 0) -> Neighbours:
    """The `k` nearest other rows of every row by Euclidean distance, exactly up to 100,000 rows.

    Args:
        x: (n, D) finite, n >= 2.
        k: neighbours wanted; at most n - 1 come back.
        seed: of the descent, above 100,000 rows.

    Returns:
        row numbers (n, k) int64 and distances (n, k) float32, nearest first, never the row itself.

    Source:
        Above 100,000 rows nearest neighbour descent, Dong, Charikar & Li 2011, by pynndescent.
    """
    k = min(k, len(x) - 1)
    if len(x) > MOST_EXACT:
        return _descended(x, k, seed)
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(x)
    distances, rows = search.kneighbors()
    return rows.astype(np.int64), distances.astype(np.float32)


def _descended(x: Floats, k: int, seed: int) -> Neighbours:
    from ssrl_core import stores

    stores.prepare_caches()  # numba keeps what it compiled in the store
    from pynndescent import NNDescent

    rows, distances = NNDescent(x, n_neighbors=k + 1, random_state=seed).neighbor_graph
    others = rows != np.arange(len(x))[:, None]
    others[others.all(axis=1), -1] = False  # among equal rows the row itself may be missing: drop the last
    return rows[others].reshape(-1, k).astype(np.int64), distances[others].reshape(-1, k).astype(np.float32)


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
