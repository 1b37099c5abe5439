"""The order of the queue: pausing it, priorities, and runs that wait for other runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ssrl_core import access, stores
from ssrl_core.errors import SpecError
from ssrl_core.runs.folder import wanted
from ssrl_core.runs.queue import registry

READY = """
SELECT * FROM runs WHERE state = 'queued' AND wanted = 'run' AND NOT EXISTS (
    SELECT 1 FROM depends LEFT JOIN runs AS before ON before.id = depends.on_id
    WHERE depends.run_id = runs.id AND before.state IS NOT 'done')
ORDER BY priority DESC, queued_at, rowid LIMIT ?
"""
_BLOCKED = """
SELECT runs.id, runs.waits_for, depends.on_id, before.state FROM depends
JOIN runs ON runs.id = depends.run_id LEFT JOIN runs AS before ON before.id = depends.on_id
WHERE runs.state = 'queued' AND before.state IS NOT 'done' ORDER BY runs.id, depends.on_id
"""


def pause() -> None:
    """Start no more runs; what runs goes on. Holds until `unpause`, over restarts."""
    access.require_editor("Changing the order of the queue")
    stores.write_json(_pause_file(), {"version": 1, "at": stores.utc_now()})


def unpause() -> None:
    """Go on starting runs."""
    access.require_editor("Changing the order of the queue")
    _pause_file().unlink(missing_ok=True)


def is_paused() -> bool:
    """Whether the queue is paused."""
    return _pause_file().is_file()


def set_priority(ids: Iterable[str], priority: int) -> int:
    """Give runs that wait another priority (higher goes first); how many there were."""
    access.require_editor("Changing the order of the queue")
    chosen = list(ids)
    return registry.transact(lambda connection: _set(connection, chosen, priority))


def to_the_front(ids: Iterable[str]) -> int:
    """Put runs that wait before all others, in their own order; how many there were."""
    access.require_editor("Changing the order of the queue")

    def work(connection: sqlite3.Connection) -> int:
        top = connection.execute("SELECT max(priority) FROM runs WHERE state = 'queued'").fetchone()[0]
        return _set(connection, chosen, int(top or 0) + 1)

    chosen = list(ids)
    return registry.transact(work)


def depend(connection: sqlite3.Connection, run_id: str, on: Iterable[str]) -> None:
    """Let a run wait until other runs are done, as its folder and the registry say from then on.

    Raises:
        SpecError: there is no such run, or they would wait for each other.
    """
    others = list(on)
    check_known(connection, run_id, others)
    for other in others:
        if other == run_id or run_id in _before(connection, other):
            raise _bad(run_id, other, "a run that does not wait for this one", "Name another one.")
        connection.execute("INSERT OR IGNORE INTO depends (run_id, on_id) VALUES (?, ?)", [run_id, other])
    if others:
        folder = stores.runs_root() / run_id
        wanted.change(folder, after=tuple(dict.fromkeys([*wanted.read(folder).after, *others])))


def check_known(connection: sqlite3.Connection, run_id: str, others: Iterable[str]) -> None:
    """Refuse to wait for a run that is not there.

    Raises:
        SpecError: naming it.
    """
    for other in others:
        if connection.execute("SELECT 1 FROM runs WHERE id = ?", [other]).fetchone() is None:
            raise _bad(run_id, other, "a run of this store", "`runs list` shows those that are there.")


def blocked() -> dict[str, str]:
    """Runs that wait for others: id -> what for, in words; only where the registry does not say it yet."""
    told: dict[str, Any] = {}
    for row in registry.query(_BLOCKED):
        told.setdefault(row["id"], (row["waits_for"], _words(row["on_id"], row["state"])))
    return {run_id: words for run_id, (said, words) in told.items() if said != words}


def _words(on_id: str, state: str | None) -> str:
    if state in ("failed", "stopped"):
        return f"Waits for {on_id}, which {'has failed' if state == 'failed' else 'was stopped'}. Resume that one."
    if state is None:
        return f"Waits for {on_id}, which was deleted. Train that one again, or stop this run."
    return f"Waits until {on_id} is done."


def _before(connection: sqlite3.Connection, run_id: str) -> set[str]:
    """Everything that a run waits for, directly or not."""
    sql = """WITH RECURSIVE before(id) AS (SELECT on_id FROM depends WHERE run_id = ?
             UNION SELECT on_id FROM depends JOIN before ON depends.run_id = before.id) SELECT id FROM before"""
    return {row[0] for row in connection.execute(sql, [run_id])}


def _set(connection: sqlite3.Connection, ids: list[str], priority: int) -> int:
    """Change those that wait, in their folders and in the registry."""
    asked = set(ids)
    waiting = [row[0] for row in connection.execute("SELECT id FROM runs WHERE state = 'queued'") if row[0] in asked]
    for run_id in waiting:
        wanted.change(stores.runs_root() / run_id, priority=priority)
    connection.executemany("UPDATE runs SET priority = ? WHERE id = ?", [(priority, run_id) for run_id in waiting])
    return len(waiting)


def _pause_file() -> Path:
    return stores.models_root() / "queue_paused.json"


def _bad(run_id: str, other: str, rule: str, remedy: str) -> SpecError:
    return SpecError.at(f"Run {run_id}", "after", rule, other, remedy)
