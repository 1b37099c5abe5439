"""A waiting run's place in the queue, kept where the run is: `priority.json` in its folder, `{version, priority}`.

A run of a sweep that has no folder yet has it in the sweep's own file. The registry's column is made again from both.
A file is put in place whole, but not synced: a power cut may cost a place in the queue, and ten thousand syncs would
cost a minute.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.errors import SSRLError
from ssrl_core.runs.queue import sweep_files

NAME = "priority.json"


def keep(run_id: str, priority: int) -> None:
    """Write a run's priority into its folder, if there is one; 0, the usual one, needs no file."""
    path = _path(run_id)
    if not priority:
        path.unlink(missing_ok=True)
    elif path.parent.is_dir():
        stores.replace(path, json.dumps({"version": 1, "priority": priority}) + "\n", synced=False)


def keep_all(rows: Iterable[Mapping[str, Any]], priority: int) -> None:
    """Write the priority of many runs, each where it is kept.

    Args:
        rows: `id` and `sweep_id` of the registry.
    """
    unlaid: dict[str, list[str]] = {}
    for row in rows:
        if (stores.runs_root() / row["id"]).is_dir():
            keep(row["id"], priority)
        elif row["sweep_id"]:
            unlaid.setdefault(row["sweep_id"], []).append(row["id"])
    for sweep_id, members in unlaid.items():
        sweep_files.prioritise(sweep_id, members, priority)


def kept(run_id: str) -> int:
    """The priority that a run's folder says; 0 where it says none, or the file is damaged or of a newer version."""
    path = _path(run_id)
    try:
        found = stores.read_json(path).get("priority") if path.is_file() else 0
    except SSRLError:
        return 0
    return _whole(found)


def of_sweep(data: Mapping[str, Any]) -> dict[str, int]:
    """Run id -> priority, of what a sweep's file says; damaged ones are left out."""
    said = data.get("priorities")
    return {run_id: _whole(found) for run_id, found in said.items()} if isinstance(said, dict) else {}


def _whole(found: Any) -> int:
    return found if isinstance(found, int) and not isinstance(found, bool) and abs(found) < 2**63 else 0


def _path(run_id: str) -> Path:
    return stores.runs_root() / run_id / NAME
