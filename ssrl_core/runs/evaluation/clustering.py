"""Clusters of a run, kept in its folder: made once for each K and seed, by the child or by whoever asks first."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core import stores
from ssrl_core.errors import DataError, SpecError
from ssrl_core.runs.folder.results import CLUSTERS, clean, clusters_file, save_array, sound, spread
from ssrl_core.runs.folder.run_folder import RunFolder, imageset_of

if TYPE_CHECKING:
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
    required: bool = False,
    method: str = KMEANS,
) -> Clustering:
    """The clustering of some rows of an embedding, read or made.

    Args:
        x: (m, D) the embedding of the rows that clusters are sought in.  rows: (m,) their row numbers.  n: rows in all.
        k: number of clusters; with `method="hdbscan"`, the fewest images of one.
        keep: write the file, where the disk takes it; a demo run is never written into.
        required: who asks comes for the file: that it cannot be written is an error.

    Returns:
        Clustering with `ids` (m,) int32, -1 where (HDBSCAN) there is no cluster.

    Raises:
        SpecError: k outside 1..m.
        OSError: it cannot be written, and is `required`.
    """
    path = run.path / file_of(method, k, seed)
    if not path.is_file():
        return _make(path, x, rows, n, k, seed, method, keep=keep and not run.is_demo, required=required)
    from ssrl_core.analysis.clusters import from_ids

    ids = stores.read_array(path)[rows]
    return from_ids(x, ids, _number(ids, k, method), seed=seed)


def _make(
    path: Path,
    x: np.ndarray,
    rows: np.ndarray,
    n: int,
    k: int,
    seed: int,
    method: str,
    *,
    keep: bool,
    required: bool,
) -> Clustering:
    from ssrl_core.analysis.clusters import MOST_FULL, MOST_ROWS, density_clusters, kmeans

    started = time.perf_counter()
    more: dict[str, Any]
    if method == KMEANS:
        found = kmeans(x, k, seed=seed)
        more = {"parameters": {"k": k, "seed": seed}, "mini_batch": len(x) > MOST_FULL}
    else:
        found = density_clusters(x, k, seed=seed)
        more = {"parameters": {"min_cluster_size": k, "seed": seed}, "sought_among": min(len(x), MOST_ROWS)}
    if keep:
        info = {
            "method": method,
            **more,
            "seconds": round(time.perf_counter() - started, 3),
            "fitted_n": len(x),
            "inertia": found.inertia,
            "sizes": list(found.sizes),
        }
        with nullcontext() if required else stores.kept_if_possible(path):
            save_array(path, spread(found.ids, rows, n, empty=-1), info)
    return found


def _number(ids: np.ndarray, k: int, method: str) -> int:
    """How many clusters a stored assignment has."""
    return k if method == KMEANS else int(ids.max(initial=-1)) + 1


MOST_OVER = 20
_KEPT = ("silhouette", "silhouette_n", "ami", "ami_shuffled", "inertia", "sizes")


def read_over_k(run: RunFolder, seed: int = 0) -> dict[int, Mapping[str, Any]]:
    """{k: {silhouette, ami, …}} as far as it was made; {} while nothing was."""
    try:
        found = sound(stores.read_json(_over_k_file(run, seed)), {"scores": {"*": CLUSTERS}}, "", {})
        return {int(k): scores for k, scores in (found["scores"] or {}).items() if scores}
    except (DataError, KeyError, ValueError):
        return {}


def make_over_k(
    run: RunFolder, first: int, last: int, *, seed: int = 0, report: Callable[[float], None] | None = None
) -> dict[int, Mapping[str, Any]]:
    """Cluster and score for every k from `first` to `last`; what is there is not made again.

    Raises:
        SpecError: a range that is none, or a demo run, which is not written into.
    """
    from ssrl_core.analysis.scores import cluster_scores

    if run.is_demo:
        raise SpecError(f"Run {run.id} is a demo run and is not written into. Train one of your own to score every k.")
    x, ids = run.embedding()
    rows = np.flatnonzero(run.evaluated())
    if not 2 <= first <= last <= len(rows):
        raise SpecError.at("cluster", "--over", f"A:B with 2 <= A <= B <= {len(rows)}", f"{first}:{last}")
    imageset = imageset_of(run.spec())
    labels = imageset.label_ids[ids[rows]] if imageset.label is not None else None
    stores.require_writable(run.path)
    own, found, file = x[rows], read_over_k(run, seed), _over_k_file(run, seed)
    for done, k in enumerate(range(first, last + 1)):
        if k not in found:
            clustering = clusters_of_rows(run, own, rows, len(x), k, seed)
            scores = cluster_scores(own, clustering, labels, seed=seed)
            found[k] = clean({key: scores[key] for key in _KEPT})
            stores.write_json(file, {"version": 1, "scores": {str(c): found[c] for c in sorted(found)}})
        if report is not None:
            report((done + 1) / (last - first + 1))
    return {k: found[k] for k in range(first, last + 1)}


def _over_k_file(run: RunFolder, seed: int) -> Path:
    return run.path / f"scores_kmeans_s{seed}.json"
