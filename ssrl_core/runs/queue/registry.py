"""The registry: one table of all runs, in SQLite beside the run folders: an index that is made again when it is lost.

Only processes on the store's own host open it (app, command line, coordinator). Every call opens a connection of its
own and closes it, so that any number of threads and processes may call at once. The folders are the truth: a registry
that is missing or damaged is made again from them, and that is said (`last_note`, and in the log). Reading never writes
where the file is there: what folders say and the file does not know yet is added to what is answered (`list_runs`),
and written down by whoever changes something next (`reconcile`).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Required, TypedDict, TypeVar, cast
from urllib.parse import quote

from ssrl_core import access, stores
from ssrl_core.errors import DataError, RunError, SpecError
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.folder.state import LOST_AFTER_S, is_moment
from ssrl_core.runs.folder.verdict import standing_of
from ssrl_core.runs.queue import folder_rows, registry_file, sweep_files
from ssrl_core.runs.queue.folder_rows import GONE
from ssrl_core.runs.queue.registry_file import COLUMNS, VERSION

ACTIVE = ("submitted", "running")
_STATES = "SELECT id, reason, sweep_id, attempt, state FROM runs"
_BUSY_S = 30.0
_LOOKED_THROUGH = 20_000_000  # bytes; a larger file takes longer than a command may wait
_MOST_VERSIONS = 1000  # what claims a later one has a flipped bit
_BROKEN = (sqlite3.DatabaseError, UnicodeDecodeError)  # the second: names and messages with flipped bits
_DAMAGED = ("decode", "no such", "unsupported file format", "malformed", "has no column")
_FRESH_S = 5.0  # a folder that somebody copies in grows for a while after its first sign
_SETTLED_NS = 100_000_000  # file systems tell times apart by some milliseconds: a younger change may hide another

_MOST_SIGNS = 1000
_signs: dict[tuple[Path, str], tuple[str, float]] = {}
"""(registry, run id) -> the run's last sign of life, and when it came by our own time."""
_scored: set[tuple[Path, int, tuple[str, ...]]] = set()  # files (and inodes) known to have these columns of scores

Row = dict[str, Any]
Stamp = tuple[Any, ...]
T = TypeVar("T")


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
    judged: str | None  # what `verdict_of` needs
    compositions: str  # names of the compositions, for a search
    values: str | None  # what makes it different from the others of its sweep, in words
    point: str  # the same, "" where only the seed is


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
                stores.require_writable(path())  # SQLite would say so only where something changes
                connection.execute("BEGIN IMMEDIATE")
                try:
                    answer = work(connection)
                except BaseException:
                    connection.rollback()
                    raise
                connection.commit()
                return answer
        except _BROKEN as error:
            _mend(error, last_try)
    raise AssertionError("unreachable")


def query(sql: str, values: Sequence[Any] = ()) -> list[Row]:
    """Rows of a SELECT as dictionaries; same errors as `transact`."""
    if registry_file.ALL in sql:
        return _read(lambda connection: registry_file.read_whole(connection, sql, values))
    return _read(lambda connection: [dict(row) for row in connection.execute(sql, values)])


def _read(work: Callable[[sqlite3.Connection], T]) -> T:
    """What `work` reads, after mending the file where it is damaged."""
    for last_try in (False, True):
        try:
            with closing(_open_to_read()) as connection:
                return work(connection)
        except _BROKEN as error:
            _mend(error, last_try)
    raise AssertionError("unreachable")


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
        raise SpecError.at("Run", "id", "a run of this store", run_id, "`runs list` shows the runs that are there.")
    return row


def list_runs(*, demo: bool = True) -> list[RunRow]:
    """All runs: one's own newest first, then the demo runs.

    Returns:
        The C6 columns without `spec` and `results`, and `lost`, `demo` (bool), `knn_top1`, `ami` (float or None).
        What runs is read from its folder, so that it is true even while no coordinator looks after it; folders that
        came or went without the registry are told as they are now. Who may see one run only is told of that one.
    """
    own = [_with_lost(folder_rows.with_live_state(row)) | {"demo": False} for row in _own_rows()]
    only = access.current().only
    found = own + (folder_rows.demo_rows() if demo or only else [])
    return cast(list[RunRow], [row for row in found if only in (None, row["id"])])


def number_of(row: RunRow, name: str) -> float | None:
    """A number that lists of runs show (`specs.parts`); None where there is none."""
    return cast(float | None, row.get(name))


def verdict_of(row: RunRow) -> str:
    """How a run stands to raw pixels and an untrained network, in a few words; "" where that is not known."""
    return standing_of(row.get("judged"), row.get("method")) if row.get("state") == "done" else ""


def counts() -> dict[str, int]:
    """Number of runs in each state."""
    rows = query("SELECT state, count(*) AS n FROM runs GROUP BY state")
    return {row["state"]: row["n"] for row in rows}


