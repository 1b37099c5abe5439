"""How far a layout may be believed: whether neighbours on the map are neighbours in the embedding, and of one label."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssrl_core.analysis.matrix import Floats

NEIGHBOURS = 10
MOST_QUERIES = 2000
_BLOCK = 256


def trustworthiness(x: Floats, points: ArrayLike, *, k: int = NEIGHBOURS, seed: int = 0) -> float | None:
    """1 where the k nearest on the map are the k nearest in the embedding, 0 where they are the farthest.

    Args:
        x: (n, D) the embedding.  points: (n, 2) its layout.
        k: neighbours looked at, < n / 2.
        seed: of the 2,000 rows looked at where there are more; ranks are among all rows.

    Returns:
        the value, or None for fewer than 2 k + 2 rows, where it is not defined.

    Source:
        Venna & Kaski 2001.
    """
    flat = np.asarray(points, dtype=np.float64)
    n = len(x)
    if n < 2 * k + 2:
        return None
    queries = _queries(n, seed)
    on_map = _map_neighbours(flat, queries, k)
    squares = np.einsum("ij,ij->i", x, x, dtype=np.float64)
    penalty = 0
    for start in range(0, len(queries), _BLOCK):
        block = slice(start, start + _BLOCK)
        penalty += _intrusion(x, squares, queries[block], on_map[block], k)
    return 1.0 - penalty * 2.0 / (len(queries) * k * (2 * n - 3 * k - 1))


def neighbour_hit(points: ArrayLike, labels: NDArray[np.int64], *, k: int = NEIGHBOURS, seed: int = 0) -> float | None:
    """Share of the k nearest on the map that carry the same label, averaged over labelled rows.

    Args:
        points: (n, 2).  labels: (n,) int, -1 for none.

    Returns:
        0..1, or None where fewer than two rows have a label.
    """
    known = np.flatnonzero(np.asarray(labels) >= 0)
    if len(known) < 2:
        return None
    flat, own = np.asarray(points, dtype=np.float64)[known], np.asarray(labels)[known]
    queries = _queries(len(known), seed)
    near = _map_neighbours(flat, queries, min(k, len(known) - 1))
    return float((own[near] == own[queries][:, None]).mean())


def _queries(n: int, seed: int) -> NDArray[np.int64]:
    if n <= MOST_QUERIES:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, MOST_QUERIES, replace=False))


def _map_neighbours(flat: NDArray[np.float64], queries: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    from scipy.spatial import cKDTree

    _, near = cKDTree(flat).query(flat[queries], k=k + 1)
    others = np.empty((len(queries), k), dtype=np.int64)
    for i, (row, query) in enumerate(zip(near, queries, strict=True)):
        others[i] = row[row != query][:k]  # among equal points the row itself need not come first
    return others


def _intrusion(
    x: Floats, squares: NDArray[np.float64], queries: NDArray[np.int64], near: NDArray[np.int64], k: int
) -> int:
    distances = squares[queries][:, None] + squares[None, :] - 2.0 * (x[queries] @ x.T)
    distances[np.arange(len(queries)), queries] = -np.inf
    ranks = np.empty(distances.shape, dtype=np.int32)
    order = np.argsort(distances, axis=1, kind="stable")
    np.put_along_axis(ranks, order, np.arange(distances.shape[1], dtype=np.int32)[None, :], axis=1)
    found = np.take_along_axis(ranks, near, axis=1)
    return int(np.maximum(found - k, 0).sum())
