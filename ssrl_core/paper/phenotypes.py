"""What clusters of cells go with: the truth of simulated cells (response, neighbours) against cluster ids."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ssrl_core.analysis.scores import ami
from ssrl_core.paper.items.figure_4 import eta2
from ssrl_core.runs.folder.run_folder import RunFolder


def explained(table: pd.DataFrame, label: str, k: int, truth: str) -> list[float]:
    """For each run with a label: AMI of its K clusters with a column of names, or eta² of a column of numbers."""
    from ssrl_core.datasets import store as image_sets
    from ssrl_core.runs.evaluation.clustering import stored_clusters

    found = []
    for _, row in (table[table["label"] == label] if not table.empty else table).iterrows():
        run = RunFolder(str(row["run"]))
        if row["state"] != "done" or not run.results():
            continue
        _, ids = run.embedding()
        values = image_sets.load(str(row["dataset"])).table[truth].to_numpy()[ids]
        found.append(_one(values, np.asarray(stored_clusters(run, k, 0).ids)))
    return found


def _one(values: np.ndarray, clusters: np.ndarray) -> float:
    if values.dtype.kind in "fiu":
        return eta2(values.astype(np.float64), clusters)
    return ami(pd.factorize(values)[0], clusters)
