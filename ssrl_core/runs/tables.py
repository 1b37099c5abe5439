"""The two tables of a sweep (C10): one row a run, and one row a class of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from ssrl_core.datasets.superclasses import superclasses_of
from ssrl_core.errors import SSRLError
from ssrl_core.runs import adopt, registry, sweeps
from ssrl_core.runs.folder import RunFolder


def results_table(sweep: str) -> pd.DataFrame:
    """One row a run of a sweep.

    Returns:
        columns run, sweep, dataset, backbone, method, seed, state, vary.<path>…, top1, knn_top1, ami, silhouette
        (None while there are no results; clusters: the first K that was asked for).

    Raises:
        SpecError: there is no such sweep.
    """
    rows = []
    for head, vary, state, results in _runs(sweep):
        clusters: dict[str, Any] = next(iter((results or {}).get("clusters", {}).values()), {})
        rows.append(
            {
                **head,
                "state": state,
                **vary,
                "top1": _top1(results, "linear"),
                "knn_top1": _top1(results, "knn"),
                "ami": clusters.get("ami"),
                "silhouette": clusters.get("silhouette"),
            }
        )
    return pd.DataFrame(rows)


def classes_table(sweep: str) -> pd.DataFrame:
    """One row for each class, probe and run of a sweep, of the runs that have results.

    Returns:
        columns run, dataset, backbone, method, seed, vary.<path>…, probe, class, superclass, n, correct, accuracy.

    Raises:
        SpecError: there is no such sweep.
    """
    rows = []
    for head, vary, _, results in _runs(sweep):
        named = {name: value for name, value in head.items() if name != "sweep"} | vary
        rows += class_rows(named, results or {})
    return pd.DataFrame(rows)


def class_rows(head: Mapping[str, Any], results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for each class and probe of a run.

    Args:
        head: what stands before `probe` in each row; its `dataset` gives the superclasses.
        results: `results.json` (C8). A fine-tuning on a share of the labels is the probe `finetune-SHARE`.
    """
    groups = superclasses_of(str(head["dataset"]))
    probes = {name: results.get(name) for name in ("linear", "knn")}
    probes |= {f"finetune-{share}": found for share, found in (results.get("finetune") or {}).items()}
    return [
        {**head, "probe": probe, "class": name, "superclass": groups.get(name)}
        | {key: entry[key] for key in ("n", "correct", "accuracy")}
        for probe, found in probes.items()
        for name, entry in ((found or {}).get("classes") or {}).items()
    ]


def known_sweeps() -> list[dict[str, Any]]:
    """The sweeps of this store, newest first: [{id, name, created_at}]."""
    rows = [{key: row[key] for key in ("id", "name", "created_at")} for row in adopt.sweep_rows()]
    return sorted(rows, key=lambda row: str(row["created_at"]), reverse=True)


def sweep_mapping(sweep: str) -> dict[str, Any]:
    """The sweep as plain data, as it was queued.

    Raises:
        SpecError: there is no such sweep.
    """
    sweeps.members(sweep)
    row = next(row for row in adopt.sweep_rows() if row["id"] == sweep)
    return dict(json.loads(row["spec"]))


def sweep_progress(sweep: str) -> dict[str, int]:
    """Runs of a sweep by state, and `gone` for those that were deleted.

    Raises:
        SpecError: there is no such sweep.
    """
    states = {row["id"]: str(row["state"]) for row in registry.list_runs(demo=False)}
    found = [states.get(member["id"], "gone") for member in sweeps.members(sweep)]
    return {state: found.count(state) for state in dict.fromkeys(found)}


def _runs(sweep: str) -> Iterator[tuple[dict[str, Any], dict[str, Any], str, dict[str, Any] | None]]:
    """(head columns, vary columns, state, results) of each run of a sweep that still exists."""
    known = {row["id"]: row for row in registry.list_runs(demo=False)}
    for member in sweeps.members(sweep):
        row = known.get(member["id"])
        if row is None:
            continue
        head = {"run": row["id"], "sweep": sweep} | {n: row[n] for n in ("dataset", "backbone", "method", "seed")}
        vary = {f"vary.{path}": value for path, value in member["values"].items()}
        try:
            results = RunFolder(row["id"]).results()
        except SSRLError:
            results = None
        yield head, vary, row["state"], results


def _top1(results: dict[str, Any] | None, probe: str) -> float | None:
    return ((results or {}).get(probe) or {}).get("top1")
