"""The two tables of a sweep (C10): one row a run, and one row a class of a run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.errors import SSRLError
from ssrl_core.runs import adopt, registry, sweeps
from ssrl_core.runs.folder import RunFolder

PROBES = ("linear", "knn")
_CONFUSION = re.compile(r'"confusion": \[\[[-0-9., \[\]]*\]\]')  # most of the text, and none of these tables want it

Run = tuple[dict[str, Any], dict[str, Any], str, dict[str, Any] | None]


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
        clusters: dict[str, Any] = next(iter((results or {}).get("clusters", {}).values()), {}) or {}
        scores = {
            "top1": _top1(results, "linear"),
            "knn_top1": _top1(results, "knn"),
            "ami": clusters.get("ami"),
            "silhouette": clusters.get("silhouette"),
        }
        rows.append({**head, "state": state, **vary, **scores})
    return pd.DataFrame(rows)


def classes_table(sweep: str) -> pd.DataFrame:
    """One row for each class, probe and run of a sweep, of the runs that have results.

    Returns:
        columns run, dataset, backbone, method, seed, vary.<path>…, probe, class, superclass, n, correct, accuracy.

    Raises:
        SpecError: there is no such sweep.
    """
    heads: list[dict[str, Any]] = []
    probes: list[str] = []
    lengths: list[int] = []
    columns: dict[str, list[Any]] = {"class": [], "n": [], "correct": [], "accuracy": []}
    for head, vary, _, results in _runs(sweep):
        named = {name: value for name, value in head.items() if name != "sweep"} | vary
        for probe in PROBES:
            classes = ((results or {}).get(probe) or {}).get("classes") or {}
            if not classes:
                continue
            heads.append(named)
            probes.append(probe)
            lengths.append(len(classes))
            columns["class"] += classes
            for key in ("n", "correct", "accuracy"):
                columns[key] += [entry[key] for entry in classes.values()]
    if not heads:
        return pd.DataFrame()
    repeated = pd.DataFrame(heads).assign(probe=probes).loc[np.repeat(np.arange(len(heads)), lengths)]
    table = repeated.reset_index(drop=True)
    counted = {key: np.array(columns[key], dtype=np.int64) for key in ("n", "correct")}
    names, accuracy = np.array(columns["class"], dtype=object), np.array(columns["accuracy"], dtype=float)
    return table.assign(**{"class": names}, superclass=None, **counted, accuracy=accuracy)


def _runs(sweep: str) -> Iterator[Run]:
    """(head columns, vary columns, state, results) of each run of a sweep that still exists."""
    members = sweeps.members(sweep)
    adopt.reconcile()
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


def _results(row: dict[str, Any]) -> dict[str, Any] | None:
    """Results of a run without its confusion table: as the registry has them, else what its folder has so far."""
    try:
        if row["results"] and row["state"] == "done":
            return dict(json.loads(_CONFUSION.sub('"confusion": null', row["results"])))
        return RunFolder.own(row["id"]).results()
    except (SSRLError, ValueError):
        return None


def _top1(results: dict[str, Any] | None, probe: str) -> float | None:
    return ((results or {}).get(probe) or {}).get("top1")
