"""The file of the registry, `models/runs.db`: its tables, and making it again from the run folders.

Ten thousand results are hundreds of megabytes of JSON, and the list is read again whenever anything changes. So the
numbers that the list shows (`specs.parts`) are kept in a table of their own, `scores`, which the file itself keeps up
to date, whoever writes.

A flipped bit on a disk must not become another state or number in silence. So the file also keeps the checksum of what
it says of each run (`sums`, and one in `scores`), made by the same triggers and compared by whoever reads.
"""

from __future__ import annotations

import itertools
import logging
import os
import sqlite3
import tempfile
import zlib
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.errors import RunError
from ssrl_core.runs.folder import wanted
from ssrl_core.runs.folder.locks import Lock
from ssrl_core.runs.queue import folder_rows
from ssrl_core.specs.parts import Column, Part, columns

JUDGED = "judged"
_AMIS = "SELECT json_group_object(key, json_object('ami', json_extract(value, '$.ami')))"
_JUDGED = f"""json_object(
    'n', json_extract(new.results, '$.n'),
    'knn', json_object('top1', json_extract(new.results, '$.knn.top1')),
    'clusters', json(({_AMIS} FROM json_each(new.results, '$.clusters'))),
    'references', json_extract(new.results, '$.references'))"""  # as `verdict.judged`
_TRIGGERS = ("scores_new", "scores_changed", "scores_gone", "sums_new", "sums_changed")
_TABLES = ("scores", "sums")
_SUMMED = "summed"  # of scores: the checksum of its numbers


def score_names() -> tuple[str, ...]:
    """The columns that there are now."""
    return (*(column.name for _, column in columns(listed=True)), JUDGED)


def scores_schema() -> str:
    """The table, and what keeps it up to date."""
    given = [*(f"CAST({_number(part, column)} AS REAL)" for part, column in columns(listed=True)), _JUDGED]
    numbers = ", ".join([*given, f"row_sum({', '.join(given)})"])
    scored = f"""
    DELETE FROM scores WHERE run_id = new.id;
    INSERT INTO scores SELECT new.id, {numbers} WHERE json_valid(new.results);
    """
    listed = ", ".join(f"new.{name}" for name in LISTED)
    summed = f"INSERT OR REPLACE INTO sums VALUES (new.id, row_sum({listed}), row_sum(new.spec, new.results));"
    kept = ", ".join(f'"{name}" {"TEXT" if name == JUDGED else "REAL"}' for name in score_names())
    return f"""
CREATE TABLE scores (run_id TEXT PRIMARY KEY, {kept}, {_SUMMED} INTEGER) WITHOUT ROWID;
CREATE TABLE sums (run_id TEXT PRIMARY KEY, listed INTEGER, whole INTEGER) WITHOUT ROWID;
CREATE TRIGGER scores_new AFTER INSERT ON runs BEGIN {scored} END;
CREATE TRIGGER scores_changed AFTER UPDATE OF results ON runs BEGIN {scored} END;
CREATE TRIGGER scores_gone AFTER DELETE ON runs BEGIN
    DELETE FROM scores WHERE run_id = old.id;
    DELETE FROM sums WHERE run_id = old.id;
END;
CREATE TRIGGER sums_new AFTER INSERT ON runs BEGIN {summed} END;
CREATE TRIGGER sums_changed AFTER UPDATE ON runs BEGIN {summed} END;
"""


