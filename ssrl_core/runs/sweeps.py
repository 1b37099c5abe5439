"""Sweeps: many runs that differ in chosen values, queued at once; the same sweep again adds only what is new."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssrl_core import stores
from ssrl_core.errors import SpecError
from ssrl_core.runs import coordinator, queue, registry

if TYPE_CHECKING:
    from ssrl_core.specs.sweep import SweepSpec


def submit(sweep: SweepSpec, *, priority: int = 0, start: bool = True) -> dict[str, Any]:
    """Queue every run of a sweep in one transaction.

    Returns:
        {id, runs: [ids in the sweep's order], created: number made, existing: number that was there already}.

    Raises:
        SpecError: a value of the sweep makes a spec that is not valid; nothing is queued then.
    """
    varied = sweep.runs()
    wanted = [queue.identify(run.spec) for run in varied]
    sweep_id = id_of(sweep)
    made, there = queue.submit_all(wanted, sweep_id=sweep_id, priority=priority)
    _keep(sweep_id, sweep, [(w.id, w.spec.seed, run.values) for w, run in zip(wanted, varied, strict=True)])
    if start:
        coordinator.start_detached()
    return {"id": sweep_id, "runs": [run.id for run in wanted], "created": len(made), "existing": len(there)}


def id_of(sweep: SweepSpec) -> str:
    """`<name>-<hash6>`: the same sweep is the same sweep."""
    text = json.dumps(sweep.to_mapping(), sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    return f"{stores.as_slug(sweep.name or 'sweep')[:60]}-{digest}"


def members(sweep_id: str) -> list[dict[str, Any]]:
    """Runs of a sweep in its order: [{id, seed, values: {path: value}}].

    Raises:
        SpecError: there is no such sweep; names those there are.
    """
    path = _path(sweep_id)
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.json"))[-8:]) or "none yet"
        raise SpecError(
            where="Sweep", field="id", rule="a sweep of this store", value=sweep_id, remedy=f"Sweeps here: {known}."
        )
    return list(stores.read_json(path)["runs"])


def _keep(sweep_id: str, sweep: SweepSpec, runs: list[tuple[str, int, dict[str, Any]]]) -> None:
    """Write the sweep's own file (the registry can be rebuilt from it) and its row."""
    data = {
        "version": 1,
        "id": sweep_id,
        "name": sweep.name,
        "spec": json.dumps(sweep.to_mapping(), ensure_ascii=False),
        "created_at": stores.utc_now(),
        "runs": [{"id": run_id, "seed": seed, "values": values} for run_id, seed, values in runs],
    }
    stores.write_json(_path(sweep_id), data)
    registry.transact(
        lambda connection: connection.execute(
            "INSERT OR IGNORE INTO sweeps (id, name, spec, created_at) VALUES (:id, :name, :spec, :created_at)",
            {name: data[name] for name in ("id", "name", "spec", "created_at")},
        )
    )


def _path(sweep_id: str) -> Path:
    return stores.models_root() / "sweeps" / f"{sweep_id}.json"
