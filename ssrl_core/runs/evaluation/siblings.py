"""Runs that can be set beside each other: the images they share, and those that differ by their seed alone."""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np

from ssrl_core.errors import SpecError, SSRLError
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import registry

_APART = ("name", "notes", "tags", "seed", "evaluate", "keep", "device")
_LOOKED_INTO = 100  # specs that are read whole: some milliseconds each
_SPECS = "SELECT id, spec FROM runs WHERE dataset = ? AND method = ? AND state = 'done'"
MOST_SEEDS = 5


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
    """What a run is but for its seed and its name, as text to compare.

    Raises:
        SSRLError: no such run, or its spec cannot be read.
    """
    try:
        stamp = (run.require().path / "spec.yaml").stat().st_mtime_ns
    except OSError:
        stamp = 0  # gone this very moment: reading it says so
    return _recipe(RunFolder(run.id, run.path), stamp)


@lru_cache(maxsize=512)
def _recipe(run: RunFolder, stamp: int) -> str:
    spec = run.spec().to_mapping()
    for key in _APART:
        spec.pop(key, None)
    for term in spec["terms"]:
        term["composition"].pop("name", None)
    return json.dumps(spec, sort_keys=True)


def seeds_of(run: RunFolder, most: int = MOST_SEEDS) -> list[RunFolder]:
    """The run and those that differ from it by their seed alone, done, by seed; at most so many.

    Of thousands alike, those whose spec reads the same but for seed and names are looked into first, of the others the
    newest `_LOOKED_INTO`: a spec that an older version wrote may say the same in other words.
    """
    candidates = _alike(run.id)
    own, found = recipe(run), []
    for seed, folder in candidates:
        try:
            if folder.id == run.id or ((folder.path / "embedding.npy").is_file() and recipe(folder) == own):
                found.append((seed, folder))
        except SSRLError:
            continue  # a folder that cannot be read is no sibling
    found.sort(key=lambda pair: (pair[1].id != run.id, pair[0]))
    return [folder for _, folder in found[:most]] or [run]


def _alike(run_id: str) -> list[tuple[int, RunFolder]]:
    """Seeds and folders of the runs that may be siblings, itself among them."""
    rows = registry.list_runs()
    own = next((row for row in rows if row["id"] == run_id), None)
    if own is None:
        return []
    done = [row for row in rows if row.get("state") == "done" or row is own]
    alike = [row for row in done if all(row.get(key) == own.get(key) for key in ("dataset", "method", "backbone"))]
    if len(alike) > _LOOKED_INTO:
        texts = {row["id"]: _bare(str(row["spec"])) for row in registry.query(_SPECS, [own["dataset"], own["method"]])}
        same = [row for row in alike if row is own or texts.get(row["id"]) == texts.get(run_id)]
        chosen = {row["id"] for row in same}
        alike = [*same[:_LOOKED_INTO], *[row for row in alike if row["id"] not in chosen][:_LOOKED_INTO]]
    return [(int(row.get("seed") or 0), RunFolder(str(row["id"]))) for row in alike]


def _bare(text: str) -> str:
    """A canonical YAML spec without the parts in which siblings differ, as text."""
    kept, skipped = [], False
    for line in text.splitlines():
        if line[:1].strip() and line[0] not in "-#":
            skipped = line.partition(":")[0] in _APART
        if not skipped:
            kept.append(line)
    return "\n".join(kept)
