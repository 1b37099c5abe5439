"""Sweeps: many runs that differ in chosen values, queued at once, or as results come in.

The same sweep again adds only what is new. With `sampler: {name: optuna}` the next points follow from results: Optuna
is asked for them as runs end. Nothing of Optuna is stored: its study is made again from the sweep's runs each time. It
runs in a process of its own, `python -m ssrl_core.runs.queue.sweeps SWEEP WIDTH`, which the coordinator starts when
points are wanted: the coordinator stays small, and a sweep without Optuna never imports it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sqlite3
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ssrl_core import access, stores
from ssrl_core.errors import SpecError, SSRLError
from ssrl_core.runs.folder.locks import Lock
from ssrl_core.runs.queue import identity, processes, registry, stopping, submitting, sweep_files
from ssrl_core.specs.run import COMPILE

if TYPE_CHECKING:
    from ssrl_core.specs.sweep import SweepSpec

_FORMER_COMPILE = "never"
"""The default when the first sweeps got their ids, which stay."""


_OPEN = ("queued", "submitted", "running")
_FIRST_POINTS = 2


def submit(sweep: SweepSpec, *, priority: int = 0, start: bool = True) -> dict[str, Any]:
    """Queue every run of a sweep in one transaction.

    The same sweep again, or one that shares runs with it, queues only what is missing: runs that are new, that failed
    or were stopped, and what `evaluate` asks for beyond what they have.

    Returns:
        {id, runs: [ids in the sweep's order], created: number made, existing: number that was there already}.

    Raises:
        SpecError: a value of the sweep makes a spec that is not valid; nothing is queued then.
    """
    access.require_editor("Queueing runs")
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
        processes.start_coordinator()
    return {"id": sweep_id, "runs": [run.id for run in runs], "created": len(made), "existing": len(there)}


def _submit_tuned(sweep: SweepSpec, priority: int, start: bool) -> dict[str, Any]:
    """Queue the first points of a sweep whose others follow from results; one that is there goes on."""
    require_optuna()
    sweep_id, before = id_of(sweep), []
    if sweep_files.path_of(sweep_id).is_file():
        before = stopping.of_sweep(sweep_id)
        stopping.resume_all(before, start=False)
    else:
        registry.transact(lambda connection: _keep(connection, sweep_id, sweep, []))
    new = ask_for_points(sweep_id, _FIRST_POINTS, priority=priority)
    if start:
        processes.start_coordinator()
    return {"id": sweep_id, "runs": [*before, *new], "created": len(new), "existing": len(before)}


def id_of(sweep: SweepSpec) -> str:
    """`<name>-<hash6>`: the same sweep is the same sweep."""
    data = sweep.to_mapping()
    if data.get("compile") == COMPILE.default:
        data["compile"] = _FORMER_COMPILE
    text = json.dumps(data, sort_keys=True, default=str)
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


def require_optuna() -> None:
    """Refuse where Optuna is not installed.

    Raises:
        SpecError: with the remedy.
    """
    if importlib.util.find_spec("optuna") is None:
        raise SpecError.at(
            "Sweep",
            "sampler",
            "one that is installed",
            "optuna",
            "Run `pip install optuna`, or use the sampler random.",
        )


def unfinished_tuned() -> list[tuple[str, int]]:
    """Sweeps of Optuna that have not had all their points: (id, points that wait or run now)."""
    found = []
    for row in registry.query('SELECT id FROM sweeps WHERE spec LIKE \'%"name": "optuna"%\''):
        try:
            data = sweep_files.read(row["id"])
            spec = json.loads(data["spec"])
        except (SSRLError, ValueError, KeyError):
            continue
        seeds = max(1, len(spec["seeds"]))
        states = _states([entry["id"] for entry in data["runs"]])
        stopped = "stopped" in states.values()  # somebody stopped the sweep: no more points for it
        if len(data["runs"]) // seeds < spec["sampler"]["count"] and not stopped:
            found.append((row["id"], sum(state in _OPEN for state in states.values()) // seeds))
    return found


def ask_for_points(sweep_id: str, width: int, *, priority: int = 0) -> list[str]:
    """Queue new points until `width` of them wait or run, or the sweep has all of its points.

    Returns:
        Ids of the runs that were asked for.

    Raises:
        SpecError: Optuna is not installed; no such sweep.
    """
    require_optuna()
    lock = Lock(sweep_files.path_of(sweep_id).with_suffix(".lock"))
    if not lock.take(timeout_s=30.0):
        return []
    try:
        sweep = sweep_files.spec_of(sweep_id)
        points = _points(sweep_files.read(sweep_id)["runs"], len(sweep.seeds), str(sweep.sampler["goal"]))
        free = min(width - sum(point["open"] for point in points), sweep.sampler["count"] - len(points))
        values = next_points(sweep, points, free) if free > 0 else []
        runs = [run for point in values for run in sweep.at(point)]
        asked = identity.identify_all(run.spec for run in runs)
        members = [(one.id, one.spec.seed, run.values) for one, run in zip(asked, runs, strict=True)]
        sweep_files.extend(sweep_id, members)
        submitting.submit_all(asked, sweep_id=sweep_id, priority=priority)
        return [one.id for one in asked]
    finally:
        lock.give_back()


def next_points(sweep: SweepSpec, points: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """What Optuna's TPE sampler asks for next.

    Args:
        points: [{values, goal (mean over seeds) or None, open}] so far.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {path: _distribution(optuna, values) for path, values in sweep.vary.items()}
    sampler = optuna.samplers.TPESampler(seed=sweep.sampler["seed"] + len(points), constant_liar=True)
    study = optuna.create_study(direction=sweep.sampler["direction"], sampler=sampler)
    states = optuna.trial.TrialState
    for point in points:
        state = states.RUNNING if point["open"] else states.FAIL if point["goal"] is None else states.COMPLETE
        value = point["goal"] if state == states.COMPLETE else None
        trial = optuna.trial.create_trial(
            state=state, params=_params(sweep, point["values"]), distributions=space, value=value
        )
        study.add_trial(trial)
    return [_values(sweep, study.ask(fixed_distributions=space).params) for _ in range(count)]


def _points(members: list[dict[str, Any]], seeds: int, goal: str) -> list[dict[str, Any]]:
    """The points so far, each with the mean of the goal over its seeds."""
    states = _states([entry["id"] for entry in members])
    found = []
    for start in range(0, len(members), seeds):
        group = members[start : start + seeds]
        scores = [score for entry in group if (score := _goal(entry["id"], goal)) is not None]
        found.append(
            {
                "values": group[0]["values"],
                "open": any(states.get(entry["id"]) in _OPEN for entry in group),
                "goal": sum(scores) / len(scores) if scores else None,
            }
        )
    return found


def _goal(run_id: str, path: str) -> float | None:
    row = registry.get(run_id)
    node: Any = json.loads(row["results"]) if row and row["results"] else None
    for key in path.split("."):
        node = node.get(key) if isinstance(node, Mapping) else None
    return float(node) if isinstance(node, int | float) else None


def _states(ids: list[str]) -> dict[str, str]:
    rows = registry.query("SELECT id, state FROM runs WHERE id IN (SELECT value FROM json_each(?))", [json.dumps(ids)])
    return {row["id"]: row["state"] for row in rows}


def _distribution(optuna: Any, values: Any) -> Any:
    """A range, or one of several values by its place in the list (values may be lists, which Optuna does not take)."""
    if isinstance(values, Mapping):
        return optuna.distributions.FloatDistribution(values["from"], values["to"], log=values["log"])
    return optuna.distributions.CategoricalDistribution(list(range(len(values))))


def _params(sweep: SweepSpec, values: Mapping[str, Any]) -> dict[str, Any]:
    """The point as Optuna sees it."""
    return {
        path: values[path] if isinstance(given, Mapping) else _place(given, values, path)
        for path, given in sweep.vary.items()
    }


def _place(given: list[Any], values: Mapping[str, Any], path: str) -> int:
    if path == "*":
        return next(number for number, item in enumerate(given) if all(values.get(k) == v for k, v in item.items()))
    return given.index(values[path])


def _values(sweep: SweepSpec, params: Mapping[str, Any]) -> dict[str, Any]:
    """The point as the sweep's file has it."""
    point: dict[str, Any] = {}
    for path, given in sweep.vary.items():
        value = params[path] if isinstance(given, Mapping) else given[params[path]]
        point |= value if path == "*" else {path: value}
    return point


if __name__ == "__main__":
    ask_for_points(sys.argv[1], int(sys.argv[2]))
