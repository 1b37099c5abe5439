"""The two tables of a sweep (C10): one row a run, and one row a class of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.labels import superclasses_of
from ssrl_core.errors import SSRLError
from ssrl_core.runs.folder.results import Results
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import reconcile, registry, sweeps

_CONFUSION = '"confusion": [['  # most of the text, and none of these tables want it
Run = tuple[dict[str, Any], dict[str, Any], str, Results]


def results_table(sweep: str) -> pd.DataFrame:
    """One row a run of a sweep.

    Returns:
        columns run, sweep, dataset, backbone, method, seed, state, vary.<path>…, and the numbers of the parts
        (`specs.parts`): top1, knn_top1, ami, silhouette … (None while there are no results; of clusters, the first K).

    Raises:
        SpecError: there is no such sweep.
    """
    rows = []
    for head, vary, state, results in _runs(sweep):
        rows.append({**head, "state": state, **vary, **results.columns()})
    return pd.DataFrame(rows)


def classes_table(sweep: str) -> pd.DataFrame:
    """One row for each class, probe and run of a sweep, of the runs that have results.

    Returns:
        columns run, dataset, backbone, method, seed, vary.<path>…, probe, class, superclass, n, correct, accuracy.

    Raises:
        SpecError: there is no such sweep.
    """
    return class_frame(
        ({name: value for name, value in head.items() if name != "sweep"} | vary, results)
        for head, vary, _, results in _runs(sweep)
    )


def class_frame(runs: Iterable[tuple[Mapping[str, Any], Results]]) -> pd.DataFrame:
    """One row for each class and probe of some runs.

    Args:
        runs: for each run what stands before `probe` in its rows (its `dataset` gives the superclasses), and its
            results. A fine-tuning on a share of the labels is the probe `finetune-SHARE`.

    Returns:
        The columns of `classes_table`; no columns where nothing was measured.
    """
    heads: list[dict[str, Any]] = []
    names: list[tuple[np.ndarray, np.ndarray]] = []
    numbers: dict[str, list[Any]] = {"n": [], "correct": [], "accuracy": []}
    for head, results in runs:
        for probe, found in results.probes.items():
            heads.append({**head, "probe": probe})
            names.append(_names(str(head["dataset"]), tuple(found.classes)))
            for key, column in numbers.items():
                column += [entry[key] for entry in found.classes.values()]
    if not numbers["n"]:
        return pd.DataFrame()
    rows = np.repeat(np.arange(len(heads)), [len(own) for own, _ in names])
    repeated = {name: column.array.take(rows) for name, column in pd.DataFrame(heads).items()}
    classes, groups = (np.concatenate([pair[side] for pair in names]) for side in (0, 1))
    types = {"n": np.int64, "correct": np.int64, "accuracy": float}
    measured = {name: np.array(values, dtype=types[name]) for name, values in numbers.items()}
    return pd.DataFrame({**repeated, "class": classes, "superclass": groups, **measured}, copy=False)


@lru_cache(maxsize=64)
def _names(dataset: str, classes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(c,), (c,) object: classes and their superclasses, the same for every run on these images."""
    groups = superclasses_of(dataset)
    return np.array(classes, dtype=object), np.array([groups.get(name) for name in classes], dtype=object)


def known_sweeps() -> list[dict[str, Any]]:
    """The sweeps of this store, newest first: [{id, name, created_at}]."""
    rows = [{key: row[key] for key in ("id", "name", "created_at")} for row in reconcile.sweep_rows()]
    return sorted(rows, key=lambda row: str(row["created_at"]), reverse=True)


def sweep_mapping(sweep: str) -> dict[str, Any]:
    """The sweep as plain data, as it was queued.

    Raises:
        SpecError: there is no such sweep.
    """
    sweeps.members(sweep)
    row = next(row for row in reconcile.sweep_rows() if row["id"] == sweep)
    return dict(json.loads(row["spec"]))


def sweep_progress(sweep: str) -> dict[str, int]:
    """Runs of a sweep by state, and `gone` for those that were deleted.

    Raises:
        SpecError: there is no such sweep.
    """
    states = {row["id"]: str(row["state"]) for row in registry.list_runs(demo=False)}
    found = [states.get(member["id"], "gone") for member in sweeps.members(sweep)]
    return {state: found.count(state) for state in dict.fromkeys(found)}


def _runs(sweep: str) -> Iterator[Run]:
    """(head columns, vary columns, state, results) of each run of a sweep that still exists."""
    members = sweeps.members(sweep)
    reconcile.reconcile()
    wanted = json.dumps([member["id"] for member in members])
    known = {
        row["id"]: row
        for row in registry.query(
            "SELECT id, dataset, backbone, method, seed, state, results FROM runs "
            "WHERE id IN (SELECT value FROM json_each(?))",
            [wanted],
        )
    }
    for member in members:
        row = known.get(member["id"])
        if row is not None:
            head = {"run": row["id"], "sweep": sweep} | {n: row[n] for n in ("dataset", "backbone", "method", "seed")}
            vary = {f"vary.{path}": value for path, value in member["values"].items()}
            yield head, vary, row["state"], _results(row)


def _results(row: dict[str, Any]) -> Results:
    """Results of a run without its confusion table: as the registry has them, else what its folder has so far."""
    try:
        if row["results"] and row["state"] == "done":
            return Results(json.loads(_without_confusion(row["results"])))
        return RunFolder.own(row["id"]).results()
    except (SSRLError, ValueError):
        return Results()


def _without_confusion(text: str) -> str:
    """Results as text with null in the place of the tables of numbers (a quotation mark in a name is escaped)."""
    parts, at = [], 0
    while (start := text.find(_CONFUSION, at)) >= 0 and (end := text.find("]]", start)) >= 0:
        parts += [text[at:start], '"confusion": null']
        at = end + 2
    return "".join([*parts, text[at:]])
