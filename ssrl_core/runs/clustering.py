"""k-means of a run, kept in its folder: made once for each K and seed, by the child or by whoever asks first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from ssrl_core.runs.arrays import clusters_file, save_array, spread
from ssrl_core.runs.folder import RunFolder

if TYPE_CHECKING:
    from ssrl_core.analysis.clusters import Clustering


def stored_clusters(run: RunFolder, k: int, seed: int) -> Clustering:
    """See `RunFolder.clusters`."""
    x, _ = run.embedding()
    return clusters_of(run, x, run.evaluated(), k, seed)


def clusters_of(
    run: RunFolder, x: np.ndarray, fitted: np.ndarray, k: int, seed: int, *, keep: bool = True
) -> Clustering:
    """The clustering of some rows of an embedding, read or made.

    Args:
        x: (n, D) embedding.  fitted: (n,) bool, the rows that k-means is fitted on.
        keep: write the file; a demo run is never written into.

    Returns:
        Clustering with `ids` (n,) int32, -1 outside the fitted rows.

    Raises:
        SpecError: k outside 1..number of fitted rows.
    """
    path = run.path / clusters_file(k, seed)
    if path.is_file():
        return _read(np.load(path, allow_pickle=False), x, k, seed)
    from ssrl_core.analysis.clusters import Clustering, kmeans

    started = time.perf_counter()
    found = kmeans(x[fitted], k, seed=seed)
    ids = spread(found.ids, np.flatnonzero(fitted), len(x), empty=-1)
    if keep and not run.is_demo:
        info = {
            "method": "kmeans",
            "parameters": {"k": k, "seed": seed},
            "seconds": round(time.perf_counter() - started, 3),
            "fitted_n": int(fitted.sum()),
            "inertia": found.inertia,
            "sizes": list(found.sizes),
        }
        save_array(path, ids, info)
    return Clustering(ids, found.centroids, found.inertia, found.sizes, k, seed)


def _read(ids: np.ndarray, x: np.ndarray, k: int, seed: int) -> Clustering:
    """A stored clustering; centroids and inertia follow from ids and embedding."""
    from ssrl_core.analysis.clusters import Clustering

    sizes = np.bincount(ids[ids >= 0], minlength=k)
    sums = np.zeros((k, x.shape[1]), dtype=np.float64)
    np.add.at(sums, ids[ids >= 0], x[ids >= 0])
    centroids = (sums / np.maximum(sizes, 1)[:, None]).astype(np.float32)
    inside = np.flatnonzero(ids >= 0)
    inertia = float(np.square(x[inside] - centroids[ids[inside]], dtype=np.float64).sum())
    return Clustering(ids.astype(np.int32), centroids, inertia, tuple(int(s) for s in sizes), k, seed)
