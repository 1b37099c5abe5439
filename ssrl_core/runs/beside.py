"""Runs that can be set beside each other: the images they share, and those that differ by their seed alone."""

from __future__ import annotations

import json

import numpy as np

from ssrl_core.errors import SpecError, SSRLError
from ssrl_core.runs import registry
from ssrl_core.runs.folder import RunFolder

_APART = ("name", "notes", "tags", "seed", "evaluate", "keep", "device")


def common(ids: np.ndarray, others: np.ndarray, first: str, second: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the images that two runs share.

    Args:
        ids, others: (n,), (m,) image ids, ascending.

    Returns:
        (c,), (c,) row numbers in the first and in the second.

    Raises:
        SpecError: they share fewer than two.
    """
    both, rows, other_rows = np.intersect1d(ids, others, assume_unique=True, return_indices=True)
    if len(both) < 2:
        raise SpecError(
            where=f"{first} beside {second}",
            field="images",
            rule="shared, at least two of them",
            value=len(both),
            remedy="Compare runs that were evaluated on the same image set and split.",
        )
    return rows, other_rows


def recipe(run: RunFolder) -> str:
    """What a run is but for its seed and its name, as text to compare."""
    spec = run.spec().to_mapping()
    for key in _APART:
        spec.pop(key, None)
    for term in spec["terms"]:
        term["composition"].pop("name", None)
    return json.dumps(spec, sort_keys=True)


def seeds_of(run: RunFolder, most: int = 5) -> list[RunFolder]:
    """The run and those that differ from it by their seed alone, done, by seed."""
    row = next((row for row in registry.list_runs() if row["id"] == run.id), None)
    if row is None:
        return [run]
    own, found = recipe(run), []
    for other in registry.list_runs():
        alike = all(other.get(key) == row.get(key) for key in ("dataset", "method", "backbone"))
        if not alike or other.get("state") != "done":
            continue
        folder = RunFolder(str(other["id"]))
        try:
            if folder.id == run.id or (recipe(folder) == own and (folder.path / "embedding.npy").is_file()):
                found.append((int(other.get("seed") or 0), folder))
        except SSRLError:
            continue  # a folder that cannot be read is no sibling
    found.sort(key=lambda pair: (pair[1].id != run.id, pair[0]))
    return [folder for _, folder in found[:most]]
