"""The file of a sweep, `models/sweeps/<id>.json`: what it varies, which runs it has; the registry can be made from it.

    {version, id, name, spec: text, created_at, runs: [{id, seed, values}], out: {id: stopped | deleted},
     priorities: {id: whole number}}

`out` names the runs that somebody stopped or deleted before they had a folder of their own to say it, `priorities` the
place in the queue of those that have none yet (left out: 0). Several processes write (pages, commands, Optuna, the
coordinator): whoever reads to change holds `sweeps/.lock` until it is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssrl_core import stores
from ssrl_core.errors import RunError, SpecError, SSRLError
from ssrl_core.runs.folder.locks import Lock

if TYPE_CHECKING:
    from ssrl_core.specs.sweep import SweepSpec

Member = tuple[str, int, dict[str, Any]]
_WAIT_S = 30.0


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


def spec_of(sweep_id: str) -> SweepSpec:
    """What a sweep varies.

    Raises:
        SpecError: there is no such sweep.
    """
    from ssrl_core.specs.sweep import SweepSpec

    return SweepSpec.from_mapping(json.loads(read(sweep_id)["spec"]), f"Sweep {sweep_id}")


def write(sweep_id: str, sweep: SweepSpec, runs: Iterable[Member]) -> dict[str, Any]:
    """Write the file of a sweep; what it says comes back. Runs that were taken out are in again."""
    members = [{"id": run_id, "seed": seed, "values": values} for run_id, seed, values in runs]
    with _alone():
        before = _before(sweep_id)
        data = {
            "version": 1,
            "id": sweep_id,
            "name": sweep.name,
            "spec": json.dumps(sweep.to_mapping(), ensure_ascii=False),
            "created_at": str(before.get("created_at") or stores.utc_now()),
            "runs": members,
            "out": {},
            "priorities": before.get("priorities") or {},
        }
        _save(sweep_id, data)
    return data


def extend(sweep_id: str, runs: Iterable[Member]) -> None:
    """Add runs to a sweep whose points follow from results."""
    members = [{"id": run_id, "seed": seed, "values": values} for run_id, seed, values in runs]
    with _alone():
        data = read(sweep_id)
        data["runs"] += members
        _save(sweep_id, data)


def put_in_place(sweep_id: str, old: str, new: str) -> None:
    """Let another run stand for a member of a sweep."""
    with _changed(sweep_id) as data:
        data["runs"] = [entry | ({"id": new} if entry["id"] == old else {}) for entry in data.get("runs", [])]


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
        with _changed(sweep_id) as data:
            data["out"] = _said_again(data.get("out"), members, how)


def prioritise(sweep_id: str, ids: Iterable[str], priority: int) -> None:
    """Note the priority of runs that have no folder yet; nothing where the sweep has no file."""
    with _changed(sweep_id) as data:
        data["priorities"] = _said_again(data.get("priorities"), sorted(ids), priority)


def delete(sweep_id: str) -> None:
    """Remove the file of a sweep, if there is one; nobody who is changing it puts it back."""
    with _alone():
        path_of(sweep_id).unlink(missing_ok=True)


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


@contextmanager
def _alone() -> Iterator[None]:
    """Nobody else changes the file of a sweep meanwhile.

    Raises:
        RunError: somebody has been changing one for `_WAIT_S`; or there are no working locks.
    """
    folder = stores.models_root() / "sweeps"
    folder.mkdir(parents=True, exist_ok=True)
    lock = Lock(folder / ".lock")
    if not lock.take(timeout_s=_WAIT_S):
        raise RunError(f"{folder}: another process is writing there. Try again in a minute.", where=str(folder))
    try:
        yield
    finally:
        lock.give_back()


@contextmanager
def _changed(sweep_id: str) -> Iterator[dict[str, Any]]:
    """What the file says, to be changed in place; written if it was. Where there is no file, nothing is."""
    with _alone():
        there = path_of(sweep_id).is_file()
        data = stores.read_json(path_of(sweep_id)) if there else {}
        before = dict(data)
        yield data
        if there and data != before:
            _save(sweep_id, data)


def _said_again(before: Any, members: Iterable[str], now: Any) -> dict[str, Any]:
    """What is said of each run, with `now` said of some; nothing is said of those where it is None or 0."""
    said = dict.fromkeys(members, now)
    old = before if isinstance(before, dict) else {}
    others = {run_id: what for run_id, what in old.items() if run_id not in said}
    return others | (said if now else {})


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
