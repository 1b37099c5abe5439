"""The scores of k-means over a range of k, a job of a run: `scores_kmeans_s0.json`, written after every k."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ssrl_core import stores
from ssrl_core.errors import DataError, SpecError
from ssrl_core.runs.evaluation.clustering import clusters_of_rows
from ssrl_core.runs.folder.results import clean
from ssrl_core.runs.folder.run_folder import RunFolder, imageset_of

MOST_OVER = 20
_KEPT = ("silhouette", "silhouette_n", "ami", "ami_shuffled", "inertia", "sizes")


def path_of(run: RunFolder, seed: int = 0) -> Path:
    """Where they are kept."""
    return run.path / f"scores_kmeans_s{seed}.json"


def read(run: RunFolder, seed: int = 0) -> dict[int, Mapping[str, Any]]:
    """{k: {silhouette, ami, …}} as far as it was made; {} while nothing was."""
    try:
        return {int(k): scores for k, scores in stores.read_json(path_of(run, seed))["scores"].items()}
    except (DataError, KeyError, ValueError):
        return {}


def make(
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
        raise SpecError(
            where="cluster", field="--over", rule=f"A:B with 2 <= A <= B <= {len(rows)}", value=f"{first}:{last}"
        )
    imageset = imageset_of(run.spec())
    labels = imageset.label_ids[ids[rows]] if imageset.label is not None else None
    own, found = x[rows], read(run, seed)
    for done, k in enumerate(range(first, last + 1)):
        if k not in found:
            clustering = clusters_of_rows(run, own, rows, len(x), k, seed)
            scores = cluster_scores(own, clustering, labels, seed=seed)
            found[k] = clean({key: scores[key] for key in _KEPT})
            stores.write_json(path_of(run, seed), {"version": 1, "scores": {str(c): found[c] for c in sorted(found)}})
        if report is not None:
            report((done + 1) / (last - first + 1))
    return {k: found[k] for k in range(first, last + 1)}
