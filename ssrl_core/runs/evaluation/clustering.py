"""Clusters of a run, kept in its folder: made once for each K and seed, by the child or by whoever asks first."""

from __future__ import annotations

import dataclasses
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
    rows = np.flatnonzero(run.evaluated())
    found = clusters_of_rows(run, x[rows], rows, len(x), k, seed)
    return dataclasses.replace(found, ids=spread(found.ids, rows, len(x), empty=-1))


def file_of(method: str, k: int, seed: int) -> str:
    """Name of a clustering's file: `k` is the number of clusters, of HDBSCAN the least size of one."""
    if method == KMEANS:
        return clusters_file(k, seed)
    return f"clusters_{method}_m{k}.npy"


def way_of(method: str, k: int, n: int) -> str:
    """How `n` images were put into clusters, in words: "mini-batch k-means (4096 images at a time, …)"."""
    from ssrl_core.analysis import clusters

    return clusters.describe_kmeans(n, k) if method == KMEANS else clusters.describe_hdbscan(n, k)


def clusters_of_rows(
    run: RunFolder,
    x: np.ndarray,
    rows: np.ndarray,
    n: int,
    k: int,
    seed: int = 0,
    *,
    keep: bool = True,
    method: str = KMEANS,
) -> Clustering:
    """The clustering of some rows of an embedding, read or made.

    Args:
        x: (m, D) the embedding of the rows that clusters are sought in.  rows: (m,) their row numbers.  n: rows in all.
        k: number of clusters; with `method="hdbscan"`, the fewest images of one.
        keep: write the file; a demo run is never written into.

    Returns:
        Clustering with `ids` (m,) int32, -1 where (HDBSCAN) there is no cluster.

    Raises:
        SpecError: k outside 1..m.
    """
    path = run.path / file_of(method, k, seed)
    if not path.is_file():
        return _make(path, x, rows, n, k, seed, method, keep=keep and not run.is_demo)
    from ssrl_core.analysis.clusters import from_ids

    ids = stores.read_array(path)[rows]
    return from_ids(x, ids, _number(ids, k, method), seed=seed)


def _make(
    path: Path, x: np.ndarray, rows: np.ndarray, n: int, k: int, seed: int, method: str, *, keep: bool
) -> Clustering:
    from ssrl_core.analysis.clusters import MOST_FULL, density_clusters, fitted_rows, kmeans

    started = time.perf_counter()
    more: dict[str, Any]
    if method == KMEANS:
        found = kmeans(x, k, seed=seed)
        more = {"parameters": {"k": k, "seed": seed}, "mini_batch": len(x) > MOST_FULL}
    else:
        found = density_clusters(x, k, seed=seed)
        more = {"parameters": {"min_cluster_size": k, "seed": seed}, "sought_among": len(fitted_rows(len(x), seed))}
    if keep:
        info = {
            "method": method,
            **more,
            "seconds": round(time.perf_counter() - started, 3),
            "fitted_n": len(x),
            "inertia": found.inertia,
            "sizes": list(found.sizes),
        }
        save_array(path, spread(found.ids, rows, n, empty=-1), info)
    return found


def _number(ids: np.ndarray, k: int, method: str) -> int:
    """How many clusters a stored assignment has."""
    return k if method == KMEANS else int(ids.max(initial=-1)) + 1
