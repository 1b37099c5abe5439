"""How far two embeddings of the same images say the same: as clusters, as geometry, as neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssrl_core.analysis.matching import contingency, matched
from ssrl_core.analysis.matrix import Floats, checked
from ssrl_core.analysis.scores import ami
from ssrl_core.errors import DataError

NEIGHBOURS = 20
MOST_QUERIES = 2000
_BLOCK = 250


def compare(first: ArrayLike, second: ArrayLike, ids: ArrayLike, others: ArrayLike, *, seed: int = 0) -> dict[str, Any]:
    """All of it (CONTRACTS C11 `compare`).

    Args:
        first, second: (n, D), (n, E) embeddings of the same images, row by row.
        ids, others: (n,) their clusters, -1 for none.

    Returns:
        {ami, contingency (rows: the first's clusters), cka, neighbour_overlap, neighbour_chance, neighbours, n}; `ami`
        is None where fewer than two images have a cluster in both.
    """
    x, y = checked(first, where="First embedding"), checked(second, where="Second embedding")
    if len(x) != len(y):
        raise DataError(where="Comparison", field="rows", rule="the same images", value=(len(x), len(y)))
    a, b = np.asarray(ids), np.asarray(others)
    both = (a >= 0) & (b >= 0)
    k = min(NEIGHBOURS, max(1, len(x) - 1))
    overlap = neighbour_overlap(x, y, k=k, seed=seed)
    return {
        "ami": ami(a[both], b[both]) if both.sum() > 1 else None,
        "contingency": contingency(a, b).tolist(),
        "cka": cka(x, y),
        "neighbour_overlap": None if overlap is None else float(overlap[1].mean()),
        "neighbour_chance": k / (len(x) - 1) if len(x) > 1 else None,
        "neighbours": k,
        "n": len(x),
    }


def cka(x: Floats, y: Floats) -> float | None:
    """Linear centred kernel alignment: 1 for embeddings that a turn and a scale make equal, about 0 for unrelated ones.

    Returns:
        0..1; None where one embedding is a single point.

    Source:
        Kornblith, Norouzi, Lee & Hinton 2019, equation 5, through the D x E matrix, so that n may be large.
    """
    a = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    b = y.astype(np.float64) - y.mean(axis=0, dtype=np.float64)
    cross = float(np.square(a.T @ b).sum())
    own = float(np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    return cross / own if own > 0 else None


def neighbour_overlap(
    x: Floats, y: Floats, *, k: int = NEIGHBOURS, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Share of an image's k nearest in one embedding that are among its k nearest in the other.

    Args:
        seed: of the 2,000 rows looked at where there are more; neighbours are sought among all rows.

    Returns:
        rows looked at (m,) and their shares (m,) 0..1; None for fewer than two rows.
    """
    n = len(x)
    if n < 2:
        return None
    rows = np.arange(n)
    if n > MOST_QUERIES:
        rows = np.sort(np.random.default_rng(seed).choice(n, MOST_QUERIES, replace=False))
    near, other = nearest_of(x, rows, k), nearest_of(y, rows, k)
    joined = np.sort(np.hstack([near, other]), axis=1)
    return rows, np.asarray((joined[:, 1:] == joined[:, :-1]).sum(axis=1) / near.shape[1])


def nearest_of(x: Floats, rows: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """(m, k) the nearest other rows of some rows, exactly, by Euclidean distance, in no order."""
    squares = np.einsum("ij,ij->i", x, x)
    found = np.empty((len(rows), min(k, len(x) - 1)), np.int64)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        away = squares[None, :] - 2.0 * (x[block] @ x.T)
        away[np.arange(len(block)), block] = np.inf
        found[start : start + _BLOCK] = np.argpartition(away, found.shape[1] - 1, axis=1)[:, : found.shape[1]]
    return found


def moved(ids: ArrayLike, others: ArrayLike) -> NDArray[np.bool_]:
    """(n,) bool: images whose cluster in the first is not matched to their cluster in the second.

    Clusters are matched one to one, those that share most first, however little that is; one without a partner has
    moved as a whole. Images in no cluster have not moved.
    """
    a, b = np.asarray(ids), np.asarray(others)
    partner = np.full(max(1, int(a.max(initial=-1)) + 1), -2)
    for row, (column, _) in matched(contingency(a, b), least=1e-9).items():
        partner[row] = column
    both = (a >= 0) & (b >= 0)
    return np.asarray(both & (partner[np.maximum(a, 0)] != b))
