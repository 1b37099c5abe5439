"""`layouts`: the embedding of the evaluated images laid out in the plane; once for each method."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.errors import SpecError
from ssrl_core.runs.evaluation.parts import Answer, Evaluation
from ssrl_core.runs.folder.results import layout_file, save_array, spread
from ssrl_core.specs.parts import LAYOUTS

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
    like: RunFolder | None = None,
) -> tuple[str, dict[str, Any]]:
    """Compute a layout and write it into the run folder.

    Args:
        x: (m, D) embedding of the evaluated images.  rows: (m,) their rows among the `n` of the run's arrays.
        labels: (m,) class ids or None, for `neighbour_hit`.
        like: the run whose map of the same method it begins from, so that both lie alike.

    Returns:
        name of its file, and the information beside it.

    Raises:
        SpecError: `like` has no such map, is of another image set, or has fewer than half of the images.
    """
    from ssrl_core.analysis.layouts import compute_layout, started_like

    known = None if like is None else places_in(like, method, run, run.embedding_ids()[rows])
    init = None if known is None else started_like(x, known)
    found = compute_layout(x, method, seed=seed, init=init, labels=labels, report=report)
    params = {**found.params, "fitted_n": len(x)}
    info = {
        "method": method,
        "parameters": params,
        "seconds": round(found.seconds, 3),
        "trustworthiness": found.trustworthiness,
        "neighbour_hit": found.neighbour_hit,
    }
    if like is not None and known is not None:
        shared = int(np.isfinite(known).all(axis=1).sum())
        info["like"] = {"run": like.id, "file": like.layout_files()[method].name, "shared": shared}
    file = layout_file(method, params, None if like is None else like.id)
    save_array(run.path / file, spread(found.points, rows, n, empty=np.nan), info)
    return file, info


def places_in(other: RunFolder, method: str, run: RunFolder, image_ids: np.ndarray) -> np.ndarray:
    """(m, 2) where images of `run` (by their number) lie on a map of another run, NaN where they are not on it.

    Raises:
        SpecError: the other run has no such map, or is of another image set.
    """
    where = f"Map of {run.id} like {other.id}"
    row = LAYOUTS[method]
    if not row.starts:
        able = ", ".join(name for name, one in LAYOUTS.items() if one.starts)
        raise SpecError.at(where, "--method", f"one of {able}", method, f"{row.title} has no start to be given.")
    own, theirs = run.spec().dataset.name, other.spec().dataset.name
    if own != theirs:
        raise SpecError.at(where, "dataset", f"{own}, as in run {run.id}", theirs, "Take a run on the same images.")
    found = other.layout(method)
    if found is None:
        have = f"{other.id} (it has {', '.join(other.layout_files()) or 'none'})"
        remedy = f"Make it first: `layout {other.id} --method {method}`."
        raise SpecError.at(where, "--like", f"a run that has a {row.title} map", have, remedy)
    points, ids = found[0], other.embedding_ids()
    at = np.minimum(np.searchsorted(ids, image_ids), len(ids) - 1)
    return np.where((ids[at] == image_ids)[:, None], points[at], np.nan)
