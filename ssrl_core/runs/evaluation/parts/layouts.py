"""`layouts`: the embedding of the evaluated images laid out in the plane; once for each method."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.runs.evaluation.parts import Answer, Evaluation
from ssrl_core.runs.folder.arrays import layout_file, save_array, spread

if TYPE_CHECKING:
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.specs.run import RunSpec


def make(evaluation: Evaluation, item: str) -> Answer:
    """Name of its file."""
    images = evaluation.images
    rows = np.searchsorted(images.kept, images.evaluated)
    labels, report = images.evaluated_labels, evaluation.progress
    file, _ = lay_out(evaluation.run, evaluation.evaluated, rows, len(images.kept), item, labels=labels, report=report)
    return file, {}


def is_kept(run: RunFolder, spec: RunSpec, entry: str) -> bool:
    """Whether its array is there."""
    return (run.path / entry).is_file()


def lay_out(
    run: RunFolder,
    x: np.ndarray,
    rows: np.ndarray,
    n: int,
    method: str,
    *,
    labels: np.ndarray | None,
    report: Callable[[float], None],
    seed: int = 0,
) -> tuple[str, dict[str, Any]]:
    """Compute a layout and write it into the run folder.

    Args:
        x: (m, D) embedding of the evaluated images.  rows: (m,) their rows among the `n` of the run's arrays.
        labels: (m,) class ids or None, for `neighbour_hit`.

    Returns:
        name of its file, and the information beside it.
    """
    from ssrl_core.analysis.layouts import compute_layout

    found = compute_layout(x, method, seed=seed, labels=labels, report=report)
    params = {**found.params, "fitted_n": len(x)}
    info = {
        "method": method,
        "parameters": params,
        "seconds": round(found.seconds, 3),
        "trustworthiness": found.trustworthiness,
        "neighbour_hit": found.neighbour_hit,
    }
    file = layout_file(method, params)
    save_array(run.path / file, spread(found.points, rows, n, empty=np.nan), info)
    return file, info
