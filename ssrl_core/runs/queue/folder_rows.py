"""The registry's rows as the run folders say them, and the folders of a sweep that a crash kept from the disk."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.errors import SSRLError
from ssrl_core.runs.folder import wanted
from ssrl_core.runs.folder.results import Results
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.folder.verdict import judged
from ssrl_core.runs.folder.wanted import OVER
from ssrl_core.runs.queue import sweep_files
from ssrl_core.runs.queue.identity import IdentifiedRun, identify_all, yaml_of_text
from ssrl_core.specs.run import RunSpec

Row = dict[str, Any]

_FEW = 20  # specs that are read one by one
_GROWS_S = 5.0  # a folder that somebody copies in grows for a while
DAMAGED = "spec.yaml is damaged; restore it, or delete the run:"
GONE = "Its folder was deleted by hand; nothing of it is left. Delete the run here too, or train it again."


def rows_of(names: Collection[str]) -> list[Row]:
    """One row for each of these run folders whose spec can be read; those of a sweep in its order."""
    sweeps = sweep_files.sweep_of_runs() if names else {}
    order = {run_id: number for number, run_id in enumerate(sweeps)}
    known = _members_of_sweeps(names) if len(names) > _FEW else {}
    sorted_names = sorted(names, key=lambda name: (order.get(name, len(order)), name))
    return [row for name in sorted_names if (row := row_of(name, sweeps.get(name), known.get(name)))]


def row_of(run_id: str, sweep_id: str | None, known: IdentifiedRun | None = None) -> Row | None:
    """The registry's row of a folder, or None where there is no spec, or one that somebody just copies in.

    A spec that cannot be read is a failed run whose reason says so (`is_damaged`): it is there, and can be deleted.

    Args:
        sweep_id: its sweep.
        known: the run as its sweep says it, whose spec need not be read again where the text is the same.
    """
    run = RunFolder(run_id)
    try:
        text = (run.path / wanted.SPEC).read_text(encoding="utf-8")
        same = known is not None and known.text == text
        spec = known.spec if known is not None and same else run.spec()
        made = _written_at(run.path / wanted.SPEC)
    except (SSRLError, UnicodeDecodeError) as error:
        return _damaged_row(run_id, sweep_id, error)
    except OSError:
        return None
    return spec_columns(spec) | {
        "id": run_id,
        "sweep_id": sweep_id,
        "spec": text,
        "spec_hash": known.spec_hash if known is not None and same else _hash_of(run, spec),
        "created_at": made,
        "queued_at": made,
        **state_columns(run),
    }


def _damaged_row(run_id: str, sweep_id: str | None, error: Exception) -> Row | None:
    file = RunFolder(run_id).path / wanted.SPEC
    if 0 <= time.time() - file.stat().st_mtime < _GROWS_S:
        return None
    made, why = _written_at(file), error if isinstance(error, SSRLError) else "it is no text in UTF-8"
    return {
        "id": run_id,
        "name": run_id,
        "sweep_id": sweep_id,
        "state": "failed",
        "reason": f"{DAMAGED} {why}",
        "created_at": made,
        "queued_at": made,
    }


def is_damaged(row: Mapping[str, Any]) -> bool:
    """Whether this is a run whose spec could not be read."""
    return str(row["reason"] or "").startswith(DAMAGED)


def waiting_row(run: IdentifiedRun, sweep_id: str | None, at: str, priority: int = 0) -> Row:
    """The registry's row of a run that waits since `at`."""
    return spec_columns(run.spec) | {
        "id": run.id,
        "spec_hash": run.spec_hash,
        "sweep_id": sweep_id,
        "spec": run.text,
        "created_at": at,
        "queued_at": at,
        "priority": priority,
        "progress": 0.0,
    }


