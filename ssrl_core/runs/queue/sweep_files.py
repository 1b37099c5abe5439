"""The file of a sweep, `models/sweeps/<id>.json`: what it varies and which runs it has.

    {version, id, name, spec: text, created_at, runs: [{id, seed, values}], deleted: [ids]}

It is the one home of which runs belong to a sweep, and of which of them somebody deleted. It is written and synced
before the folders of its runs, which are not synced: a run that is named here, not deleted, and has no folder was lost
in a crash and is written again (`folder_rows.write_missing`). Several processes write (pages, commands, Optuna, the
coordinator): whoever reads to change holds `sweeps/.lock` until it is written.

Files of older versions say `out: {id: stopped | deleted}` and `priorities: {id: whole number}` of runs that had no
folder yet; `older` reads that.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssrl_core import stores
from ssrl_core.errors import RunError, SpecError, SSRLError
from ssrl_core.runs.folder.locks import Lock
from ssrl_core.runs.folder.wanted import Wanted, whole

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
    raise SpecError.at("Sweep", "id", "a sweep of this store", sweep_id, f"Sweeps here: {known}.")


def spec_of(sweep_id: str) -> SweepSpec:
    """What a sweep varies.

    Raises:
        SpecError: there is no such sweep.
    """
    from ssrl_core.specs.sweep import SweepSpec

    return SweepSpec.from_mapping(json.loads(read(sweep_id)["spec"]), f"Sweep {sweep_id}")


def write(sweep_id: str, sweep: SweepSpec, runs: Iterable[Member]) -> dict[str, Any]:
    """Write the file of a sweep; what it says comes back. Runs that were deleted are in again."""
    with _alone():
        data = {
            "version": 1,
            "id": sweep_id,
            "name": sweep.name,
            "spec": json.dumps(sweep.to_mapping(), ensure_ascii=False),
            "created_at": str(_before(sweep_id).get("created_at") or stores.utc_now()),
            "runs": _entries(runs),
            "deleted": [],
        }
        _save(sweep_id, data)
    return data


def extend(sweep_id: str, runs: Iterable[Member]) -> None:
    """Add runs to a sweep whose points follow from results."""
    with _alone():
        data = read(sweep_id)
        data["runs"] += _entries(runs)
        _save(sweep_id, data)


def put_in_place(sweep_id: str, old: str, new: str) -> None:
    """Let another run stand for a member of a sweep."""
    with _changed(sweep_id) as data:
        data["runs"] = [entry | ({"id": new} if entry["id"] == old else {}) for entry in data.get("runs", [])]


def note_deleted(run_ids: Collection[str]) -> None:
    """Note in every sweep that has one of these runs that somebody deleted it, so that it is not written again."""
    gone = set(run_ids)
    for data in each():
        if gone & {entry["id"] for entry in data.get("runs", [])}:
            with _changed(data["id"]) as now:
                members = [entry["id"] for entry in now.get("runs", [])]
                now["deleted"] = [run_id for run_id in members if run_id in gone or run_id in deleted_of(now)]


def deleted_of(data: Mapping[str, Any]) -> set[str]:
    """Runs of a sweep that somebody deleted."""
    said = data.get("deleted")
    older = {run_id for run_id, how in _mapping(data, "out").items() if how == "deleted"}
    return older | set(said if isinstance(said, list) else [])


def is_older(data: Mapping[str, Any]) -> bool:
    """Whether an older version wrote the file, which may name runs that have no folder yet."""
    return "out" in data or "priorities" in data


def older(data: Mapping[str, Any], run_id: str) -> Wanted:
    """What the file of an older version says of a run that has no folder; as usual where it says nothing."""
    stop = _mapping(data, "out").get(run_id) == "stopped"
    return Wanted(stop=stop, priority=whole(_mapping(data, "priorities").get(run_id)))


def renew(sweep_id: str) -> None:
    """Write a file of an older version as this one does, once its runs have their folders."""
    with _changed(sweep_id) as data:
        if is_older(data):
            data["deleted"] = sorted(deleted_of(data))
            for key in ("out", "priorities"):
                data.pop(key, None)


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


def _mapping(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = data.get(key)
    return found if isinstance(found, dict) else {}


def _entries(runs: Iterable[Member]) -> list[dict[str, Any]]:
    return [{"id": run_id, "seed": seed, "values": values} for run_id, seed, values in runs]


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
