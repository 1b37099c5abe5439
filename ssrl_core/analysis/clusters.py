"""Groups of an embedding, by k-means or by density (HDBSCAN), and the rows that show best what each group is."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssrl_core.analysis.matrix import Floats, all_equal, checked, drawn_rows, in_pieces, principal_components
from ssrl_core.errors import SpecError

STARTS, FEW_STARTS = 10, 4
_MANY = 200_000  # rows times clusters, above which ten starts would take too long
MOST_FULL = 100_000  # rows; above, k-means sees a seeded piece of 4,096 of them at a time (mini-batch)
_PIECE = 4096
_VALUES = 1 << 22  # whose squares are held at once


@dataclass(frozen=True, repr=False)
class Clustering:
    """Which cluster each row is in.

    `ids` (n,) int32, the largest cluster is 0; `centroids` (k, D) float32; `inertia` the sum of squared distances to
    them; `sizes` of length k.
    """

    ids: NDArray[np.int32]
    centroids: Floats
    inertia: float
    sizes: tuple[int, ...]
    k: int
    seed: int

    def __repr__(self) -> str:
        sizes = ", ".join(map(str, self.sizes[:8])) + (", …" if len(self.sizes) > 8 else "")
        return f"<Clustering of {len(self.ids):,} rows: {self.k} clusters of {sizes}>"


def kmeans(x: ArrayLike, k: int, *, seed: int = 0) -> Clustering:
    """k-means in the embedding: several starts by k-means++ (ten, four for large tables), the one of smallest inertia.

    Above 100,000 rows it is mini-batch k-means (Sculley 2010): centroids from seeded pieces, every row to its nearest.

    Args:
        x: (n, D) embedding.
        k: clusters, 1 <= k <= n.
        seed: same seed, same machine, same clusters.

    Returns:
        the clusters, numbered by falling size. Where fewer than `k` rows differ, the last clusters are empty.

    Raises:
        SpecError: k outside 1..n.
        DataError: an embedding that is empty or not finite.
    """
    table = checked(x)
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= len(table):
        raise SpecError.at("Clusters", "k", f"in 1..{len(table)}", k, "Ask for fewer clusters.")
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    ways = {"n_init": kmeans_starts(len(table), int(k)), "random_state": seed}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different rows than clusters: seen in the sizes
        if len(table) <= MOST_FULL:
            found = KMeans(int(k), **ways).fit(table)
        else:
            found = MiniBatchKMeans(int(k), batch_size=_PIECE, **ways).fit(table)
    return from_ids(table, by_size(found.labels_, int(k)), int(k), seed=seed)


def by_size(ids: NDArray[np.integer], k: int) -> NDArray[np.int32]:
    """The same clusters numbered by falling size; -1 (in none) stays."""
    sizes = np.bincount(ids[ids >= 0], minlength=k)
    renumber = np.argsort(np.lexsort((np.arange(k), -sizes)))
    return np.asarray(np.where(ids >= 0, renumber[np.maximum(ids, 0)], -1), dtype=np.int32)


def from_ids(x: ArrayLike, ids: NDArray[np.int32], k: int, *, seed: int = 0) -> Clustering:
    """The clustering that an assignment is: a stored one and one just found have the very same centroids.

    Args:
        x: (n, D) embedding.  ids: (n,) cluster of each row, -1 for none.

    Returns:
        centroids are the means of the members (zero for an empty cluster), summed in double precision.
    """
    table = np.asarray(x, dtype=np.float32)
    rows = np.flatnonzero(ids >= 0)
    own = ids[rows]
    sizes = np.bincount(own, minlength=k)
    order = rows[np.argsort(own, kind="stable")]
    ends = np.cumsum(sizes)
    sums = np.zeros((k, table.shape[1]))
    for cluster in np.flatnonzero(sizes):  # members one after another: np.add.at takes ten times as long
        members = order[ends[cluster] - sizes[cluster] : ends[cluster]]
        sums[cluster] = sum(piece.sum(axis=0, dtype=np.float64) for piece in in_pieces(table, members))
    centroids = (sums / np.maximum(sizes, 1)[:, None]).astype(np.float32)
    inertia = sum(
        float(np.square(table[piece] - centroids[ids[piece]], dtype=np.float64).sum())
        for piece in np.array_split(rows, max(1, len(rows) * table.shape[1] // _VALUES))
    )
    return Clustering(ids.astype(np.int32), centroids, inertia, tuple(int(s) for s in sizes), k, seed)


def kmeans_starts(n: int, k: int) -> int:
    """How many starts k-means gets for `n` rows and `k` clusters."""
    return STARTS if n * k <= _MANY else FEW_STARTS


def describe_kmeans(n: int, k: int) -> str:
    """How k-means goes about `n` rows, in words."""
    if n > MOST_FULL:
        return f"mini-batch k-means ({_PIECE} images at a time, {kmeans_starts(n, k)} starts by k-means++)"
    return f"k-means ({kmeans_starts(n, k)} starts by k-means++)"


def nearest(x: ArrayLike, clustering: Clustering, count: int) -> tuple[NDArray[np.int64], Floats]:
    """The members nearest to each centroid, the most typical first.

    Args:
        x: (n, D) the embedding that was clustered.
        count: members wanted of each cluster.

    Returns:
        row numbers (k, count) int64, -1 where a cluster has fewer members, and Euclidean distances (k, count)
        float32, NaN there.
    """
    table = np.asarray(x, dtype=np.float32)
    rows = np.full((clustering.k, count), -1, dtype=np.int64)
    distances = np.full((clustering.k, count), np.nan, dtype=np.float32)
    for cluster in range(clustering.k):
        members = np.flatnonzero(clustering.ids == cluster)
        away = _away(table, members, clustering.centroids[cluster])
        closest = np.lexsort((members, away))[:count]
        rows[cluster, : len(closest)] = members[closest]
        distances[cluster, : len(closest)] = away[closest]
    return rows, distances


def _away(x: Floats, members: NDArray[np.int64], centre: Floats) -> Floats:
    """(m,) distances of some rows to one point."""
    found = [np.linalg.norm(piece - centre, axis=1) for piece in in_pieces(x, members)]
    return np.concatenate([np.empty(0, np.float32), *found])


def distances_to_own(x: ArrayLike, clustering: Clustering) -> Floats:
    """(n,) Euclidean distance of each row to the centroid of its cluster; NaN for rows in none."""
    table = np.asarray(x, dtype=np.float32)
    distances = np.full(len(table), np.nan, dtype=np.float32)
    for cluster in range(clustering.k):
        members = np.flatnonzero(clustering.ids == cluster)
        distances[members] = _away(table, members, clustering.centroids[cluster])
    return distances


def borderline(x: ArrayLike, clustering: Clustering, count: int) -> tuple[NDArray[np.int64], Floats]:
    """The members of each cluster that lie almost as near to another centroid, the least certain first.

    Args:
        x: (n, D) the embedding that was clustered.

    Returns:
        row numbers (k, count) int64, -1 where a cluster has fewer members, and margins (k, count) float32: distance to
        the next centroid minus distance to the own one, over their sum; 0 between the two, NaN where there is no row.
    """
    table = np.asarray(x, dtype=np.float32)
    rows = np.full((clustering.k, count), -1, dtype=np.int64)
    margins = np.full((clustering.k, count), np.nan, dtype=np.float32)
    there = np.flatnonzero(np.asarray(clustering.sizes) > 0)
    if len(there) < 2:
        return rows, margins
    for cluster in there:
        members = np.flatnonzero(clustering.ids == cluster)
        own = _away(table, members, clustering.centroids[cluster])
        others = clustering.centroids[there[there != cluster]]
        least_squares = [_squares(piece, others).min(axis=1) for piece in in_pieces(table, members)]
        next_one = np.sqrt(np.maximum(np.concatenate(least_squares), 0))
        margin = (next_one - own) / np.maximum(next_one + own, 1e-12)
        least = np.lexsort((members, margin))[:count]
        rows[cluster, : len(least)], margins[cluster, : len(least)] = members[least], margin[least]
    return rows, margins


def _squares(x: Floats, centres: Floats) -> Floats:
    """(n, m) squared distances."""
    return np.asarray(np.square(x).sum(axis=1)[:, None] - 2 * x @ centres.T + np.square(centres).sum(axis=1)[None])


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
        raise SpecError.at("HDBSCAN", "least size", rule, least, "Ask for smaller clusters.")
    if all_equal(table):
        return from_ids(table, np.zeros(len(table), np.int32), 1, seed=seed)
    from sklearn.cluster import HDBSCAN

    reduced = principal_components(table, COMPONENTS)
    rows = drawn_rows(len(table), MOST_ROWS, seed)
    share = len(rows) / len(table)
    size = max(2, round(least * share))
    model = HDBSCAN(min_cluster_size=size, min_samples=min(_SAMPLES, len(rows) - 1), copy=True)
    ids = model.fit(reduced[rows]).labels_
    if share < 1:
        ids = _nearest_of(reduced, rows, ids)
    k = int(ids.max(initial=-1)) + 1
    return from_ids(table, by_size(ids, k), k, seed=seed)


def describe_hdbscan(n: int, least: int) -> str:
    """How HDBSCAN goes about `n` rows, in words."""
    among = (
        f", sought among {MOST_ROWS} images drawn by chance; every other one has the cluster of the nearest of them"
        if n > MOST_ROWS
        else ""
    )
    return f"HDBSCAN (at least {least} images a cluster{among})"


def _nearest_of(x: Floats, rows: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.int64]:
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(x[rows])
    return np.asarray(ids[near.kneighbors(x, return_distance=False)[:, 0]])