def spec_columns(spec: RunSpec) -> Row:
    """What the registry shows of a spec."""
    return {
        "name": spec.name,
        "dataset": spec.dataset.name,
        "method": spec.method.name,
        "backbone": spec.backbone.name,
        "seed": spec.seed,
        "tags": json.dumps(dict(spec.tags), ensure_ascii=False) if spec.tags else None,
    }


def state_columns(run: RunFolder) -> Row:
    """What the registry copies from `state.json`, `results.json` and from what is wanted of the run."""
    found, asked = run.state(), wanted.read(run.path)
    state = wanted.state_of(found, asked)
    shall_stop = state == "stopped" or (asked.stop and state == "running")
    return {
        "state": state,
        "wanted": "stop" if shall_stop else "run",
        "priority": asked.priority,
        "phase": found["phase"],
        "reason": (found["error"] or {}).get("message") if state == "failed" else None,
        "device": found["device"],
        "attempt": found["attempt"],
        "started_at": found["started_at"],
        "finished_at": found["updated_at"] if state in OVER else None,
        "alive_at": found["alive_at"],
        "progress": found["progress"],
        "eta_s": found["eta_s"],
        "results": results_text(_results(run).data),
    }


def with_live_state(row: Row) -> Row:
    """A row of an active run with what its folder says now; the registry may be a moment behind."""
    if row["state"] not in ("submitted", "running"):
        return row
    state = RunFolder(row["id"]).state()
    if not state["alive_at"] or state["attempt"] < (row["attempt"] or 0):
        return row  # the child of this attempt has not written yet
    if state["state"] != "running" and row["state"] == "submitted":
        return row  # an earlier attempt's end
    live = ("state", "phase", "device", "alive_at", "progress", "eta_s", "started_at")
    return row | {name: state[name] for name in live}


def listed_row(row: Row) -> Row:
    """A row as the list of runs has it: some numbers of the results in the place of the texts."""
    results = Results(json.loads(row.get("results") or "null") or {})
    plain = {name: value for name, value in row.items() if name not in ("spec", "results")}
    return plain | {"kind": "train", **results.listed(), "judged": judged(results)}


def demo_rows() -> list[Row]:
    """Rows of the runs that ship with the project, in the order in which they were made."""
    root = stores.demo_root()
    if not root.is_dir():
        return []
    own = folder_names()
    names = sorted(entry.name for entry in root.iterdir() if (entry / wanted.SPEC).is_file() and entry.name not in own)
    rows = (_demo_row(name, (root / name / wanted.SPEC).stat().st_mtime_ns) for name in names)
    return sorted((row for row in rows if row), key=lambda row: str(row["finished_at"]))


@lru_cache(maxsize=64)
def _demo_row(name: str, changed: int) -> Row | None:
    row = row_of(name, None)
    return None if row is None else listed_row(row) | {"lost": False, "demo": True}


def sweep_rows() -> list[Row]:
    """Rows of the sweeps whose files are in `models/sweeps`."""
    return [{key: data.get(key) for key in ("id", "name", "spec", "created_at")} for data in sweep_files.each()]


def never_began(row: Mapping[str, Any]) -> bool:
    """Whether a run of a sweep has not begun: without a folder it was lost in a crash, for nobody deletes it by hand.

    Args:
        row: columns `sweep_id`, `attempt`, `state` of the registry.
    """
    return bool(row["sweep_id"]) and not row["attempt"] and row["state"] in ("queued", "stopped")


def write_missing(
    known: Mapping[str, Mapping[str, Any]], there: set[str], text_of: Callable[[str], str | None] = lambda run_id: None
) -> int:
    """Write the folders of runs that a sweep's file names and that are not there though nobody deleted them.

    Args:
        known: rows of the registry by id, with `sweep_id`, `attempt`, `state`.
        there: names of the run folders.
        text_of: id -> the spec that the registry has for it, which may ask for more than the sweep.

    Returns:
        How many were written. Runs whose images are no longer here are left out.
    """
    count, root = 0, str(stores.runs_root())
    for data in sweep_files.each():
        gone = sweep_files.deleted_of(data)
        lost = [one for one in data.get("runs", []) if one["id"] not in there and one["id"] not in gone]
        lost = [one for one in lost if one["id"] not in known or never_began(known[one["id"]])]
        for run in _identified(data, lost) if lost else []:
            wanted.create(
                f"{root}/{run.id}", yaml_of_text(text_of(run.id) or run.text), sweep_files.older(data, run.id)
            )
            there.add(run.id)
            count += 1
        if sweep_files.is_older(data):
            sweep_files.renew(data["id"])
    return count


