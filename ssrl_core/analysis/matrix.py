"""What every analysis asks of an embedding first: a finite table, fewer columns where few will do, nearest rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssrl_core.errors import DataError

Floats = NDArray[np.float32]
_VALUES = 1 << 25  # of the rows that are copied at once


def in_pieces(x: Floats, rows: NDArray[np.int64] | None = None) -> Iterator[Floats]:
    """All rows, or those of these numbers, some at a time: what is worked on never needs a second table beside it."""
    step = max(1, _VALUES // x.shape[1])
    for start in range(0, len(x if rows is None else rows), step):
        yield x[start : start + step] if rows is None else x[rows[start : start + step]]


def checked(x: ArrayLike, *, where: str = "Embedding") -> Floats:
    """`x` as (n, D) float32 with every value finite.

    Raises:
        DataError: not two-dimensional, no rows or columns, or NaN or infinity in some rows.
    """
    table = np.asarray(x, dtype=np.float32)
    if table.ndim != 2 or 0 in table.shape:
        raise DataError.at(
            where,
            "shape",
            "(n, D) with at least one row and one column",
            tuple(table.shape),
            "Embed at least one image.",
        )
    bad = sum(int(np.count_nonzero(~np.isfinite(piece).all(axis=1))) for piece in in_pieces(table))
    if bad:
        raise DataError.at(
            where,
            "values",
            "finite",
            f"NaN or infinity in {bad} of {len(table)} rows",
            "The training has probably diverged: lower the learning rate and train again.",
        )
    return table


def all_equal(x: Floats) -> bool:
    """Whether every row is the same point, as in an embedding that has collapsed."""
    return all(bool((piece == x[0]).all()) for piece in in_pieces(x))


def drawn_rows(n: int, most: int, seed: int) -> NDArray[np.int64]:
    """All of `n` rows, or `most` of them by chance, ascending."""
    return np.arange(n) if n <= most else np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


def principal_components(x: Floats, count: int) -> Floats:
    """The rows of `x` in their `count` directions of largest variance.

    Args:
        x: (n, D) finite.
        count: columns wanted; fewer come back where n or D is smaller.

    Returns:
        (n, min(count, n, D)) float32, centred, columns by falling variance. A column's sign makes its largest
        loading positive, so that the same data never come back mirrored.
    """
    mean = x.mean(axis=0, dtype=np.float64)
    count = min(count, *x.shape)
    if x.shape[1] <= x.shape[0]:
        squares = np.zeros((x.shape[1], x.shape[1]))
        for piece in in_pieces(x):
            centred = piece.astype(np.float64) - mean
            squares += centred.T @ centred
        _, axes = np.linalg.eigh(squares)
        axes = axes[:, ::-1][:, :count]
    else:  # fewer rows than columns: the small matrix is the one of the rows
        _, _, rows = np.linalg.svd(x.astype(np.float64) - mean, full_matrices=False)
        axes = rows[:count].T
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    turned = axes * np.where(largest < 0, -1.0, 1.0)
    made = [np.asarray((piece.astype(np.float64) - mean) @ turned, dtype=np.float32) for piece in in_pieces(x)]
    return np.concatenate(made)


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