def ensure_scores(connection: sqlite3.Connection) -> None:
    """Give a registry whose table of scores is missing, or has other columns, the one that is wanted now."""
    if has_scores(connection):
        return
    prepared(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not has_scores(connection):  # nobody did it while we waited
            for name in _TRIGGERS:
                connection.execute(f"DROP TRIGGER IF EXISTS {name}")
            for name in _TABLES:
                connection.execute(f"DROP TABLE IF EXISTS {name}")
            for statement in _statements():
                connection.execute(statement)
            connection.execute("UPDATE runs SET results = results")
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def _number(part: Part, column: Column) -> str:
    """The number of a column in the results of a run, the largest where its part was made several times."""
    if part.takes == "list":
        largest = f"max(json_extract(value, '$.{column.key}'))"
        return f"(SELECT {largest} FROM json_each(new.results, '$.{part.name}'))"
    return f"json_extract(new.results, '$.{part.name}.{column.key}')"


def has_scores(connection: sqlite3.Connection) -> bool:
    """Whether the registry has its table of scores with the columns of now."""
    found = {row[1] for row in connection.execute("PRAGMA table_info(scores)")}
    sums = {row[1] for row in connection.execute("PRAGMA table_info(sums)")}
    return found >= {"run_id", *score_names(), _SUMMED} and sums >= {"run_id", "listed", "whole"}


def row_sum(*values: Any) -> int:
    """The checksum of what a row says."""
    return zlib.crc32(repr(values).encode("utf-8", "surrogatepass"))


def prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    """A connection that can write: the file's triggers call `row_sum`."""
    connection.create_function("row_sum", -1, row_sum, deterministic=True)
    return connection


def read_list(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """What the list of runs shows, newest first, as it was written.

    Raises:
        sqlite3.DatabaseError: a row is not what was written.
    """
    told, numbers = ", ".join(LISTED), ", ".join(f'"{name}"' for name in score_names())
    rows = connection.execute(
        f"SELECT {told}, {numbers}, {_SUMMED}, sums.listed FROM runs LEFT JOIN scores ON scores.run_id = runs.id "
        "LEFT JOIN sums ON sums.run_id = runs.id ORDER BY coalesce(queued_at, created_at) DESC, runs.rowid"
    )
    names, at = (*LISTED, *score_names()), len(LISTED)
    found = []
    for *values, scored, summed in map(tuple, rows):
        _compare(values[0], row_sum(*values[:at]), summed)
        if scored is not None or any(value is not None for value in values[at:]):
            _compare(values[0], row_sum(*values[at:]), scored)
        found.append(dict(zip(names, values, strict=True)))
    return found


def read_whole(connection: sqlite3.Connection, sql: str, values: Sequence[Any]) -> list[dict[str, Any]]:
    """All columns of some runs, as they were written.

    Args:
        sql: begins with `SELECT * FROM runs`.

    Raises:
        sqlite3.DatabaseError: a row is not what was written.
    """
    joined = "SELECT runs.*, sums.listed AS listed_sum, sums.whole AS whole_sum FROM runs LEFT JOIN sums ON run_id = id"
    found = []
    for row in connection.execute(sql.replace(ALL, joined, 1), values):
        told = dict(row)
        listed, whole = told.pop("listed_sum"), told.pop("whole_sum")
        _compare(told["id"], row_sum(*(told[name] for name in LISTED)), listed)
        _compare(told["id"], row_sum(told["spec"], told["results"]), whole)
        found.append(told)
    return found


def _compare(run_id: Any, found: int, written: Any) -> None:
    if found != written:
        raise sqlite3.DatabaseError(f"what it says of {run_id!r} is not what was written")


def _statements() -> list[str]:
    """The schema, one statement each: `executescript` would end the transaction."""
    found, rest = [], ""
    for line in scores_schema().splitlines(keepends=True):
        rest += line
        if sqlite3.complete_statement(rest):
            found.append(rest)
            rest = ""
    return found


LOG = logging.getLogger("viewloom.registry")
ALL = "SELECT * FROM runs"
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
LISTED = tuple(name for name in COLUMNS if name not in ("spec", "results"))
_SCHEMA = f"""
CREATE TABLE runs ({", ".join(f"{name} {law}" for name, law in COLUMNS.items())});
CREATE TABLE sweeps (id TEXT PRIMARY KEY, name TEXT, spec TEXT, created_at TEXT);
CREATE TABLE depends (run_id TEXT NOT NULL, on_id TEXT NOT NULL, PRIMARY KEY (run_id, on_id));
CREATE INDEX runs_by_state ON runs (state, priority DESC, queued_at);
CREATE INDEX runs_by_sweep ON runs (sweep_id);
PRAGMA user_version = {VERSION};
"""
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
        written = folder_rows.write_missing({}, folder_rows.folder_names(with_spec=True))
        count = _write(path)
        if count or aside:
            _leave_note(path, why, count, written, aside)
    finally:
        lock.give_back()


def in_memory() -> sqlite3.Connection:
    """A registry of what the folders hold that is nowhere on disk, for a store that cannot be written."""
    connection = prepared(sqlite3.connect(":memory:", isolation_level=None))
    _fill(connection)
    return connection


def insert(connection: sqlite3.Connection, rows: Iterable[dict[str, Any]]) -> int:
    """Add rows whose id is new, and what they wait for; the number added."""
    added = 0
    for given, alike in itertools.groupby(rows, key=tuple):  # what a row leaves out is the column's default
        names = [name for name in given if name in COLUMNS]
        marks = ", ".join(f":{name}" for name in names)
        done = connection.executemany(f"INSERT OR IGNORE INTO runs ({', '.join(names)}) VALUES ({marks})", alike)
        added += done.rowcount
    return added


def insert_after(connection: sqlite3.Connection, run_ids: Iterable[str]) -> None:
    """Tell the registry what these runs wait for, as their folders say."""
    root = stores.runs_root()
    pairs = [(run_id, other) for run_id in run_ids for other in wanted.read(root / run_id).after]
    connection.executemany("INSERT OR IGNORE INTO depends (run_id, on_id) VALUES (?, ?)", pairs)


def _is_fine(path: Path) -> bool:
    if not path.is_file() or path.stat().st_size == 0:
        return False
    try:
        with closing(sqlite3.connect(path)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version != VERSION or not is_whole(connection):
                return False
            connection.row_factory = sqlite3.Row
            if has_scores(connection):
                read_list(connection)
                read_whole(connection, ALL, [])
            return True
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return False


def is_whole(connection: sqlite3.Connection) -> bool:
    """Whether the file's own structure, its indexes too, is sound."""
    return bool(connection.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok")


def _lay_aside(path: Path) -> Path | None:
    """Move the damaged file (and its write-ahead log) out of the way."""
    aside = None
    if path.is_file() and path.stat().st_size:
        aside = path.with_name(f"runs.damaged-{stores.utc_now()[:19].replace(':', '')}.db")
        path.replace(aside)
    for name in ("runs.db-wal", "runs.db-shm"):
        path.with_name(name).unlink(missing_ok=True)
    return aside


def _fill(connection: sqlite3.Connection) -> int:
    """The tables and what the folders say; how many runs there are."""
    rows = folder_rows.rows_of(folder_rows.folder_names())
    connection.executescript(_SCHEMA + scores_schema())
    connection.execute("BEGIN")
    insert(connection, rows)
    insert_after(connection, [str(row["id"]) for row in rows])
    sql = "INSERT OR IGNORE INTO sweeps (id, name, spec, created_at) VALUES (:id, :name, :spec, :created_at)"
    connection.executemany(sql, folder_rows.sweep_rows())
    connection.commit()
    return len(rows)


def _write(path: Path) -> int:
    handle, name = tempfile.mkstemp(prefix=".runs.db.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with closing(prepared(sqlite3.connect(temporary, isolation_level=None))) as connection:
            count = _fill(connection)
            connection.execute("PRAGMA journal_mode = WAL")
        temporary.replace(path)
    finally:
        for leftover in (temporary, *path.parent.glob(f"{temporary.name}-*")):
            leftover.unlink(missing_ok=True)
    stores.sync_folder(path.parent)
    return count


def _leave_note(path: Path, why: str, count: int, written: int, aside: Path | None) -> None:
    lost = f" The folders of {written} runs of sweeps were missing and have been written again." if written else ""
    kept = f" The old file is kept as {aside.name}." if aside else ""
    message = f"The registry of runs {why}: made again from {count} run folders.{lost}{kept}"
    LOG.warning("%s: %s", path, message)
    stores.write_json(path.with_name("registry_note.json"), {"version": 1, "at": stores.utc_now(), "message": message})
