"""The two tables of a sweep (C10): one row a run, and one row a class of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from ssrl_core.errors import SSRLError
from ssrl_core.runs import registry, sweeps
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
        for probe, found in _probes(results or {}):
            for name, entry in (found.get("classes") or {}).items():
                counted = {key: entry[key] for key in ("n", "correct", "accuracy")}
                rows.append({**named, "probe": probe, "class": name, "superclass": None, **counted})
    return pd.DataFrame(rows)


def _probes(results: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, probe) of those that were measured: linear, knn, finetune-<share>."""
    for name in ("linear", "knn"):
        yield name, results.get(name) or {}
    for share, found in (results.get("finetune") or {}).items():
        yield f"finetune-{share}", found or {}


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