def is_lost(row: dict[str, Any], now: datetime | None = None) -> bool:
    """Running, but without a sign of life for `LOST_AFTER_S`: computed, never stored.

    A sign that came while this process looked on counts by its own time, whatever the clocks say. Of one that was there
    before, a moment in the future says nothing either: the clock was set back since, and nobody has signed again.
    """
    if row.get("state") != "running" or not row.get("alive_at"):
        return False
    run = path(), row["id"]
    before, came_at = _signs.get(run, (row["alive_at"], -1e9))
    if before != row["alive_at"]:
        came_at = time.monotonic()
    if len(_signs) > _MOST_SIGNS:
        _signs.clear()
    _signs[run] = (row["alive_at"], came_at)
    silent = (now or stores.now()) - datetime.fromisoformat(row["alive_at"])
    return abs(silent.total_seconds()) > LOST_AFTER_S and time.monotonic() - came_at > LOST_AFTER_S


def last_note() -> dict[str, Any] | None:
    """What was said when the registry was last made again: `{at, message}`; None if it never was."""
    note = stores.models_root() / "registry_note.json"
    try:
        found = stores.read_json(note) if note.is_file() else {}
    except DataError:
        return None
    return found if isinstance(found.get("message"), str) and is_moment(found.get("at")) else None


def reconcile(*, thorough: bool = False) -> None:
    """Make the registry agree with the folders that are there.

    Folders that it does not know (copied in, or trained by hand) are taken in; runs whose folder was deleted by hand
    are marked failed with `GONE` as the reason; a folder that came back is read again; runs of a sweep whose folders
    a crash kept from the disk get them.

    Args:
        thorough: a folder whose spec is empty counts as missing too, which a power cut can leave.
    """
    if folder_rows.may_be_missing(folder_rows.folder_names(with_spec=thorough)):
        transact(lambda connection: _write_missing(connection, thorough))
    found = _differences(query(_STATES), folder_rows.folder_names())
    if found.new or found.gone or found.back:
        transact(lambda connection: _reconcile(connection, found))


def _write_missing(connection: sqlite3.Connection, thorough: bool) -> None:
    """Inside a transaction: so nobody is just queueing a sweep, between its file and its folders."""
    known = {row["id"]: dict(row) for row in connection.execute(_STATES)}
    texts = "SELECT spec FROM runs WHERE id = ?"
    folder_rows.write_missing(
        known,
        folder_rows.folder_names(with_spec=thorough),
        lambda run_id: next((row[0] for row in connection.execute(texts, [run_id])), None),
    )


@dataclass(frozen=True)
class _Differences:
    """Where folders and registry differ.

    Attributes:
        new: rows it does not know, or knew as damaged before they were mended.
        gone: ids whose folder went.  back: ids whose folder came back.
    """

    new: list[Row]
    gone: list[str]
    back: list[str]


def _differences(rows: Sequence[Row], there: set[str]) -> _Differences:
    known = {row["id"]: row for row in rows}
    gone = [name for name, row in known.items() if name not in there and row["reason"] != GONE]
    damaged = {name for name, row in known.items() if name in there and folder_rows.is_damaged(row)}
    mended = [row for row in folder_rows.rows_of(damaged) if not folder_rows.is_damaged(row)] if damaged else []
    return _Differences(
        [*folder_rows.rows_of(there - known.keys()), *mended],
        [name for name in gone if not folder_rows.never_began(known[name])],
        [name for name in known if name in there and known[name]["reason"] == GONE],
    )


def _reconcile(connection: sqlite3.Connection, found: _Differences) -> None:
    for row in found.new:  # one that was damaged is there already
        connection.execute("DELETE FROM runs WHERE id = ? AND reason LIKE ?", [row["id"], f"{folder_rows.DAMAGED}%"])
    registry_file.insert(connection, found.new)
    registry_file.insert_after(connection, [row["id"] for row in found.new])
    # asked again: now nobody else can be making or deleting it
    gone = [name for name in found.gone if not (stores.runs_root() / name).is_dir()]
    for name in gone:
        change_in(connection, name, **_gone())
    sweep_files.note_deleted(gone)
    for name in found.back:
        change_in(connection, name, **folder_rows.state_columns(RunFolder(name)))


def _gone() -> Row:
    return {"state": "failed", "reason": GONE, "phase": None, "eta_s": None, "finished_at": stores.utc_now()}


@dataclass(frozen=True)
class _Snapshot:
    """The list as it was; ten thousand runs are asked for by every page, so what did not change is not read again."""

    stamp: Stamp
    at: float
    rows: list[Row]


_last: dict[Path, _Snapshot] = {}


def _own_rows() -> list[Row]:
    """One's own runs, newest first, as the registry has them, with what the folders say differently."""
    kept = _last.get(path())
    if kept is None or kept.stamp != stamp() or time.monotonic() - kept.at > _FRESH_S:
        before = stamp()
        kept = _Snapshot(before, time.monotonic(), _with_folders(_read(registry_file.read_list)))
        if _is_settled(before):
            _last[path()] = kept
        else:
            _last.pop(path(), None)
    return [dict(row) for row in kept.rows]


