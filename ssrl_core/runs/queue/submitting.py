"""Asking for runs: submit, stop, resume, delete, wait. Any process on the store's host may; the coordinator acts."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable
from typing import Any

from ssrl_core import stores
from ssrl_core.errors import RunError, SpecError
from ssrl_core.runs.folder.locks import Lock, is_held
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import after, identity, ordering, priorities, processes, reconcile, registry, sweep_files
from ssrl_core.runs.queue.identity import Wanted, identify, kept_text, spec_of_text
from ssrl_core.runs.queue.laying import lay_if_wanted, never_needed
from ssrl_core.specs.run import RunSpec, dump_run

OVER = ("done", "failed", "stopped")
_POLL_S = 0.3
_STOP_TIMEOUT_S = 60.0


def submit(
    spec: RunSpec, *, again: bool = False, priority: int = 0, after: Iterable[str] = (), start: bool = True
) -> dict[str, Any]:
    """Queue a run. The same spec is the same run: one that is done is queued only for what `evaluate` adds to it.

    Args:
        again: train it once more beside the first, as `<id>-2`.
        priority: higher goes first.
        after: ids of runs that must be done before it starts.
        start: start a coordinator, detached, when none is alive.

    Returns:
        {id, spec_hash, state, created}; `created` is False for a run that was there already.
    """
    wanted = identify(spec)
    others = list(after)
    if others:
        registry.counts()  # one that was lost is made again first: it says whether the run has its folder yet
        lay_if_wanted(wanted.id)  # a run of a sweep: what it waits for is kept in its folder
    if again:
        wanted = Wanted(wanted.spec, free_id(wanted.id), wanted.spec_hash)
    created = registry.transact(lambda connection: _enqueue_after(connection, wanted, priority, others))
    if start:
        processes.start_detached()
    return {
        "id": wanted.id,
        "spec_hash": wanted.spec_hash,
        "state": registry.require(wanted.id)["state"],
        "created": created,
    }


def _enqueue_after(connection: sqlite3.Connection, wanted: Wanted, priority: int, others: list[str]) -> bool:
    if others:
        ordering.check_known(connection, wanted.id, others)
    created = enqueue(connection, wanted, priority=priority)
    ordering.depend(connection, wanted.id, others)
    if others:
        after.keep(wanted.id, others)
    return created


def submit_all(
    wanted: Iterable[Wanted], *, sweep_id: str | None = None, priority: int = 0
) -> tuple[list[str], list[str]]:
    """Queue many runs in one transaction. Those of a sweep (`identify_all`) get their folders when they start.

    Returns:
        Ids that were made, ids that were there already.
    """
    runs = list({run.id: run for run in wanted}.values())
    there = _folders()

    def work(connection: sqlite3.Connection) -> list[str]:
        known = {row["id"]: row for row in connection.execute("SELECT id, state, attempt, sweep_id, spec FROM runs")}
        now = stores.utc_now()
        new, made = [], []
        for run in runs:
            if run.text and run.id not in known and run.id not in there:
                new.append(reconcile.waiting_row(run, sweep_id, now) | {"priority": priority})
            elif enqueue(connection, run, priority=priority, sweep_id=sweep_id):
                made.append(run.id)
        registry.insert(connection, new)
        return made + [row["id"] for row in new]

    made = set(registry.transact(work))
    if sweep_id and made:
        priorities.keep_all([{"id": run.id, "sweep_id": sweep_id} for run in runs if run.id in made], priority)
    return [run.id for run in runs if run.id in made], [run.id for run in runs if run.id not in made]


def enqueue(connection: sqlite3.Connection, wanted: Wanted, *, priority: int = 0, sweep_id: str | None = None) -> bool:
    """Put a run in the queue inside an open transaction, its folder first; True if it is new.

    The folder is written while the transaction holds the registry, so nobody meets a folder without its row.
    """
    run = RunFolder.own(wanted.id)
    row = connection.execute("SELECT state, attempt, sweep_id, spec FROM runs WHERE id = ?", [wanted.id]).fetchone()
    if row is not None and (run.exists or never_needed(dict(row))):
        _ask_again(connection, run, wanted.spec, dict(row))
        return False
    text = dump_run(wanted.spec)
    stores.replace(stores.runs_root() / wanted.id / "spec.yaml", text)
    connection.execute("DELETE FROM runs WHERE id = ?", [wanted.id])  # its folder was deleted by hand: it starts anew
    connection.execute("DELETE FROM depends WHERE run_id = ?", [wanted.id])
    priorities.keep(wanted.id, priority)
    columns = reconcile.waiting_row(wanted, sweep_id, stores.utc_now()) | {"spec": text, "priority": priority}
    return registry.insert(connection, [columns]) == 1


def _ask_again(connection: sqlite3.Connection, run: RunFolder, spec: RunSpec, row: dict[str, Any]) -> None:
    """A run that is there is asked for again: queue it if something of it is missing."""
    asked = identity.merged(run.spec() if run.exists else spec_of_text(row["spec"]), spec)
    text = dump_run(asked) if run.exists else kept_text(asked)
    if run.exists and text != (run.path / "spec.yaml").read_text(encoding="utf-8"):
        stores.replace(run.path / "spec.yaml", text)
    columns: dict[str, Any] = {"spec": text, **reconcile.spec_columns(asked)}
    if row["state"] in ("failed", "stopped") or (row["state"] == "done" and is_incomplete(run, asked)):
        columns |= _queued()
    registry.change_in(connection, run.id, **columns)


def _folders() -> set[str]:
    """Names of the run folders that are there."""
    return {entry.name for entry in stores.runs_root().iterdir()}


def is_incomplete(run: RunFolder, spec: RunSpec) -> bool:
    """Whether `evaluate` asks for something that the run has not."""
    from ssrl_core.runs.evaluation.parts import missing_parts
    from ssrl_core.runs.folder.run_folder import imageset_of

    return bool(missing_parts(run, spec, imageset_of(spec)))


def stop(run_id: str) -> str:
    """Ask a run to stop, after a checkpoint; its state now (a running one is still `running`, `wanted: stop`).

    Raises:
        SpecError: no such run, or a demo run.
    """
    row = _own(run_id)
    run = RunFolder.own(run_id)
    ended = "done" if run.state()["state"] == "done" else "stopped"  # it may have waited for an addition only
    now = stores.utc_now()
    if registry.change(run_id, only_if=["queued"], state=ended, wanted="stop", finished_at=now, reason=None):
        if run.exists:
            stores.replace(run.path / "STOP", "")
        elif row["sweep_id"]:
            sweep_files.take_out([run_id], "stopped", {run_id: row["sweep_id"]})
        return ended
    if row["state"] in OVER:
        return str(row["state"])
    registry.change(run_id, only_if=registry.ACTIVE, wanted="stop")
    if not processes.is_alive():
        _stop_alone(run_id)
    return str(registry.require(run_id)["state"])


def resume(run_id: str, *, start: bool = True) -> str:
    """Queue a stopped or failed run again; it goes on from its checkpoint. The state afterwards."""
    row = _own(run_id)
    if not RunFolder.own(run_id).exists and not never_needed(row):
        raise SpecError(f"Run {run_id}: {reconcile.GONE}", where=run_id, remedy="Train it again.")
    if row["state"] in registry.ACTIVE:
        registry.change(run_id, only_if=registry.ACTIVE, wanted="run")
    else:
        if row["sweep_id"]:
            sweep_files.take_out([run_id], None, {run_id: row["sweep_id"]})
        registry.change(run_id, only_if=["failed", "stopped"], **_queued())
    if start:
        processes.start_detached()
    return str(registry.require(run_id)["state"])


def delete(run_id: str, *, timeout_s: float = _STOP_TIMEOUT_S) -> None:
    """Remove a run and its folder; one that is running is stopped first.

    Raises:
        SpecError: no such run, or a demo run (read-only).
        RunError: it did not stop in time.
    """
    sweep = _own(run_id)["sweep_id"]
    stop(run_id)
    folder = stores.runs_root() / run_id
    lock = Lock(folder / "lock")
    deadline = time.monotonic() + timeout_s
    while registry.require(run_id)["state"] in registry.ACTIVE or (folder.is_dir() and not lock.take()):
        if time.monotonic() > deadline:
            raise RunError(
                f"Run {run_id} did not stop within {timeout_s:g} s; nothing was deleted. Try again.", where=run_id
            )
        time.sleep(_POLL_S)
        stop(run_id)
    gone = stores.runs_root() / f".gone-{run_id}"

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM runs WHERE id = ?", [run_id])
        connection.execute("DELETE FROM depends WHERE run_id = ?", [run_id])
        if folder.is_dir():
            lock.give_back()  # Windows renames no folder with an open file in it
            shutil.rmtree(gone, ignore_errors=True)
            folder.replace(gone)  # out of sight at once, whatever happens to the deletion of its files

    if sweep:
        sweep_files.take_out([run_id], "deleted", {run_id: sweep})
    registry.transact(work)
    shutil.rmtree(gone, ignore_errors=True)


def wait(
    run_id: str, on_change: Callable[[dict[str, Any]], None] | None = None, *, timeout_s: float | None = None
) -> str:
    """Wait until a run is over.

    Args:
        on_change: called with `state.json`'s fields (and the registry's `state`, `reason`) whenever they change.

    Returns:
        done | failed | stopped.

    Raises:
        RunError: the time is up.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    before: dict[str, Any] = {}
    while True:
        row = registry.require(run_id)
        now = RunFolder(run_id).state() | {"state": row["state"], "reason": row["reason"]}
        if on_change and {k: v for k, v in now.items() if k != "alive_at"} != before:
            before = {k: v for k, v in now.items() if k != "alive_at"}
            on_change(now)
        if row["state"] in OVER:
            return str(row["state"])
        if deadline is not None and time.monotonic() > deadline:
            raise RunError(f"Run {run_id} is still {row['state']} after {timeout_s:g} s.", where=run_id)
        time.sleep(_POLL_S)


