"""Asking for runs: submit, stop, resume, delete, wait. Any process on the store's host may; the coordinator acts."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ssrl_core import stores
from ssrl_core.errors import RunError, SpecError
from ssrl_core.runs import adopt, coordinator, registry, wishes
from ssrl_core.runs.folder import RunFolder
from ssrl_core.runs.locks import Lock, is_held
from ssrl_core.specs.run import RunSpec, dump_run

OVER = ("done", "failed", "stopped")
_POLL_S = 0.3
_STOP_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Wanted:
    """A run that somebody asks for: the resolved spec with its identity."""

    spec: RunSpec
    id: str
    spec_hash: str


def identify(spec: RunSpec) -> Wanted:
    """The run that a spec means; makes or fetches a built-in image set on first use.

    Raises:
        SpecError: no such image set, channel or column; a spec that cannot train on these images.
    """
    from ssrl_core.runs.rows import bank_ids, imageset_of
    from ssrl_core.specs.run_fit import check_fit

    imageset = imageset_of(spec)
    if spec.backbone.name.startswith("timm/"):
        from ssrl_core.learning.backbones.timm_models import check_name

        check_name(spec.backbone.name)
    check_fit(spec, len(bank_ids(spec, imageset)), imageset.shape)
    fingerprint = imageset.fingerprint
    return Wanted(spec, spec.run_id(fingerprint), spec.spec_hash(fingerprint))


def submit(spec: RunSpec, *, again: bool = False, priority: int = 0, start: bool = True) -> dict[str, Any]:
    """Queue a run. The same spec is the same run: one that is done is queued only for what `evaluate` adds to it.

    Args:
        again: train it once more beside the first, as `<id>-2`.
        priority: higher goes first.
        start: start a coordinator, detached, when none is alive.

    Returns:
        {id, spec_hash, state, created}; `created` is False for a run that was there already.
    """
    wanted = identify(spec)
    if again:
        wanted = Wanted(wanted.spec, free_id(wanted.id), wanted.spec_hash)
    created = registry.transact(lambda connection: enqueue(connection, wanted, priority=priority))
    if start:
        coordinator.start_detached()
    return {
        "id": wanted.id,
        "spec_hash": wanted.spec_hash,
        "state": registry.require(wanted.id)["state"],
        "created": created,
    }


def submit_all(
    wanted: Iterable[Wanted], *, sweep_id: str | None = None, priority: int = 0
) -> tuple[list[str], list[str]]:
    """Queue many runs in one transaction.

    Returns:
        Ids that were made, ids that were there already.
    """
    runs = list({run.id: run for run in wanted}.values())

    def work(connection: sqlite3.Connection) -> list[bool]:
        return [enqueue(connection, run, priority=priority, sweep_id=sweep_id) for run in runs]

    made = registry.transact(work)
    return [r.id for r, new in zip(runs, made, strict=True) if new], [
        r.id for r, new in zip(runs, made, strict=True) if not new
    ]


def enqueue(connection: sqlite3.Connection, wanted: Wanted, *, priority: int = 0, sweep_id: str | None = None) -> bool:
    """Put a run in the queue inside an open transaction, its folder first; True if it is new.

    The folder is written while the transaction holds the registry, so nobody meets a folder without its row.
    """
    run = RunFolder.own(wanted.id)
    row = connection.execute("SELECT state, wanted FROM runs WHERE id = ?", [wanted.id]).fetchone()
    if row is not None and run.exists:
        _ask_again(connection, run, wanted.spec, str(row["state"]))
        return False
    now = stores.utc_now()
    text = dump_run(wanted.spec)
    stores.replace(stores.runs_root() / wanted.id / "spec.yaml", text)
    connection.execute("DELETE FROM runs WHERE id = ?", [wanted.id])  # its folder was deleted by hand: it starts anew
    columns = adopt.spec_columns(wanted.spec) | {
        "id": wanted.id,
        "spec_hash": wanted.spec_hash,
        "sweep_id": sweep_id,
        "spec": text,
        "priority": priority,
        "created_at": now,
        "queued_at": now,
        "progress": 0.0,
    }
    return registry.insert(connection, [columns]) == 1


def _ask_again(connection: sqlite3.Connection, run: RunFolder, spec: RunSpec, state: str) -> None:
    """A run that is there is asked for again: queue it if something of it is missing."""
    asked = wishes.merged(run.spec(), spec)
    text = dump_run(asked)
    if text != (run.path / "spec.yaml").read_text(encoding="utf-8"):
        stores.replace(run.path / "spec.yaml", text)
    columns: dict[str, Any] = {"spec": text, **adopt.spec_columns(asked)}
    if state in ("failed", "stopped") or (state == "done" and is_incomplete(run, asked)):
        columns |= _queued()
    registry.change_in(connection, run.id, **columns)


def is_incomplete(run: RunFolder, spec: RunSpec) -> bool:
    """Whether `evaluate` asks for something that the run has not."""
    from ssrl_core.runs.parts import missing_parts
    from ssrl_core.runs.rows import imageset_of

    return bool(missing_parts(run, spec, imageset_of(spec)))


def stop(run_id: str) -> str:
    """Ask a run to stop, after a checkpoint; its state now (a running one is still `running`, `wanted: stop`).

    Raises:
        SpecError: no such run, or a demo run.
    """
    row = _own(run_id)
    ended = (
        "done" if RunFolder(run_id).state()["state"] == "done" else "stopped"
    )  # it may have waited for an addition only
    if registry.change(
        run_id, only_if=["queued"], state=ended, wanted="stop", finished_at=stores.utc_now(), reason=None
    ):
        stores.replace(RunFolder(run_id).path / "STOP", "")
        return ended
    if row["state"] in OVER:
        return str(row["state"])
    registry.change(run_id, only_if=registry.ACTIVE, wanted="stop")
    if not coordinator.is_alive():
        _stop_alone(run_id)
    return str(registry.require(run_id)["state"])


def resume(run_id: str, *, start: bool = True) -> str:
    """Queue a stopped or failed run again; it goes on from its checkpoint. The state afterwards."""
    row = _own(run_id)
    if not RunFolder(run_id).exists:
        raise SpecError(f"Run {run_id}: {adopt.GONE}", where=run_id, remedy="Train it again.")
    if row["state"] in registry.ACTIVE:
        registry.change(run_id, only_if=registry.ACTIVE, wanted="run")
    else:
        registry.change(run_id, only_if=["failed", "stopped"], **_queued())
    if start:
        coordinator.start_detached()
    return str(registry.require(run_id)["state"])


def delete(run_id: str, *, timeout_s: float = _STOP_TIMEOUT_S) -> None:
    """Remove a run and its folder; one that is running is stopped first.

    Raises:
        SpecError: no such run, or a demo run (read-only).
        RunError: it did not stop in time.
    """
    _own(run_id)
    stop(run_id)
    folder = stores.runs_root() / run_id
    lock = Lock(folder / "lock")
    deadline = time.monotonic() + timeout_s
    while registry.require(run_id)["state"] in registry.ACTIVE or (folder.is_dir() and not lock.take()):
        if time.monotonic() > deadline:
            raise RunError(
                f"Run {run_id} did not stop within {timeout_s:g} s; nothing was deleted. Try again.", where=run_id
            )
        time.sleep(_POLL_S)
        stop(run_id)
    gone = stores.runs_root() / f".gone-{run_id}"

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM runs WHERE id = ?", [run_id])
        connection.execute("DELETE FROM depends WHERE run_id = ? OR on_id = ?", [run_id, run_id])
        if folder.is_dir():
            lock.give_back()  # Windows renames no folder with an open file in it
            shutil.rmtree(gone, ignore_errors=True)
            folder.replace(gone)  # out of sight at once, whatever happens to the deletion of its files

    registry.transact(work)
    shutil.rmtree(gone, ignore_errors=True)


def wait(
    run_id: str, on_change: Callable[[dict[str, Any]], None] | None = None, *, timeout_s: float | None = None
) -> str:
    """Wait until a run is over.

    Args:
        on_change: called with `state.json`'s fields (and the registry's `state`, `reason`) whenever they change.

    Returns:
        done | failed | stopped.

    Raises:
        RunError: the time is up.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    before: dict[str, Any] = {}
    while True:
        row = registry.require(run_id)
        now = RunFolder(run_id).state() | {"state": row["state"], "reason": row["reason"]}
        if on_change and {k: v for k, v in now.items() if k != "alive_at"} != before:
            before = {k: v for k, v in now.items() if k != "alive_at"}
            on_change(now)
        if row["state"] in OVER:
            return str(row["state"])
        if deadline is not None and time.monotonic() > deadline:
            raise RunError(f"Run {run_id} is still {row['state']} after {timeout_s:g} s.", where=run_id)
        time.sleep(_POLL_S)