def may_be_missing(there: set[str]) -> bool:
    """Whether a sweep names a run that nobody deleted and that has no folder, or has a file of an older version."""
    folder = stores.models_root() / "sweeps"
    return any(not _members(file, file.stat().st_mtime_ns) <= there for file in folder.glob("*.json"))


@lru_cache(maxsize=256)
def _members(file: Path, changed: int) -> frozenset[str]:
    """Runs of a sweep that nobody deleted; "" among them where the file is of an older version."""
    try:
        data = stores.read_json(file)
    except SSRLError:
        return frozenset()
    older = {""} if sweep_files.is_older(data) else set()
    return frozenset({entry["id"] for entry in data.get("runs", [])} - sweep_files.deleted_of(data) | older)


def _members_of_sweeps(names: Collection[str]) -> dict[str, IdentifiedRun]:
    """Those of many runs that sweeps name: made again from what a sweep varies, a hundred times faster than read."""
    found: dict[str, IdentifiedRun] = {}
    for data in sweep_files.each():
        entries = [entry for entry in data.get("runs", []) if entry["id"] in names and entry["id"] not in found]
        if len(entries) > _FEW:
            found |= {run.id: run for run in _identified(data, entries)}
    return found


def _identified(data: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]) -> list[IdentifiedRun]:
    """The runs of some entries of a sweep's file, made again from what it varies; none where that cannot be."""
    from ssrl_core.specs.sweep import SweepSpec

    entries = list(entries)
    points = {json.dumps(entry["values"], sort_keys=True): entry["values"] for entry in entries}
    asked = {entry["id"] for entry in entries}
    try:
        sweep = SweepSpec.from_mapping(json.loads(data["spec"]))
        runs = identify_all(run.spec for values in points.values() for run in sweep.at(values))
    except (SSRLError, ValueError, KeyError):
        return []
    return [run for run in runs if run.id in asked]


def results_text(results: Mapping[str, Any]) -> str | None:
    """Results as the registry keeps them, None for empty ones: without confusion tables, which stay in the folder."""
    return json.dumps(_without_confusion(results), ensure_ascii=False, allow_nan=False) if results else None


def folder_names(*, with_spec: bool = False) -> set[str]:
    """Names of the run folders; with `with_spec` only of those whose spec has any content."""
    with os.scandir(stores.runs_root()) as entries:
        names = {entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()}
    return {name for name in names if _size(stores.runs_root() / name / wanted.SPEC)} if with_spec else names


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _without_confusion(node: Any) -> Any:
    if not isinstance(node, Mapping):
        return node
    return {key: None if key == "confusion" else _without_confusion(value) for key, value in node.items()}


def _written_at(file: Path) -> str:
    """When a file was written, as UTC text."""
    return stores.utc_text(datetime.fromtimestamp(file.stat().st_mtime, UTC))


def _results(run: RunFolder) -> Results:
    try:
        return run.results()
    except SSRLError:
        return Results()


def _hash_of(run: RunFolder, spec: RunSpec) -> str | None:
    """The spec's hash: from the results, else computed where the image set is at hand."""
    if found := _results(run).spec_hash:
        return found
    from ssrl_core.datasets import store as image_sets

    try:
        if image_sets.is_ready(spec.dataset.name):
            return str(spec.spec_hash(image_sets.load(spec.dataset.name).fingerprint))
    except SSRLError:
        pass
    return None