def free_id(run_id: str) -> str:
    """`<id>-2`, `<id>-3` …: the first that is not taken; the id itself if there is no such run yet."""
    if registry.get(run_id) is None and not RunFolder(run_id).path.is_dir():
        return run_id
    number = 2
    while registry.get(f"{run_id}-{number}") is not None or (stores.runs_root() / f"{run_id}-{number}").is_dir():
        number += 1
    return f"{run_id}-{number}"


def _queued() -> dict[str, Any]:
    """Columns of a run that goes back into the queue by somebody's wish."""
    return {
        "state": "queued",
        "wanted": "run",
        "reason": None,
        "waits_for": None,
        "params": None,
        "queued_at": stores.utc_now(),
        "finished_at": None,
    }


def _own(run_id: str) -> dict[str, Any]:
    """The row of a run that may be changed.

    Raises:
        SpecError: a demo run, or no run.
    """
    if RunFolder(run_id).is_demo:
        raise SpecError(
            where="Run",
            field="id",
            rule="one of your own",
            value=run_id,
            remedy="Demo runs are read-only; train one yourself.",
        )
    reconcile.reconcile()
    return registry.require(run_id)


def _stop_alone(run_id: str) -> None:
    """Without a coordinator: ask a child that somebody started by hand, or settle what a lost one left."""
    folder = RunFolder(run_id)
    if is_held(folder.path / "lock"):
        stores.replace(folder.path / "STOP", "")
    else:
        registry.change(
            run_id, only_if=registry.ACTIVE, state="stopped", finished_at=stores.utc_now(), reason=None, eta_s=None
        )
