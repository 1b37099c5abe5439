"""Asking for runs: queue them, wait for one, queue one once more in smaller parts.

Any process on the store's host may; the coordinator acts. What is asked is written into the run's folder first, and the
registry follows in the same transaction, so nobody meets a folder without its row.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ssrl_core import access, stores
from ssrl_core.errors import RunError, SpecError, Stopped
from ssrl_core.runs.folder import wanted
from ssrl_core.runs.folder.run_folder import RunFolder, imageset_of
from ssrl_core.runs.folder.wanted import OVER, Wanted
from ssrl_core.runs.queue import folder_rows, identity, ordering, processes, registry, registry_file, sweep_files
from ssrl_core.runs.queue.identity import IdentifiedRun, identify, require_heads, spec_of_text
from ssrl_core.specs.parameters import Frozen
from ssrl_core.specs.run import RunSpec, dump_run

ON_MEMORY, ALLOWED = "on_memory", "accumulate"
_FITS = re.compile(r"set accumulate to (\d+)")
_POLL_S = 0.3
_TICK = timedelta(microseconds=1)


def submit(
    spec: RunSpec, *, again: bool = False, priority: int = 0, after: Iterable[str] = (), start: bool = True
) -> dict[str, Any]:
    """Queue a run. The same spec is the same run: one that is done is queued only for what `evaluate` adds to it.

    Args:
        again: train it once more beside the first, as `<id>-2`.
        priority: higher goes first.
        after: ids of runs that must be done before it starts.
        start: start a coordinator, detached, when none is alive.

    Returns:
        {id, spec_hash, state, created}; `created` is False for a run that was there already.
    """
    access.require_editor("Queueing runs")
    registry.reconcile()
    run, others = identify(spec), list(after)
    if again:
        run = dataclasses.replace(run, id=free_id(run.id))

    def work(connection: sqlite3.Connection) -> bool:
        ordering.check_known(connection, run.id, others)
        created = enqueue(connection, run, priority=priority)
        ordering.depend(connection, run.id, others)
        return created

    created = registry.transact(work)
    if start:
        processes.start_coordinator()
    state = registry.require(run.id)["state"]
    return {"id": run.id, "spec_hash": run.spec_hash, "state": state, "created": created}


def ask_more(run_id: str, parts: Mapping[str, Any]) -> None:
    """Ask for more of a run that is there (nothing is trained again); a coordinator has to be started beside.

    Args:
        parts: name -> what is asked of a part of evaluation, e.g. {"read": True}.

    Raises:
        SSRLError: no such run, or its image set is gone.
    """
    access.require_editor("Queueing runs")
    spec = RunFolder(run_id).require().spec()
    more = dataclasses.replace(spec.evaluate, parts=Frozen({**spec.evaluate.parts, **parts}))
    asked = dataclasses.replace(identify(dataclasses.replace(spec, evaluate=more)), id=run_id)
    registry.transact(lambda connection: enqueue(connection, asked))


def submit_all(
    runs: Iterable[IdentifiedRun],
    *,
    sweep_id: str | None = None,
    priority: int = 0,
    first: Callable[[sqlite3.Connection], None] = lambda connection: None,
) -> tuple[list[str], list[str]]:
    """Queue many runs in one transaction.

    The folders of a sweep are not synced: its own file says that they belong to it, and was synced before.

    Args:
        first: called in the transaction before anything is queued (it writes the sweep's file).

    Returns:
        Ids that were made, ids that were there already.

    Raises:
        OSError: a full disk; the folders that were made until then are taken away again.
    """
    access.require_editor("Queueing runs")
    registry.reconcile()
    asked = list({run.id: run for run in runs}.values())

    def work(connection: sqlite3.Connection) -> list[str]:
        first(connection)
        columns = "SELECT id, state, attempt, sweep_id, spec FROM runs"
        known, there = {row["id"]: dict(row) for row in connection.execute(columns)}, folder_rows.folder_names()
        new = [run for run in asked if run.id not in known and run.id not in there]
        made = {run.id for run in new}
        _create(connection, new, sweep_id, priority)
        for run in asked:
            if run.id not in made and enqueue(connection, run, priority=priority, sweep_id=sweep_id):
                made.add(run.id)
        return [run.id for run in asked if run.id in made]

    made = registry.transact(work)
    created = set(made)
    return made, [run.id for run in asked if run.id not in created]


def _create(connection: sqlite3.Connection, runs: list[IdentifiedRun], sweep_id: str | None, priority: int) -> None:
    """Folders and rows of new runs; none of them where there is no room for all."""
    now, root = moment_in_queue(connection), str(stores.runs_root())
    asked = Wanted(priority=priority) if priority else wanted.USUAL
    try:
        for run in runs:
            wanted.create(f"{root}/{run.id}", run.text, asked)
    except OSError:
        for run in runs:
            shutil.rmtree(f"{root}/{run.id}", ignore_errors=True)
        raise
    registry_file.insert(connection, (folder_rows.waiting_row(run, sweep_id, now, priority) for run in runs))


def moment_in_queue(connection: sqlite3.Connection) -> str:
    """Now, but after all that wait already: a clock that was set back must not let who comes later go first."""
    now = stores.utc_now()
    last = connection.execute("SELECT max(queued_at) FROM runs WHERE state = 'queued'").fetchone()[0]
    return now if last is None or last < now else stores.utc_text(datetime.fromisoformat(last) + _TICK)


def enqueue(
    connection: sqlite3.Connection, asked: IdentifiedRun, *, priority: int = 0, sweep_id: str | None = None
) -> bool:
    """Put a run in the queue inside an open transaction, its folder first; True if it is new."""
    run = RunFolder.own(asked.id)
    row = connection.execute("SELECT state, spec FROM runs WHERE id = ?", [asked.id]).fetchone()
    if row is not None and run.exists:
        _ask_again(connection, run, asked, row)
        return False
    stores.replace(run.path / wanted.SPEC, asked.text)
    wanted.change(run.path, priority=priority)
    connection.execute("DELETE FROM runs WHERE id = ?", [run.id])  # its folder was deleted by hand: it starts anew
    connection.execute("DELETE FROM depends WHERE run_id = ?", [run.id])
    row = folder_rows.waiting_row(asked, sweep_id, moment_in_queue(connection), priority)
    return registry_file.insert(connection, [row]) == 1


def _ask_again(connection: sqlite3.Connection, run: RunFolder, asked: IdentifiedRun, row: Mapping[str, Any]) -> None:
    """A run that is there is asked for again: queue it if something of it is missing."""
    spec = asked.spec
    if row["spec"] != asked.text:
        spec = identity.merged(run.spec(), asked.spec)
        if (run.path / "encoder.safetensors").is_file():
            require_heads(run.path, spec.evaluate.embed)
        text = dump_run(spec)
        if text != (run.path / wanted.SPEC).read_text(encoding="utf-8"):
            stores.replace(run.path / wanted.SPEC, text)
        registry.change_in(connection, run.id, spec=text, **folder_rows.spec_columns(spec))
    if row["state"] in ("failed", "stopped") or (row["state"] == "done" and is_incomplete(run, spec)):
        queue_again(connection, run, moment_in_queue(connection))


def queue_again(connection: sqlite3.Connection, run: RunFolder, at: str) -> None:
    """Put a run that is over back into the queue, in its folder and in the registry.

    Args:
        at: when; the same for runs that are queued together, so that they keep their order.
    """
    attempt = int(run.state()["attempt"] or 0)
    if attempt:
        wanted.change(run.path, attempt=attempt + 1)
    wanted.ask_to_go_on(run.path)
    registry.change_in(
        connection,
        run.id,
        state="queued",
        wanted="run",
        reason=None,
        waits_for=None,
        params=None,
        queued_at=at,
        finished_at=None,
    )


def is_incomplete(run: RunFolder, spec: RunSpec) -> bool:
    """Whether `evaluate` asks for something that the run has not."""
    from ssrl_core.runs.evaluation.parts import missing_parts

    return bool(missing_parts(run, spec, imageset_of(spec)))


def in_smaller_parts(row: Mapping[str, Any], message: str) -> str | None:
    """Queue a run once more, in smaller parts of a batch, after the memory did not suffice, if that would help.

    Only where the user allowed it by a tag of the spec, `tags: {on_memory: accumulate}`. It is another run, because
    methods that compare images of one batch with each other learn something else from its parts: the first stays
    failed and says which run took over.

    Args:
        row: of the registry, all columns.
        message: why it failed; the training says which parts fit.

    Returns:
        What to add to the reason of the failed run, or None.
    """
    found = _FITS.search(message)
    if found is None:
        return None
    spec = spec_of_text(str(row["spec"]))
    if spec.tags.get(ON_MEMORY) != ALLOWED or int(found[1]) <= spec.accumulate:
        return None
    smaller = dataclasses.replace(spec, accumulate=int(found[1]))
    run = identify(smaller)
    registry.transact(lambda connection: enqueue(connection, run, priority=row["priority"], sweep_id=row["sweep_id"]))
    if row["sweep_id"]:
        sweep_files.put_in_place(row["sweep_id"], row["id"], run.id)
    return f"Queued again with accumulate: {smaller.accumulate} as {run.id}, as its tag {ON_MEMORY} allows."


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


def progress_line(state: dict[str, Any]) -> str:
    """One line of progress: `train  42 %  epoch 3/5  1800 images/s  about 40 s left`."""
    parts = [state["phase"] or state["state"] if state["state"] == "running" else state["state"]]
    if state["state"] == "running":
        parts.append(f"{100 * (state['progress'] or 0):.0f} %")
        if state["phase"] == "train" and state["epochs"]:
            parts.append(f"epoch {min(int(state['epoch'] or 0) + 1, state['epochs'])}/{state['epochs']}")
        if state["phase"] == "train" and state["images_per_s"]:
            parts.append(f"{state['images_per_s']:.0f} images/s")
        if state["eta_s"] is not None:
            parts.append(f"about {state['eta_s']:.0f} s left")
    elif state["reason"]:
        parts.append(state["reason"])
    return "  ".join(str(part) for part in parts)


def raise_unless_done(run_id: str, state: str) -> None:
    """Tell how a run ended that is over and not done.

    Raises:
        RunError, SpecError: it failed; in the child's own words.
        Stopped: somebody stopped it.
    """
    if state == "done":
        return
    if state == "stopped":
        raise Stopped(f"Run {run_id} was stopped. `runs resume {run_id}` goes on from its checkpoint.", where=run_id)
    run = RunFolder(run_id)
    error = run.state()["error"] or {}
    message = str((registry.get(run_id) or {}).get("reason") or error.get("message") or "it failed without a message")
    kind = SpecError if error.get("type") == "SpecError" else RunError
    raise kind(
        f"Run {run_id} failed: {message} The log: {run.path / 'log.txt'}",
        where=run_id,
        remedy=error.get("remedy") or "",
    )


def free_id(run_id: str) -> str:
    """`<id>-2`, `<id>-3` …: the first that is not taken; the id itself if there is no such run yet."""
    if registry.get(run_id) is None and not RunFolder(run_id).path.is_dir():
        return run_id
    number = 2
    while registry.get(f"{run_id}-{number}") is not None or (stores.runs_root() / f"{run_id}-{number}").is_dir():
        number += 1
    return f"{run_id}-{number}"
