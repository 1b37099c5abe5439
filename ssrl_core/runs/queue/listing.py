"""All runs as a list; ten thousand of them asked for by every page, so what did not change is not read again."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssrl_core import stores

_FRESH_S = 5.0  # a folder that somebody copies in grows for a while after its first sign
_SETTLED_NS = 100_000_000  # file systems tell times apart by some milliseconds: a younger change may hide another

Stamp = tuple[Any, ...]


@dataclass(frozen=True)
class _Snapshot:
    stamp: Stamp
    at: float
    rows: list[dict[str, Any]]


_last: dict[Path, _Snapshot] = {}


def own_rows() -> list[dict[str, Any]]:
    """One's own runs, newest first, as the registry has them (`registry.list_runs` adds what the folders say)."""
    from ssrl_core.runs.queue import reconcile

    path = stores.models_root() / "runs.db"
    kept = _last.get(path)
    if kept is None or kept.stamp != stamp_of(path) or time.monotonic() - kept.at > _FRESH_S:
        reconcile.reconcile()
        before = stamp_of(path)
        kept = _Snapshot(before, time.monotonic(), _read())
        if _is_settled(before):
            _last[path] = kept
        else:
            _last.pop(path, None)
    return [dict(row) for row in kept.rows]


def _read() -> list[dict[str, Any]]:
    from ssrl_core.runs.queue import registry, scores

    numbers = ", ".join(f'"{name}"' for name in scores.names())
    listed = ", ".join(name for name in registry.COLUMNS if name not in ("spec", "results"))
    return registry.query(
        f"SELECT {listed}, {numbers} FROM runs LEFT JOIN scores ON scores.run_id = runs.id "
        "ORDER BY coalesce(queued_at, created_at) DESC, runs.rowid"
    )


def stamp_of(path: Path) -> Stamp:
    """Changes with every transaction of any process, and with every run folder that comes or goes."""
    return (*_of(path), *_of(path.with_name("runs.db-wal")), *_of(stores.runs_root()))


def _of(path: Path) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return found.st_ino, found.st_size, found.st_mtime_ns


def _is_settled(stamp: Stamp) -> bool:
    newest: int = max(stamp[2::3])
    return time.time_ns() - newest > _SETTLED_NS
