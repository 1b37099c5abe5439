"""The file of a sweep, `models/sweeps/<id>.json`: what it varies, which runs it has; the registry can be made from it.

    {version, id, name, spec: text, created_at, runs: [{id, seed, values}], out: {id: stopped | deleted},
     priorities: {id: whole number}}

`out` names the runs that somebody stopped or deleted before they had a folder of their own to say it, `priorities` the
place in the queue of those that have none yet (left out: 0).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssrl_core import stores
from ssrl_core.errors import SpecError, SSRLError

if TYPE_CHECKING:
    from ssrl_core.specs.sweep import SweepSpec

Member = tuple[str, int, dict[str, Any]]


def path_of(sweep_id: str) -> Path:
    """Where the file of a sweep is."""
    return stores.models_root() / "sweeps" / f"{sweep_id}.json"


def read(sweep_id: str) -> dict[str, Any]:
    """The file of a sweep.

    Raises:
        SpecError: there is no such sweep; names those there are.
    """
    path = path_of(sweep_id)
    if path.is_file():
        return stores.read_json(path)
    known = ", ".join(sorted(file.stem for file in path.parent.glob("*.json"))[-8:]) or "none yet"
    raise SpecError(
        where="Sweep", field="id", rule="a sweep of this store", value=sweep_id, remedy=f"Sweeps here: {known}."
    )


def write(sweep_id: str, sweep: SweepSpec, runs: Iterable[Member]) -> dict[str, Any]:
    """Write the file of a sweep; what it says comes back. Runs that were taken out are in again."""
    data = {
        "version": 1,
        "id": sweep_id,
        "name": sweep.name,
        "spec": json.dumps(sweep.to_mapping(), ensure_ascii=False),
        "created_at": _created_at(sweep_id),
        "runs": [{"id": run_id, "seed": seed, "values": values} for run_id, seed, values in runs],
        "out": {},
        "priorities": _before(sweep_id).get("priorities") or {},
    }
    _save(sweep_id, data)
    return data


def extend(sweep_id: str, runs: Iterable[Member]) -> None:
    """Add runs to a sweep whose points follow from results."""
    data = read(sweep_id)
    data["runs"] += [{"id": run_id, "seed": seed, "values": values} for run_id, seed, values in runs]
    _save(sweep_id, data)


def put_in_place(sweep_id: str, old: str, new: str) -> None:
    """Let another run stand for a member of a sweep."""
    if not path_of(sweep_id).is_file():
        return
    data = stores.read_json(path_of(sweep_id))
    data["runs"] = [entry | ({"id": new} if entry["id"] == old else {}) for entry in data["runs"]]
    _save(sweep_id, data)


def take_out(ids: Iterable[str], how: str | None, rows: dict[str, str]) -> None:
    """Note that unlaid runs were stopped or deleted, or (None) are wanted again.

    Args:
        how: `stopped`, `deleted` or None.
        rows: run id -> id of its sweep.
    """
    of_sweep: dict[str, list[str]] = {}
    for run_id in ids:
        if run_id in rows:
            of_sweep.setdefault(rows[run_id], []).append(run_id)
    for sweep_id, members in of_sweep.items():
        if not path_of(sweep_id).is_file():
            continue
        data = stores.read_json(path_of(sweep_id))
        before = dict(data.get("out") or {})
        out = {run_id: why for run_id, why in before.items() if run_id not in set(members)}
        data["out"] = out | (dict.fromkeys(members, how) if how else {})
        if data["out"] != before:
            _save(sweep_id, data)


def prioritise(sweep_id: str, ids: Iterable[str], priority: int) -> None:
    """Note the priority of runs that have no folder yet; nothing where the sweep has no file."""
    if not path_of(sweep_id).is_file():
        return
    data = stores.read_json(path_of(sweep_id))
    before = dict(data.get("priorities") or {})
    members = set(ids)
    kept = {run_id: number for run_id, number in before.items() if run_id not in members}
    data["priorities"] = kept | (dict.fromkeys(sorted(members), priority) if priority else {})
    if data["priorities"] != before:
        _save(sweep_id, data)


def each() -> Iterator[dict[str, Any]]:
    """The files that can be read, in order of their names; `id` is the file's own name."""
    for file in sorted((stores.models_root() / "sweeps").glob("*.json")):
        try:
            yield stores.read_json(file) | {"id": file.stem}
        except SSRLError:
            continue


def sweep_of_runs() -> dict[str, str]:
    """Run id -> the sweep that names it (the first, where several do)."""
    found: dict[str, str] = {}
    for data in each():
        for entry in data.get("runs", []):
            found.setdefault(entry["id"], data["id"])
    return found


def _created_at(sweep_id: str) -> str:
    return str(_before(sweep_id).get("created_at") or stores.utc_now())


def _before(sweep_id: str) -> dict[str, Any]:
    """What the file says now; nothing where it is not there or damaged."""
    try:
        return stores.read_json(path_of(sweep_id))
    except SSRLError:
        return {}


def _save(sweep_id: str, data: dict[str, Any]) -> None:
    """On one line: a sweep of ten thousand runs is a file of a few megabytes."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    stores.replace(path_of(sweep_id), text + "\n")
