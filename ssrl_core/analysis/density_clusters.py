"""Clusters by density: HDBSCAN finds how many there are by itself, and leaves out what lies between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssrl_core.analysis.clusters import Clustering, by_size, from_ids
from ssrl_core.analysis.matrix import Floats, all_equal, checked, principal_components
from ssrl_core.errors import SpecError

MOST_ROWS = 10_000  # it compares all pairs: more rows are given the cluster of their nearest compared one
COMPONENTS = 20
_SAMPLES = 5


def density_clusters(x: ArrayLike, least: int, *, seed: int = 0) -> Clustering:
    """HDBSCAN in the 20 largest principal components of an embedding.

    Args:
        x: (n, D) embedding.
        least: fewest images of a cluster, 2 <= least <= n.
        seed: of the 10,000 rows that clusters are sought among where there are more; each of the others gets the
            cluster of the nearest of them.

    Returns:
        clusters numbered by falling size; `ids` -1 for rows in none. `k` is the number found, 0 for none.

    Raises:
        SpecError: least outside 2..n.
        DataError: an embedding that is empty or not finite.

    Source:
        Campello, Moulavi & Sander 2013; scikit-learn's implementation.
    """
    table = checked(x)
    if isinstance(least, bool) or not isinstance(least, int | np.integer) or not 2 <= least <= len(table):
        rule = f"in 2..{len(table)}"
        raise SpecError(where="HDBSCAN", field="least size", rule=rule, value=least, remedy="Ask for smaller clusters.")
    if all_equal(table):
        return from_ids(table, np.zeros(len(table), np.int32), 1, seed=seed)
    from sklearn.cluster import HDBSCAN

    reduced = principal_components(table, COMPONENTS)
    rows = fitted_rows(len(table), seed)
    share = len(rows) / len(table)
    size = max(2, round(least * share))
    model = HDBSCAN(min_cluster_size=size, min_samples=min(_SAMPLES, len(rows) - 1), copy=True)
    ids = model.fit(reduced[rows]).labels_
    if share < 1:
        ids = _nearest_of(reduced, rows, ids)
    k = int(ids.max(initial=-1)) + 1
    return from_ids(table, by_size(ids, k), k, seed=seed)


def way(n: int, least: int) -> str:
    """How HDBSCAN goes about `n` rows, in words."""
    among = (
        f", sought among {MOST_ROWS} images drawn by chance; every other one has the cluster of the nearest of them"
        if n > MOST_ROWS
        else ""
    )
    return f"HDBSCAN (at least {least} images a cluster{among})"


def fitted_rows(n: int, seed: int) -> NDArray[np.int64]:
    """The rows that clusters are sought among: all, or 10,000 of them."""
    if n <= MOST_ROWS:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, MOST_ROWS, replace=False))


def _nearest_of(x: Floats, rows: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.int64]:
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(x[rows])
    return np.asarray(ids[near.kneighbors(x, return_distance=False)[:, 0]])
