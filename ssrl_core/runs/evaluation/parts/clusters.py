"""`clusters`: k-means in the embedding of the evaluated images, with its scores; once for each number of clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.runs.evaluation.clustering import clusters_of_rows
from ssrl_core.runs.evaluation.parts import Answer, Evaluation
from ssrl_core.runs.folder.results import clusters_file

if TYPE_CHECKING:
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.specs.run import RunSpec


def make(evaluation: Evaluation, item: str) -> Answer:
    """Scores, sizes and file of the clustering into `item` clusters.

    Raises:
        SpecError: there are fewer images than clusters.
    """
    from ssrl_core.analysis.scores import cluster_scores

    images, k, x = evaluation.images, int(item), evaluation.evaluated
    keep = evaluation.spec.keep.embedding != "none"
    rows = np.searchsorted(images.kept, images.evaluated)
    found = clusters_of_rows(evaluation.run, x, rows, len(images.kept), k, keep=keep, required=True)
    scores = cluster_scores(x, found, images.evaluated_labels)
    missing = scores.pop("missing")
    return {**scores, "file": clusters_file(k, 0) if keep else None}, missing


def is_kept(run: RunFolder, spec: RunSpec, entry: dict[str, Any]) -> bool:
    """Whether its array is there."""
    return spec.keep.embedding == "none" or (run.path / str(entry["file"])).is_file()