def _with_folders(rows: list[Row]) -> list[Row]:
    """Rows of the list with what folders that came or went without the registry say now."""
    found = _differences(rows, folder_rows.folder_names())
    if not (found.new or found.gone or found.back):
        return rows
    gone, back = set(found.gone), set(found.back)
    new_ids = {row["id"] for row in found.new}
    told = [
        row | _gone()
        if row["id"] in gone
        else folder_rows.listed_row(row | folder_rows.state_columns(RunFolder(row["id"])))
        if row["id"] in back
        else row
        for row in rows
        if row["id"] not in new_ids
    ]
    new = [dict.fromkeys(COLUMNS) | row for row in found.new]
    told += [folder_rows.listed_row(row) for row in new]
    return sorted(told, key=lambda row: str(row["queued_at"] or row["created_at"]), reverse=True)


def stamp() -> Stamp:
    """Changes with every transaction of any process, and with every run folder that comes or goes."""
    return (*_of(path()), *_of(path().with_name("runs.db-wal")), *_of(stores.runs_root()))


def _of(file: Path) -> tuple[int, int, int]:
    try:
        found = os.stat(file)
    except OSError:
        return (0, 0, 0)
    return found.st_ino, found.st_size, found.st_mtime_ns


def _is_settled(seen: Stamp) -> bool:
    newest: int = max(seen[2::3])
    return abs(time.time_ns() - newest) > _SETTLED_NS  # in the future: the clock was set back since


def _with_lost(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"lost": is_lost(row)}


def _open() -> sqlite3.Connection:
    """A connection to a registry of our version, to write."""
    file = path()
    if not file.is_file() or file.stat().st_size == 0:
        registry_file.make(file, "is not there")
    connection = _connected(f"file:{quote(str(file))}")
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        registry_file.prepared(connection)
        if _key(file) not in _scored:
            if file.stat().st_size < _LOOKED_THROUGH and not registry_file.is_whole(connection):
                raise sqlite3.DatabaseError("its structure is not sound")
            registry_file.ensure_scores(connection)
            _scored.add(_key(file))
    except BaseException:
        connection.close()
        raise
    return connection


def _open_to_read() -> sqlite3.Connection:
    """A connection that cannot write; where the store can be neither read so nor written, one to what folders say."""
    file = path()
    if not file.is_file() or _key(file) not in _scored:
        try:
            return _open()  # made, or given its scores, once
        except (OSError, RunError, sqlite3.OperationalError) as error:
            if isinstance(error, sqlite3.OperationalError) and _is_damage(error):
                raise
    for how in ("mode=ro", "immutable=1"):  # a disk that cannot be written takes only the second
        try:
            connection = _connected(f"file:{quote(str(file))}?{how}")
        except sqlite3.OperationalError:
            continue
        if registry_file.has_scores(connection):
            return connection
        connection.close()
    connection = registry_file.in_memory()
    connection.row_factory = sqlite3.Row
    return connection


def _connected(address: str) -> sqlite3.Connection:
    """A connection, once it is clear that the file is a registry of our version."""
    connection = sqlite3.connect(address, uri=True, timeout=_BUSY_S, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        _check_version(connection.execute("PRAGMA user_version").fetchone()[0])
    except BaseException:
        connection.close()
        raise
    return connection


def _check_version(found: int) -> None:
    """Refuse what a newer Viewloom wrote, and what is no registry."""
    if VERSION < found < _MOST_VERSIONS:
        raise SpecError.at(str(path()), "version", f"at most {VERSION}", found, "Update Viewloom to use this store.")
    if not 1 <= found < _MOST_VERSIONS:
        raise sqlite3.DatabaseError("not a registry")


def _key(file: Path) -> tuple[Path, int, tuple[str, ...]]:
    """File, inode and columns of scores: another file may have been put in its place."""
    return file, file.stat().st_ino, registry_file.score_names()


def _is_damage(error: Exception) -> bool:
    """Whether it comes of the file's content, not of a lock, a full disk or missing rights."""
    return not isinstance(error, sqlite3.OperationalError) or any(sign in str(error) for sign in _DAMAGED)


def _mend(error: sqlite3.DatabaseError | UnicodeDecodeError, last_try: bool) -> None:
    """Rebuild after damage; anything else becomes an error in words."""
    if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
        raise error
    if _is_damage(error) and not last_try:
        registry_file.make(path(), f"is damaged ({error})")  # does nothing where it is sound after all
        return
    if isinstance(error, sqlite3.OperationalError) and "no such" in str(error):
        raise error  # a bug in a statement shows itself
    raise RunError(
        f"{path()}: the registry of runs cannot be used: {error}. "
        "Make room on that disk and see that you may write there; the run folders are untouched.",
        where=str(path()),
        remedy="Make room on that disk and see that you may write there.",
    ) from error