def free_id(run_id: str) -> str:
    """`<id>-2`, `<id>-3` …: the first that is not taken; the id itself if there is no such run yet."""
    if registry.get(run_id) is None and not RunFolder(run_id).path.is_dir():
        return run_id
    number = 2
    while registry.get(f"{run_id}-{number}") is not None or (stores.runs_root() / f"{run_id}-{number}").is_dir():
        number += 1
    return f"{run_id}-{number}"


def _queued() -> dict[str, Any]:
    """Columns of a run that goes back into the queue by somebody's wish."""
    return {
        "state": "queued",
        "wanted": "run",
        "reason": None,
        "waits_for": None,
        "params": None,
        "queued_at": stores.utc_now(),
        "finished_at": None,
    }


def _own(run_id: str) -> dict[str, Any]:
    """The row of a run that may be changed.

    Raises:
        SpecError: a demo run, or no run.
    """
    if RunFolder(run_id).is_demo:
        raise SpecError(
            where="Run",
            field="id",
            rule="one of your own",
            value=run_id,
            remedy="Demo runs are read-only; train one yourself.",
        )
    adopt.reconcile()
    return registry.require(run_id)


def _stop_alone(run_id: str) -> None:
    """Without a coordinator: ask a child that somebody started by hand, or settle what a lost one left."""
    folder = RunFolder(run_id)
    if is_held(folder.path / "lock"):
        stores.replace(folder.path / "STOP", "")
    else:
        registry.change(
            run_id, only_if=registry.ACTIVE, state="stopped", finished_at=stores.utc_now(), reason=None, eta_s=None
        )
