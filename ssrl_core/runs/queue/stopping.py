"""Stopping, resuming and deleting runs, one or many (a sweep): in their folders, and in one transaction."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ssrl_core import access, stores
from ssrl_core.errors import RunError, SpecError, not_written
from ssrl_core.runs.folder import wanted
from ssrl_core.runs.folder.locks import is_held
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.folder.state import close_state
from ssrl_core.runs.queue import processes, registry, sweep_files
from ssrl_core.runs.queue.folder_rows import GONE
from ssrl_core.runs.queue.submitting import moment_in_queue, queue_again

_POLL_S = 0.3
_STOP_TIMEOUT_S = 60.0


def of_sweep(sweep_id: str) -> list[str]:
    """Ids of the runs of a sweep that still exist, in its order.

    Raises:
        SpecError: there is no such sweep.
    """
    known = {row["id"] for row in registry.query("SELECT id FROM runs")}
    return [entry["id"] for entry in sweep_files.read(sweep_id)["runs"] if entry["id"] in known]


def stop(run_id: str) -> str:
    """Ask a run to stop, after a checkpoint; its state now (a running one is still `running`, `wanted: stop`).

    Raises:
        SpecError: no such run, or a demo run.
    """
    access.require_editor("Stopping runs")
    _refuse_demo(run_id)
    _own(run_id)
    _stop([run_id])
    return str(registry.require(run_id)["state"])


def stop_all(ids: Iterable[str]) -> int:
    """Ask runs to stop; those that wait are stopped at once, those that run after a checkpoint.

    Returns:
        How many were told; runs that are over are left as they are.
    """
    access.require_editor("Stopping runs")
    return _stop([row["id"] for row in _rows(ids)])


def resume(run_id: str, *, start: bool = True) -> str:
    """Queue a stopped or failed run again; it goes on from its checkpoint. The state afterwards.

    Raises:
        SpecError: no such run, a demo run, or its folder is gone.
    """
    access.require_editor("Resuming runs")
    _refuse_demo(run_id)
    _own(run_id)
    if not RunFolder.own(run_id).exists:
        raise SpecError(f"Run {run_id}: {GONE}", where=run_id, remedy="Train it again.")
    _resume([run_id], start=start)
    return str(registry.require(run_id)["state"])


def resume_all(ids: Iterable[str], *, failed_only: bool = False, start: bool = True) -> int:
    """Queue runs again that failed or were stopped; how many.

    Args:
        failed_only: leave those alone that somebody stopped.
        start: start a coordinator, detached, when none is alive.
    """
    access.require_editor("Resuming runs")
    ends = ("failed",) if failed_only else ("failed", "stopped")
    over = [row["id"] for row in _rows(ids) if row["state"] in ends and row["reason"] != GONE]
    _resume(over, start=start and bool(over))
    return len(over)


def delete(run_id: str, *, timeout_s: float = _STOP_TIMEOUT_S) -> None:
    """Remove a run and its folder; one that is running is stopped first.

    Raises:
        SpecError: no such run, or a demo run (read-only).
        RunError: it did not stop in time.
    """
    access.require_editor("Deleting runs")
    _refuse_demo(run_id)
    _own(run_id)
    _stop_to_delete([run_id])
    for trouble in _delete([run_id], timeout_s)[1]:
        raise RunError(trouble, where=run_id)


def delete_all(ids: Iterable[str]) -> tuple[int, list[str]]:
    """Delete runs and their folders; those that run are stopped first.

    Returns:
        How many were deleted, and what was said of those that could not be.
    """
    access.require_editor("Deleting runs")
    asked = [row["id"] for row in _rows(ids)]
    _stop_to_delete(asked)
    return _delete(asked, _STOP_TIMEOUT_S)


def delete_sweep(sweep_id: str) -> tuple[int, list[str]]:
    """Delete a sweep with its runs; runs that another sweep has too stay.

    Raises:
        SpecError: there is no such sweep.
    """
    access.require_editor("Deleting runs")
    others = {entry["id"] for data in sweep_files.each() if data["id"] != sweep_id for entry in data.get("runs", [])}
    count, troubles = delete_all(run_id for run_id in of_sweep(sweep_id) if run_id not in others)
    if not troubles:
        sweep_files.delete(sweep_id)
        registry.transact(lambda connection: connection.execute("DELETE FROM sweeps WHERE id = ?", [sweep_id]))
    return count, troubles


def _stop(run_ids: Sequence[str]) -> int:
    """Say in the folders that these runs shall stop, and in the registry; how many did not stand still already."""
    alive = processes.is_alive()

    def work(connection: sqlite3.Connection) -> int:
        return sum(_stop_one(connection, run_id, alive) for run_id in run_ids)

    return registry.transact(work)


def _stop_to_delete(run_ids: Sequence[str]) -> None:
    """`_stop`; on a full disk the folders of those that stand still go first, or no room could ever be made."""
    try:
        _stop(run_ids)
    except (RunError, OSError):
        asked = set(run_ids)
        at_work = {row["id"] for row in registry.list_runs(demo=False) if row["state"] in registry.ACTIVE}
        hidden = [run_id for run_id in asked - at_work if _hide(stores.runs_root() / run_id)]
        for run_id in hidden:
            shutil.rmtree(_out_of_sight(run_id), ignore_errors=True)
        if not hidden:
            raise
        _stop(run_ids)


def _stop_one(connection: sqlite3.Connection, run_id: str, alive: bool) -> bool:
    run = RunFolder.own(run_id)
    row = connection.execute("SELECT state FROM runs WHERE id = ?", [run_id]).fetchone()
    state = row["state"] if row is not None else "gone"
    if state not in ("queued", *registry.ACTIVE):
        return False
    if state == "queued":
        _stop_waiting(connection, run)
        return True
    wanted.ask_to_stop(run.path)
    over: dict[str, Any] = {}
    if not alive and not is_held(run.path / "lock"):  # nobody works on it: settle what a lost coordinator left
        close_state(run.path, "stopped")
        over = {"state": "stopped", "finished_at": stores.utc_now(), "reason": None, "eta_s": None}
    registry.change_in(connection, run_id, wanted="stop", **over)
    return True


def _stop_waiting(connection: sqlite3.Connection, run: RunFolder) -> None:
    """One that waits is stopped at once; one that is done, and waited for an addition only, is done."""
    state = run.state()
    if state["state"] == "done":
        wanted.change(run.path, attempt=0)
    else:
        wanted.ask_to_stop(run.path)
    if state["state"] == "running":  # its child was lost, and it was queued again
        close_state(run.path, "stopped")
    ended = "done" if state["state"] == "done" else "stopped"
    columns: dict[str, Any] = {"wanted": "stop", "finished_at": stores.utc_now(), "reason": None, "waits_for": None}
    registry.change_in(connection, run.id, state=ended, **columns)


def _resume(run_ids: Sequence[str], *, start: bool) -> None:
    def work(connection: sqlite3.Connection) -> None:
        now = moment_in_queue(connection)
        for run_id in run_ids:
            _resume_one(connection, run_id, now)

    registry.transact(work)
    if start:
        processes.start_coordinator()


def _resume_one(connection: sqlite3.Connection, run_id: str, now: str) -> None:
    run = RunFolder.own(run_id)
    row = connection.execute("SELECT state FROM runs WHERE id = ?", [run_id]).fetchone()
    if row is None or row["state"] in ("queued", "done"):
        return
    if row["state"] not in registry.ACTIVE:
        queue_again(connection, run, now)
        return
    wanted.change(run.path, attempt=int(run.state()["attempt"] or 0) + 1)  # it may be stopping this very moment
    wanted.ask_to_go_on(run.path)
    registry.change_in(connection, run_id, wanted="run")


def _delete(run_ids: list[str], timeout_s: float) -> tuple[int, list[str]]:
    """Take runs away as soon as they stand still: how many, and what was said of those that could not be."""
    left, deadline = list(run_ids), time.monotonic() + timeout_s
    troubles: list[str] = []
    while left:
        gone, troubles = registry.transact(partial(_take_away, run_ids=tuple(left)))
        for run_id in gone:
            shutil.rmtree(_out_of_sight(run_id), ignore_errors=True)
        left = [run_id for run_id in left if run_id not in set(gone)]
        if not left or time.monotonic() > deadline:
            break
        time.sleep(_POLL_S)
        _stop(left)
    slow = f"did not stop within {timeout_s:g} s; nothing was deleted. Try again."
    return len(run_ids) - len(left), troubles or [f"Run {run_id} {slow}" for run_id in left]


def _take_away(connection: sqlite3.Connection, run_ids: Sequence[str]) -> tuple[list[str], list[str]]:
    """Rows and folders of those that nobody works on: their ids, and what the system said of others.

    That they were deleted is noted first: whatever happens then, they are not written again.
    """
    states = {row["id"]: row["state"] for row in connection.execute("SELECT id, state FROM runs")}
    still = [run_id for run_id in run_ids if states.get(run_id) not in registry.ACTIVE]
    sweep_files.note_deleted(still)
    gone, troubles = [], []
    for run_id in still:
        try:
            if _hide(stores.runs_root() / run_id):
                gone.append(run_id)
        except OSError as error:
            if error.errno == errno.EROFS:  # waiting would not help
                raise not_written(error) or error from error
            troubles.append(f"Run {run_id}: {error}")
    for table, column in (("runs", "id"), ("depends", "run_id")):
        connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(run_id,) for run_id in gone])
    return gone, troubles


def _hide(folder: Path) -> bool:
    """Put a folder out of sight at once, whatever happens to the deletion of its files; False if it is in use."""
    if not folder.is_dir():
        return True
    if is_held(folder / "lock"):
        return False
    gone = _out_of_sight(folder.name)
    shutil.rmtree(gone, ignore_errors=True)
    folder.replace(gone)
    return True


def _out_of_sight(run_id: str) -> Path:
    return stores.runs_root() / f".gone-{run_id}"


def _own(run_id: str) -> dict[str, Any]:
    """The row of a run as it is now."""
    registry.reconcile()
    return registry.require(run_id)


def _refuse_demo(run_id: str) -> None:
    """Refuse to change a demo run.

    Raises:
        SpecError: it is one.
    """
    if RunFolder(run_id).is_demo:
        raise SpecError.at("Run", "id", "one of your own", run_id, "Demo runs are read-only; train one yourself.")


def _rows(ids: Iterable[str]) -> list[dict[str, Any]]:
    registry.reconcile()
    asked = set(ids)
    return [row for row in registry.query("SELECT id, state, reason FROM runs") if row["id"] in asked]
