"""Registry rows from run folders: for rebuilding, for folders that were copied into the store, for demo runs."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.errors import SSRLError
from ssrl_core.runs.folder.results import Results
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import after, priorities, sweep_files
from ssrl_core.runs.queue.laying import never_needed

GONE = "Its folder was deleted by hand; nothing of it is left. Delete the run here too, or train it again."


def reconcile() -> None:
    """Make the registry agree with the folders that are there.

    Folders that it does not know (copied in, or trained by hand) are taken in; runs whose folder was deleted by hand
    are marked failed with `GONE` as the reason; a folder that came back is read again.
    """
    from ssrl_core.runs.queue import registry

    known = {row["id"]: row for row in registry.query("SELECT id, reason, sweep_id, attempt, state FROM runs")}
    there = set(_folder_names())
    unknown = sorted(there - known.keys())
    sweeps = sweep_files.sweep_of_runs() if unknown else {}
    new = [row for name in unknown if (row := row_of(name, sweeps))]
    gone = [
        name for name, row in known.items() if name not in there and row["reason"] != GONE and not never_needed(row)
    ]
    back = [name for name in known if name in there and known[name]["reason"] == GONE]
    if new or gone or back:
        registry.transact(lambda connection: _reconcile(connection, new, gone, back))


def _reconcile(connection: Any, new: list[dict[str, Any]], gone: list[str], back: list[str]) -> None:
    from ssrl_core.runs.queue import registry

    registry.insert(connection, new)
    after.restore(connection, [row["id"] for row in new])
    for name in gone:
        if not (stores.runs_root() / name).is_dir():  # asked again: now nobody else can be making or deleting it
            registry.change_in(
                connection, name, state="failed", reason=GONE, phase=None, eta_s=None, finished_at=stores.utc_now()
            )
    for name in back:
        registry.change_in(connection, name, **state_columns(RunFolder(name)))


def rows_of_folders() -> list[dict[str, Any]]:
    """One row for each run folder whose spec can be read."""
    sweeps = sweep_files.sweep_of_runs()
    return [row for name in _folder_names() if (row := row_of(name, sweeps))]


def row_of(run_id: str, sweeps: dict[str, str]) -> dict[str, Any] | None:
    """The registry's row of a folder, or None where there is no spec to read.

    Args:
        sweeps: run id -> id of its sweep.
    """
    run = RunFolder(run_id)
    try:
        spec = run.spec()
        text = (run.path / "spec.yaml").read_text(encoding="utf-8")
    except (SSRLError, OSError, UnicodeDecodeError):
        return None
    made = stores_time(run.path / "spec.yaml")
    return spec_columns(spec) | {
        "id": run_id,
        "sweep_id": sweeps.get(run_id),
        "spec": text,
        "spec_hash": _hash_of(run),
        "created_at": made,
        "queued_at": made,
        "priority": priorities.kept(run_id),
        **state_columns(run),
    }


def spec_columns(spec: Any) -> dict[str, Any]:
    """What the registry shows of a spec."""
    return {
        "name": spec.name,
        "dataset": spec.dataset.name,
        "method": spec.method.name,
        "backbone": spec.backbone.name,
        "seed": spec.seed,
        "tags": json.dumps(dict(spec.tags), ensure_ascii=False) if spec.tags else None,
    }


def state_columns(run: RunFolder) -> dict[str, Any]:
    """What the registry copies from `state.json` and `results.json`."""
    from ssrl_core.runs.queue import registry

    state = run.state()
    error = state["error"] or {}
    over = state["state"] in ("done", "failed", "stopped")
    return {
        "state": state["state"],
        "wanted": "stop" if state["state"] == "stopped" else "run",
        "phase": state["phase"],
        "reason": error.get("message"),
        "device": state["device"],
        "attempt": state["attempt"],
        "started_at": state["started_at"],
        "finished_at": state["updated_at"] if over else None,
        "alive_at": state["alive_at"],
        "progress": state["progress"],
        "eta_s": state["eta_s"],
        "results": registry.results_text(_results(run).data),
    }


def overlaid(row: dict[str, Any]) -> dict[str, Any]:
    """A row of an active run with what its folder says now; the registry may be a moment behind."""
    if row["state"] not in ("submitted", "running"):
        return row
    run = RunFolder(row["id"])
    state = run.state()
    if not state["alive_at"] or state["attempt"] < (row["attempt"] or 0):
        return row  # the child of this attempt has not written yet
    if state["state"] != "running" and row["state"] == "submitted":
        return row  # an earlier attempt's end
    live = ("state", "phase", "device", "alive_at", "progress", "eta_s", "started_at")
    return row | {name: state[name] for name in live}


def demo_rows() -> list[dict[str, Any]]:
    """Rows of the runs that ship with the project, in order of their names."""
    root = stores.demo_root()
    if not root.is_dir():
        return []
    own = set(_folder_names())
    names = sorted(entry.name for entry in root.iterdir() if (entry / "spec.yaml").is_file() and entry.name not in own)
    return [row for name in names if (row := _demo_row(name, (root / name / "spec.yaml").stat().st_mtime_ns))]


@lru_cache(maxsize=64)
def _demo_row(name: str, changed: int) -> dict[str, Any] | None:
    row = row_of(name, {})
    if row is None:
        return None
    results = Results(json.loads(row.pop("results") or "null") or {})
    row.pop("spec")
    return row | {"kind": "train", "lost": False, "demo": True, **results.listed()}


def sweep_rows() -> list[dict[str, Any]]:
    """Rows of the sweeps whose files are in `models/sweeps`."""
    return [{key: data.get(key) for key in ("id", "name", "spec", "created_at")} for data in sweep_files.each()]


def unlaid_rows() -> list[dict[str, Any]]:
    """Rows of the runs of sweeps that have no folder yet, from the sweeps' own files."""
    there = set(_folder_names())
    rows: dict[str, dict[str, Any]] = {}
    for data in sweep_files.each():
        out, first = data.get("out") or {}, priorities.of_sweep(data)
        left = {entry["id"] for entry in data.get("runs", []) if entry["id"] not in there}
        for row in _unlaid_of(data) if left else []:
            how = out.get(row["id"])
            if row["id"] in left and how != "deleted":
                own = {"priority": first.get(row["id"], 0), **({"state": "stopped", "wanted": "stop"} if how else {})}
                rows.setdefault(row["id"], row | own)
    return list(rows.values())


