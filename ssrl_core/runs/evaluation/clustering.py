"""Clusters of a run, kept in its folder: made once for each K and seed, by the child or by whoever asks first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core import stores
from ssrl_core.runs.folder.arrays import clusters_file, save_array, spread
from ssrl_core.runs.folder.run_folder import RunFolder

if TYPE_CHECKING:
    from pathlib import Path

    from ssrl_core.analysis.clusters import Clustering

KMEANS, HDBSCAN = "kmeans", "hdbscan"


def stored_clusters(run: RunFolder, k: int, seed: int = 0) -> Clustering:
    """k-means with k clusters, fitted on the evaluated split; computed and stored if it is not there yet.

    Returns:
        Clustering whose `ids` (n,) int32 follow the rows of the embedding, -1 outside the evaluated split.

    Raises:
        RunError: the run has no embedding.
        SpecError: k is outside 1..number of evaluated images.
    """
    x, _ = run.embedding()
    return clusters_of(run, x, run.evaluated(), k, seed)


def file_of(method: str, k: int, seed: int) -> str:
    """Name of a clustering's file: `k` is the number of clusters, of HDBSCAN the least size of one."""
    if method == KMEANS:
        return clusters_file(k, seed)
    return f"clusters_{method}_m{k}.npy"


def way_of(method: str, k: int, n: int) -> str:
    """How `n` images were put into clusters, in words: "mini-batch k-means (4096 images at a time, …)"."""
    from ssrl_core.analysis import clusters

    return clusters.way(n, k) if method == KMEANS else clusters.density_way(n, k)


def clusters_of(
    run: RunFolder,
    x: np.ndarray,
    fitted: np.ndarray,
    k: int,
    seed: int,
    *,
    keep: bool = True,
    method: str = KMEANS,
) -> Clustering:
    """The clustering of some rows of an embedding, read or made.

    Args:
        x: (n, D) embedding.  fitted: (n,) bool, the rows that clusters are sought in.
        k: number of clusters; with `method="hdbscan"`, the fewest images of one.
        keep: write the file; a demo run is never written into.

    Returns:
        Clustering with `ids` (n,) int32, -1 outside the fitted rows and (HDBSCAN) where there is no cluster.

    Raises:
        SpecError: k outside 1..number of fitted rows.
    """
    return own_clusters(run, x[fitted], np.flatnonzero(fitted), len(x), k, seed, keep=keep, method=method)


def own_clusters(
    run: RunFolder,
    own: np.ndarray,
    rows: np.ndarray,
    n: int,
    k: int,
    seed: int = 0,
    *,
    keep: bool = True,
    method: str = KMEANS,
    inside: bool = False,
) -> Clustering:
    """The same, of rows that were taken out already: nothing is read or copied twice.

    Args:
        own: (m, D) the embedding of the fitted rows.  rows: (m,) their row numbers.  n: rows in all.
        inside: give `ids` of the fitted rows alone, (m,), instead of all.
    """
    path = run.path / file_of(method, k, seed)
    if path.is_file():
        from ssrl_core.analysis.clusters import from_ids

        ids = stores.read_array(path)[rows]
        found = from_ids(own, ids, _number(ids, k, method), seed=seed)
    else:
        found = _make(path, own, rows, n, k, seed, method, keep=keep and not run.is_demo)
    if inside:
        return found
    return type(found)(
        spread(found.ids, rows, n, empty=-1), found.centroids, found.inertia, found.sizes, found.k, found.seed
    )


def _make(
    path: Path, own: np.ndarray, rows: np.ndarray, n: int, k: int, seed: int, method: str, *, keep: bool
) -> Clustering:
    from ssrl_core.analysis.clusters import MOST_FULL, density_clusters, fitted_rows, kmeans

    started = time.perf_counter()
    more: dict[str, Any]
    if method == KMEANS:
        found = kmeans(own, k, seed=seed)
        more = {"parameters": {"k": k, "seed": seed}, "mini_batch": len(own) > MOST_FULL}
    else:
        found = density_clusters(own, k, seed=seed)
        more = {"parameters": {"min_cluster_size": k, "seed": seed}, "sought_among": len(fitted_rows(len(own), seed))}
    if keep:
        info = {
            "method": method,
            **more,
            "seconds": round(time.perf_counter() - started, 3),
            "fitted_n": len(own),
            "inertia": found.inertia,
            "sizes": list(found.sizes),
        }
        save_array(path, spread(found.ids, rows, n, empty=-1), info)
    return found


def _number(ids: np.ndarray, k: int, method: str) -> int:
    """How many clusters a stored assignment has."""
    return k if method == KMEANS else int(ids.max(initial=-1)) + 1
