"""Sweeps: many runs that differ in chosen values, queued at once; the same sweep again adds only what is new."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from typing import TYPE_CHECKING, Any

from ssrl_core import stores
from ssrl_core.runs.queue import identity, processes, registry, stopping, submitting, sweep_files, tuning

_FIRST_POINTS = 2

if TYPE_CHECKING:
    from ssrl_core.specs.sweep import SweepSpec


def submit(sweep: SweepSpec, *, priority: int = 0, start: bool = True) -> dict[str, Any]:
    """Queue every run of a sweep in one transaction.

    The same sweep again, or one that shares runs with it, queues only what is missing: runs that are new, that failed
    or were stopped, and what `evaluate` asks for beyond what they have.

    Returns:
        {id, runs: [ids in the sweep's order], created: number made, existing: number that was there already}.

    Raises:
        SpecError: a value of the sweep makes a spec that is not valid; nothing is queued then.
    """
    if sweep.sampler["name"] == "optuna":
        return _submit_tuned(sweep, priority, start)
    varied, sweep_id = sweep.runs(), id_of(sweep)
    runs = identity.identify_all(run.spec for run in varied)

    members = [(run.id, run.spec.seed, one.values) for run, one in zip(runs, varied, strict=True)]

    def keep(connection: sqlite3.Connection) -> None:
        _keep(connection, sweep_id, sweep, members)

    before = sweep_files.path_of(sweep_id).is_file()
    try:
        made, there = submitting.submit_all(runs, sweep_id=sweep_id, priority=priority, first=keep)
    except OSError:
        if not before:
            sweep_files.delete(sweep_id)  # nothing of it was queued
        raise
    if start:
        processes.start_detached()
    return {"id": sweep_id, "runs": [run.id for run in runs], "created": len(made), "existing": len(there)}


def _submit_tuned(sweep: SweepSpec, priority: int, start: bool) -> dict[str, Any]:
    """Queue the first points of a sweep whose others follow from results; one that is there goes on."""
    tuning.require_optuna()
    sweep_id, before = id_of(sweep), []
    if sweep_files.path_of(sweep_id).is_file():
        before = stopping.of_sweep(sweep_id)
        stopping.resume_all(before, start=False)
    else:
        registry.transact(lambda connection: _keep(connection, sweep_id, sweep, []))
    new = tuning.ask(sweep_id, _FIRST_POINTS, priority=priority)
    if start:
        processes.start_detached()
    return {"id": sweep_id, "runs": [*before, *new], "created": len(new), "existing": len(before)}


def id_of(sweep: SweepSpec) -> str:
    """`<name>-<hash6>`: the same sweep is the same sweep."""
    text = json.dumps(sweep.to_mapping(), sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    return f"{stores.as_slug(sweep.name or 'sweep')[:60]}-{digest}"


def members(sweep_id: str) -> list[dict[str, Any]]:
    """Runs of a sweep in its order: [{id, seed, values: {path: value}}].

    Raises:
        SpecError: there is no such sweep; names those there are.
    """
    return list(sweep_files.read(sweep_id)["runs"])


def list_sweeps() -> list[dict[str, Any]]:
    """All sweeps, newest first: [{id, name, created_at, runs, done, running, queued, failed, stopped}]."""
    counted = registry.query(
        "SELECT sweep_id, state, count(*) AS n FROM runs WHERE sweep_id IS NOT NULL GROUP BY sweep_id, state"
    )
    found = {
        row["id"]: dict(row, runs=0, done=0, running=0, queued=0, failed=0, stopped=0)
        for row in registry.query("SELECT id, name, created_at FROM sweeps ORDER BY created_at DESC, id")
    }
    for row in counted:
        if row["sweep_id"] in found:
            state = "running" if row["state"] == "submitted" else row["state"]
            found[row["sweep_id"]][state] += row["n"]
            found[row["sweep_id"]]["runs"] += row["n"]
    return list(found.values())


def _keep(connection: sqlite3.Connection, sweep_id: str, sweep: SweepSpec, members: list[sweep_files.Member]) -> None:
    """Write the sweep's own file (the registry can be made again from it) and its row."""
    data = sweep_files.write(sweep_id, sweep, members)
    connection.execute(
        "INSERT OR IGNORE INTO sweeps (id, name, spec, created_at) VALUES (:id, :name, :spec, :created_at)",
        {name: data[name] for name in ("id", "name", "spec", "created_at")},
    )
