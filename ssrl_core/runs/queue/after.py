"""What a run waits for, kept in its folder as `after.json`: `{version, after: [ids]}`.

The registry's table `depends` is made again from these files, as its runs are from their specs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from ssrl_core import stores
from ssrl_core.errors import DataError

NAME = "after.json"


def keep(run_id: str, on: Iterable[str]) -> None:
    """Add runs to those that a run waits for; its folder is there already."""
    before = kept(run_id)
    wanted = list(dict.fromkeys([*before, *on]))
    if wanted != before:
        stores.write_json(stores.runs_root() / run_id / NAME, {"version": 1, "after": wanted})


def kept(run_id: str) -> list[str]:
    """Ids of the runs that must be done before this one starts; none where the file is missing or damaged."""
    path = stores.runs_root() / run_id / NAME
    try:
        found = stores.read_json(path).get("after") if path.is_file() else None
    except DataError:
        return []
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def restore(connection: sqlite3.Connection, run_ids: Iterable[str]) -> None:
    """Tell the registry what the folders of these runs say."""
    pairs = [(run_id, other) for run_id in run_ids for other in kept(run_id)]
    connection.executemany("INSERT OR IGNORE INTO depends (run_id, on_id) VALUES (?, ?)", pairs)