def _unlaid_of(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of all runs of a sweep, as they were queued; none where its images are no longer here."""
    from ssrl_core.runs.queue.identity import identify_all
    from ssrl_core.specs.sweep import SweepSpec

    try:
        sweep = SweepSpec.from_mapping(json.loads(data["spec"]))
        runs = identify_all(run.spec for run in sweep.runs())
    except (SSRLError, ValueError, KeyError):
        return []
    return [waiting_row(run, data["id"], str(data.get("created_at"))) for run in runs]


def waiting_row(run: Any, sweep_id: str | None, at: str) -> dict[str, Any]:
    """The registry's row of a run (`Wanted`) that waits since `at`."""
    return spec_columns(run.spec) | {
        "id": run.id,
        "spec_hash": run.spec_hash,
        "sweep_id": sweep_id,
        "spec": run.text,
        "created_at": at,
        "queued_at": at,
        "progress": 0.0,
    }


def stores_time(file: Path) -> str:
    """When a file was written, as UTC text."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(file.stat().st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _folder_names() -> list[str]:
    root = stores.runs_root()
    with os.scandir(root) as entries:
        return sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir())


def _results(run: RunFolder) -> Results:
    try:
        return run.results()
    except SSRLError:
        return Results()


def _hash_of(run: RunFolder) -> str | None:
    """The spec's hash: from the results, else computed where the image set is at hand."""
    if found := _results(run).spec_hash:
        return found
    from ssrl_core.datasets import store as image_sets

    spec = run.spec()
    try:
        if image_sets.is_ready(spec.dataset.name):
            return str(spec.spec_hash(image_sets.load(spec.dataset.name).fingerprint))
    except SSRLError:
        pass
    return None
