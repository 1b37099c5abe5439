"""Stopping, resuming and deleting many runs at once, a sweep for instance: one transaction, not one each."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from ssrl_core import stores
from ssrl_core.errors import SSRLError
from ssrl_core.runs.queue import processes, reconcile, registry, submitting, sweep_files
from ssrl_core.runs.queue.laying import never_needed


def of_sweep(sweep_id: str) -> list[str]:
    """Ids of the runs of a sweep that still exist, in its order.

    Raises:
        SpecError: there is no such sweep.
    """
    known = {row["id"] for row in registry.query("SELECT id FROM runs")}
    return [entry["id"] for entry in sweep_files.read(sweep_id)["runs"] if entry["id"] in known]


def stop_all(ids: Iterable[str]) -> int:
    """Ask runs to stop; those that wait are stopped at once, those that run after a checkpoint.

    Returns:
        How many were told; runs that are over are left as they are.
    """
    rows = _rows(ids)
    waiting = [row for row in rows if row["state"] == "queued"]
    active = [row["id"] for row in rows if row["state"] in registry.ACTIVE]
    unlaid = [row for row in waiting if _has_no_folder(row)]
    sweep_files.take_out((row["id"] for row in unlaid), "stopped", _sweeps(unlaid))
    now = stores.utc_now()

    def work(connection: sqlite3.Connection) -> None:
        _each(
            connection,
            "UPDATE runs SET state = 'stopped', wanted = 'stop', finished_at = :now, reason = NULL, waits_for = NULL "
            "WHERE id = :id AND state = 'queued'",
            [row["id"] for row in unlaid],
            now=now,
        )
        _each(
            connection, "UPDATE runs SET wanted = 'stop' WHERE id = :id AND state IN ('submitted', 'running')", active
        )

    registry.transact(work)
    told = {row["id"] for row in unlaid}
    laid = [row["id"] for row in waiting if row["id"] not in told]
    alone = [] if processes.is_alive() else active
    for run_id in (*laid, *alone):
        submitting.stop(run_id)
    return len(waiting) + len(active)


def resume_all(ids: Iterable[str], *, failed_only: bool = False, start: bool = True) -> int:
    """Queue runs again that failed or were stopped; how many.

    Args:
        failed_only: leave those alone that somebody stopped.
        start: start a coordinator, detached, when none is alive.
    """
    ends = ("failed",) if failed_only else ("failed", "stopped")
    rows = [row for row in _rows(ids) if row["state"] in ends and not _is_gone(row)]
    sweep_files.take_out((row["id"] for row in rows), None, _sweeps(rows))
    now = stores.utc_now()
    registry.transact(
        lambda connection: _each(
            connection,
            "UPDATE runs SET state = 'queued', wanted = 'run', reason = NULL, waits_for = NULL, params = NULL, "
            "queued_at = :now, finished_at = NULL WHERE id = :id AND state IN ('failed', 'stopped')",
            [row["id"] for row in rows],
            now=now,
        )
    )
    if start and rows:
        processes.start_detached()
    return len(rows)


def delete_all(ids: Iterable[str]) -> tuple[int, list[str]]:
    """Delete runs and their folders; those that run are stopped first.

    Returns:
        How many were deleted, and what was said of those that could not be.
    """
    wanted = list(ids)
    stop_all(wanted)
    rows = _rows(wanted)
    unlaid = [row for row in rows if _has_no_folder(row) and row["state"] == "stopped"]
    sweep_files.take_out((row["id"] for row in unlaid), "deleted", _sweeps(unlaid))
    gone = [row["id"] for row in unlaid]

    def work(connection: sqlite3.Connection) -> None:
        _each(connection, "DELETE FROM runs WHERE id = :id", gone)
        _each(connection, "DELETE FROM depends WHERE run_id = :id", gone)

    registry.transact(work)
    troubles = []
    for run_id in [row["id"] for row in rows if row["id"] not in set(gone)]:
        try:
            submitting.delete(run_id)
            gone.append(run_id)
        except (SSRLError, OSError) as error:
            troubles.append(str(error))
    return len(gone), troubles


def delete_sweep(sweep_id: str) -> tuple[int, list[str]]:
    """Delete a sweep with its runs; runs that another sweep has too stay.

    Raises:
        SpecError: there is no such sweep.
    """
    others = {entry["id"] for data in sweep_files.each() if data["id"] != sweep_id for entry in data.get("runs", [])}
    count, troubles = delete_all(run_id for run_id in of_sweep(sweep_id) if run_id not in others)
    if not troubles:
        sweep_files.delete(sweep_id)
        registry.transact(lambda connection: connection.execute("DELETE FROM sweeps WHERE id = ?", [sweep_id]))
    return count, troubles


def _rows(ids: Iterable[str]) -> list[dict[str, Any]]:
    reconcile.reconcile()
    asked = set(ids)
    return [
        row for row in registry.query("SELECT id, state, sweep_id, attempt, reason FROM runs") if row["id"] in asked
    ]


def _has_no_folder(row: dict[str, Any]) -> bool:
    return never_needed(row) and not (stores.runs_root() / row["id"]).is_dir()


def _is_gone(row: dict[str, Any]) -> bool:
    return row["reason"] == reconcile.GONE and not (stores.runs_root() / row["id"]).is_dir()


def _sweeps(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["id"]: row["sweep_id"] for row in rows if row["sweep_id"]}


def _each(connection: sqlite3.Connection, sql: str, ids: list[str], **values: Any) -> None:
    connection.executemany(sql, [{"id": run_id, **values} for run_id in ids])
