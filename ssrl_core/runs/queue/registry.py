"""The registry: one table of all runs and what is wanted of them, in SQLite beside the run folders.

Only processes on the store's own host open it (app, command line, coordinator). Every call opens a connection of its
own and closes it, so that any number of threads and processes may call at once. The folders are the truth: a registry
that is missing or damaged is made again from them, and that is said (`last_note`, and in the log).
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Required, TypedDict, TypeVar, cast

from ssrl_core import stores
from ssrl_core.errors import DataError, RunError, SpecError
from ssrl_core.runs.folder.state import LOST_AFTER_S
from ssrl_core.runs.queue import scores

VERSION = 1
COLUMNS = {
    "id": "TEXT PRIMARY KEY",
    "kind": "TEXT NOT NULL DEFAULT 'train'",
    "of_run": "TEXT",
    "params": "TEXT",
    "sweep_id": "TEXT",
    "spec_hash": "TEXT",
    "name": "TEXT",
    "dataset": "TEXT",
    "method": "TEXT",
    "backbone": "TEXT",
    "seed": "INTEGER",
    "tags": "TEXT",
    "spec": "TEXT",
    "priority": "INTEGER NOT NULL DEFAULT 0",
    "state": "TEXT NOT NULL DEFAULT 'queued'",
    "wanted": "TEXT NOT NULL DEFAULT 'run'",
    "phase": "TEXT",
    "reason": "TEXT",
    "waits_for": "TEXT",
    "worker": "TEXT",
    "device": "TEXT",
    "attempt": "INTEGER NOT NULL DEFAULT 0",
    "created_at": "TEXT",
    "queued_at": "TEXT",
    "started_at": "TEXT",
    "finished_at": "TEXT",
    "alive_at": "TEXT",
    "progress": "REAL",
    "eta_s": "REAL",
    "results": "TEXT",
}


class RunRow(TypedDict, total=False):
    """A run in the list of runs: the columns of the registry but `spec` and `results`, and what is computed of them.

    The numbers that lists show (`specs.parts`: knn_top1, ami …) are columns too. Times are UTC text.
    """

    id: Required[str]
    kind: str
    of_run: str | None
    params: str | None
    sweep_id: str | None
    spec_hash: str | None
    name: str | None
    dataset: str | None
    method: str | None
    backbone: str | None
    seed: int | None
    tags: str | None
    priority: int
    state: str
    wanted: str
    phase: str | None
    reason: str | None
    waits_for: str | None
    worker: str | None
    device: str | None
    attempt: int
    created_at: str | None
    queued_at: str | None
    started_at: str | None
    finished_at: str | None
    alive_at: str | None
    progress: float | None
    eta_s: float | None
    lost: bool
    demo: bool
    knn_top1: float | None
    ami: float | None
    compositions: str  # names of the compositions, for a search
    values: str | None  # what makes it different from the others of its sweep, in words
    point: str  # the same, "" where only the seed is


_SCHEMA = f"""
CREATE TABLE runs ({", ".join(f"{name} {law}" for name, law in COLUMNS.items())});
CREATE TABLE sweeps (id TEXT PRIMARY KEY, name TEXT, spec TEXT, created_at TEXT);
CREATE TABLE depends (run_id TEXT NOT NULL, on_id TEXT NOT NULL, PRIMARY KEY (run_id, on_id));
CREATE INDEX runs_by_state ON runs (state, priority DESC, queued_at);
CREATE INDEX runs_by_sweep ON runs (sweep_id);
PRAGMA user_version = {VERSION};
"""


def schema() -> str:
    """The statements that make an empty registry."""
    return _SCHEMA + scores.schema()


ACTIVE = ("submitted", "running")
_BUSY_S = 30.0

_scored: set[tuple[Path, int, tuple[str, ...]]] = set()  # files (and inodes) known to have these columns of scores

T = TypeVar("T")


def path() -> Path:
    """`models/runs.db`."""
    return stores.models_root() / "runs.db"


def transact(work: Callable[[sqlite3.Connection], T]) -> T:
    """Run `work` in one write transaction; made again from the folders first if the file is missing or damaged.

    Raises:
        RunError: the disk is full, the file is locked for long or read-only.
        SpecError: a newer Viewloom wrote the registry.
    """
    for last_try in (False, True):
        try:
            with closing(_open()) as connection:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    answer = work(connection)
                except BaseException:
                    connection.rollback()
                    raise
                connection.commit()
                return answer
        except sqlite3.DatabaseError as error:
            _mend(error, last_try)
    raise AssertionError("unreachable")


def query(sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """Rows of a SELECT as dictionaries; same errors as `transact`."""
    for last_try in (False, True):
        try:
            with closing(_open()) as connection:
                return [dict(row) for row in connection.execute(sql, values)]
        except sqlite3.DatabaseError as error:
            _mend(error, last_try)
    raise AssertionError("unreachable")


def insert(connection: sqlite3.Connection, rows: Iterable[dict[str, Any]]) -> int:
    """Add rows whose id is new; the number added."""
    added = 0
    for given, alike in itertools.groupby(rows, key=tuple):  # what a row leaves out is the column's default
        names = [name for name in given if name in COLUMNS]
        marks = ", ".join(f":{name}" for name in names)
        done = connection.executemany(f"INSERT OR IGNORE INTO runs ({', '.join(names)}) VALUES ({marks})", alike)
        added += done.rowcount
    return added


def change(run_id: str, *, only_if: Sequence[str] = (), **columns: Any) -> bool:
    """Set columns of one run; with `only_if`, only while its state is one of these. True if a row changed."""
    return transact(lambda connection: change_in(connection, run_id, only_if=only_if, **columns))


def change_in(connection: sqlite3.Connection, run_id: str, *, only_if: Sequence[str] = (), **columns: Any) -> bool:
    """`change` inside a transaction that is open already."""
    sets = ", ".join(f"{name} = ?" for name in columns)
    where = f" AND state IN ({', '.join('?' for _ in only_if)})" if only_if else ""
    cursor = connection.execute(f"UPDATE runs SET {sets} WHERE id = ?{where}", [*columns.values(), run_id, *only_if])
    return cursor.rowcount > 0


def get(run_id: str) -> dict[str, Any] | None:
    """All columns of one run and `lost`, or None."""
    rows = query("SELECT * FROM runs WHERE id = ?", [run_id])
    return _with_lost(rows[0]) if rows else None


def require(run_id: str) -> dict[str, Any]:
    """All columns of one run.

    Raises:
        SpecError: there is no such run; demo runs are not in the registry either.
    """
    row = get(run_id)
    if row is None:
        raise SpecError(
            where="Run",
            field="id",
            rule="a run of this store",
            value=run_id,
            remedy="`runs list` shows the runs that are there.",
        )
    return row


def list_runs(*, demo: bool = True) -> list[RunRow]:
    """All runs: one's own newest first, then the demo runs.

    Returns:
        The C6 columns without `spec` and `results`, and `lost`, `demo` (bool), `knn_top1`, `ami` (float or None).
        What runs is read from its folder, so that it is true even while no coordinator looks after it.
    """
    from ssrl_core.runs.queue import listing, reconcile

    own = [_with_lost(reconcile.overlaid(row)) | {"demo": False} for row in listing.own_rows()]
    return cast(list[RunRow], own + (reconcile.demo_rows() if demo else []))


def number_of(row: RunRow, name: str) -> float | None:
    """A number that lists of runs show (`specs.parts`); None where there is none."""
    return cast(float | None, row.get(name))


def counts() -> dict[str, int]:
    """Number of runs in each state."""
    rows = query("SELECT state, count(*) AS n FROM runs GROUP BY state")
    return {row["state"]: row["n"] for row in rows}


def is_lost(row: dict[str, Any], now: datetime | None = None) -> bool:
    """Running, but without a sign of life for `LOST_AFTER_S`: computed, never stored."""
    if row.get("state") != "running" or not row.get("alive_at"):
        return False
    silent = (now or datetime.now(UTC)) - datetime.fromisoformat(row["alive_at"])
    return silent.total_seconds() > LOST_AFTER_S


def last_note() -> dict[str, Any] | None:
    """What was said when the registry was last made again: `{at, message}`; None if it never was."""
    note = stores.models_root() / "registry_note.json"
    try:
        return stores.read_json(note) if note.is_file() else None
    except DataError:
        return None


def results_text(results: Mapping[str, Any]) -> str | None:
    """Results as the registry keeps them, None for empty ones: without confusion tables, which stay in the folder."""
    return json.dumps(_without_confusion(results), ensure_ascii=False, allow_nan=False) if results else None


def _without_confusion(node: Any) -> Any:
    if not isinstance(node, Mapping):
        return node
    return {key: None if key == "confusion" else _without_confusion(value) for key, value in node.items()}


def _with_lost(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"lost": is_lost(row)}


def _open() -> sqlite3.Connection:
    """A connection to a registry of our version."""
    file = path()
    if not file.is_file() or file.stat().st_size == 0:
        _make("is not there")
    connection = sqlite3.connect(file, timeout=_BUSY_S, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > VERSION:
            raise SpecError(
                where=str(file),
                field="version",
                rule=f"at most {VERSION}",
                value=found,
                remedy="Update Viewloom to use this store.",
            )
        if found < 1:
            raise sqlite3.DatabaseError("not a registry")
        connection.execute("PRAGMA synchronous = NORMAL")
        known = (file, file.stat().st_ino, scores.names())  # another file may have been put in its place
        if known not in _scored:
            scores.ensure(connection)
            _scored.add(known)
    except BaseException:
        connection.close()
        raise
    return connection


def _make(why: str) -> None:
    from ssrl_core.runs.queue import rebuild

    rebuild.make(path(), why)


def _mend(error: sqlite3.DatabaseError, last_try: bool) -> None:
    """Rebuild after damage; anything else becomes an error in words."""
    if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
        raise error
    if not isinstance(error, sqlite3.OperationalError) and not last_try:
        _make(f"is damaged ({error})")
        return
    if isinstance(error, sqlite3.OperationalError) and "no such" in str(error):
        raise error  # a bug in a statement shows itself
    raise RunError(
        f"{path()}: the registry of runs cannot be used: {error}. "
        "Make room on that disk and see that you may write there; the run folders are untouched.",
        where=str(path()),
        remedy="Make room on that disk and see that you may write there.",
    ) from error
