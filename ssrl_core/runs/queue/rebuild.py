"""Making the registry again from the run folders, when it is missing or damaged."""

from __future__ import annotations

import logging
import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from ssrl_core import stores
from ssrl_core.errors import RunError
from ssrl_core.runs.folder.locks import Lock
from ssrl_core.runs.queue import after, reconcile

LOG = logging.getLogger("viewloom.registry")
_WAIT_S = 120.0


def make(path: Path, why: str) -> None:
    """Put a registry at `path` that holds what the folders hold; a damaged one is laid aside, not deleted.

    Made beside it and renamed, so that nobody ever opens half a registry; a lock lets one process do it.

    Raises:
        RunError: another process has been making it for `_WAIT_S`.
    """
    lock = Lock(path.with_name("runs.db.lock"))
    if not lock.take(timeout_s=_WAIT_S):
        raise RunError(f"{path}: another process is making the registry again. Try again in a minute.", where=str(path))
    try:
        if _is_fine(path):
            return  # somebody else was faster
        aside = _lay_aside(path)
        rows, waiting = reconcile.rows_of_folders(), reconcile.unlaid_rows()
        _write(path, [*rows, *waiting], reconcile.sweep_rows())
        if rows or waiting or aside:
            _say(path, why, len(rows), len(waiting), aside)
    finally:
        lock.give_back()


def _is_fine(path: Path) -> bool:
    if not path.is_file() or path.stat().st_size == 0:
        return False
    try:
        with closing(sqlite3.connect(path)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            return bool(version) and connection.execute("PRAGMA quick_check").fetchone()[0] == "ok"
    except sqlite3.DatabaseError:
        return False


def _lay_aside(path: Path) -> Path | None:
    """Move the damaged file (and its write-ahead log) out of the way."""
    aside = None
    if path.is_file() and path.stat().st_size:
        aside = path.with_name(f"runs.damaged-{stores.utc_now()[:19].replace(':', '')}.db")
        path.replace(aside)
    for name in ("runs.db-wal", "runs.db-shm"):
        path.with_name(name).unlink(missing_ok=True)
    return aside


def _write(path: Path, rows: list[dict[str, object]], sweeps: list[dict[str, object]]) -> None:
    from ssrl_core.runs.queue import registry

    handle, name = tempfile.mkstemp(prefix=".runs.db.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
            connection.executescript(registry.schema())
            connection.execute("BEGIN")
            registry.insert(connection, rows)
            after.restore(connection, [str(row["id"]) for row in rows])
            connection.executemany(
                "INSERT OR IGNORE INTO sweeps (id, name, spec, created_at) VALUES (:id, :name, :spec, :created_at)",
                sweeps,
            )
            connection.commit()
            connection.execute("PRAGMA journal_mode = WAL")
        temporary.replace(path)
    finally:
        for leftover in (temporary, *path.parent.glob(f"{temporary.name}-*")):
            leftover.unlink(missing_ok=True)
    stores.sync_folder(path.parent)


def _say(path: Path, why: str, count: int, waiting: int, aside: Path | None) -> None:
    others = f" and {waiting} runs of sweeps that had not begun" if waiting else ""
    kept = f" The old file is kept as {aside.name}." if aside else ""
    message = f"The registry of runs {why}: made again from {count} run folders{others}.{kept}"
    LOG.warning("%s: %s", path, message)
    stores.write_json(path.with_name("registry_note.json"), {"version": 1, "at": stores.utc_now(), "message": message})
