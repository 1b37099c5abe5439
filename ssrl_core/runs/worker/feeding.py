"""The coordinator's hand: which queued run starts next, and why one may not."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.errors import SSRLError
from ssrl_core.runs.folder import wanted
from ssrl_core.runs.folder.locks import is_held
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.folder.state import DISK_FULL, oom_kills
from ssrl_core.runs.queue import ordering, registry
from ssrl_core.runs.queue.folder_rows import GONE
from ssrl_core.runs.queue.identity import spec_of_text
from ssrl_core.runs.worker.engines import Engine, Job
from ssrl_core.runs.worker.engines.local import slots_asked


@dataclass
class ActiveRun:
    """A run that a child is working on.

    Attributes:
        sign: the last `alive_at` that was seen; `seen_at` when it was new, by our own clock (clocks of hosts differ,
            and a laptop sleeps).
    """

    id: str
    job: Job
    spec: str
    seen_at: float
    sign: str | None
    attempt: int
    spoke: bool = False
    ended: str = ""
    stop_since: float | None = None
    killed: str | None = None
    copied_at: float = -1e9
    copied: dict[str, Any] = field(default_factory=dict)
    oom_kills: int = field(default_factory=oom_kills)

    @property
    def folder(self) -> RunFolder:
        """Its run folder."""
        return RunFolder.own(self.id)


def over(state: str, reason: str | None) -> dict[str, Any]:
    """Registry columns of a run that is over."""
    return {
        "state": state,
        "reason": reason,
        "waits_for": None,
        "phase": None,
        "eta_s": None,
        "finished_at": stores.utc_now(),
    }


LOG = logging.getLogger("viewloom.coordinator")
ASK_AGAIN_S = 5.0


class Feeder:
    """Starts queued runs while slots are free: highest priority first, then the oldest; none onto a full disk.

    Attributes:
        not_before: run id -> moment before which it is not started again (back-off).
    """

    def __init__(self, engine: Engine, active_runs: dict[str, ActiveRun]) -> None:
        self.not_before: dict[str, float] = {}
        self._engine, self._flights = engine, active_runs
        self._told_at = -1e9
        self._told = ""
        self._bytes_wanted, self._asked_at, self._full = 0, -1e9, ""

    def hold(self, folder: Path) -> None:
        """A run has just found the disk full; those that wait would find the same until there is room for its files."""
        largest = max((file.stat().st_size for file in folder.glob("*") if file.is_file()), default=0)
        self._bytes_wanted, self._asked_at = 2 * max(stores.ROOM_BYTES, largest), -1e9

    def _no_room(self, now: float) -> str:
        """Why nothing may start for want of room, "" where there is enough; asked every few seconds."""
        if now - self._asked_at < ASK_AGAIN_S:
            return self._full
        self._asked_at, root = now, stores.models_root()
        wanted = self._bytes_wanted or stores.ROOM_BYTES
        if stores.can_write(root, wanted) if self._bytes_wanted else stores.free_bytes(root) >= wanted:
            self._bytes_wanted, self._full = 0, ""
        else:
            self._full = f"{DISK_FULL} ({root}): it starts when {wanted / 1e6:,.0f} MB are free."
        return self._full

    def feed(self, now: float) -> None:
        """Start what may start now; say of the others, every few seconds, what they wait for."""
        if now - self._told_at >= ASK_AGAIN_S:
            self._told_at = now
            self._tell(now)
        free = 0 if ordering.is_paused() or self._no_room(now) else self._engine.slots - self.taken()
        if free <= 0:
            return
        for row in registry.query(ordering.READY, [free + len(self.not_before) + 8]):
            if now < self.not_before.get(row["id"], -1e9):
                continue
            asked = self._slots(str(row["spec"]))
            if asked > free and self._flights:
                return  # those behind it would keep it waiting
            self.not_before.pop(row["id"], None)
            free -= asked * self._start(row, now)
            if free <= 0:
                return

    def taken(self) -> int:
        """Slots that are taken: a run over several cards takes as many."""
        return sum(self._slots(flight.spec) for flight in self._flights.values())

    def _slots(self, spec: str) -> int:
        return slots_asked(spec, self._engine.cards)

    def waiting(self) -> int:
        """Slots that the runs which could start would take; none while the queue is paused."""
        ready = [] if ordering.is_paused() else registry.query(ordering.READY, [1000])
        return sum(self._slots(str(row["spec"])) for row in ready)

    def _tell(self, now: float) -> None:
        """Write down what runs wait for: other runs, an engine in trouble, room on the disk."""
        for run_id, words in ordering.blocked().items():
            registry.change(run_id, only_if=["queued"], waits_for=words)
        trouble = self._engine.trouble or self._no_room(now)
        if trouble != self._told:
            if trouble:
                LOG.error("%s", trouble)
            registry.transact(
                lambda connection: connection.execute(
                    "UPDATE runs SET waits_for = ? WHERE state = 'queued' AND (waits_for IS NULL OR waits_for = ?)",
                    [trouble or None, self._told],
                )
            )
            self._told = trouble

    def _start(self, row: dict[str, Any], now: float) -> int:
        """Start one queued run; 1 if it took a slot."""
        run = RunFolder.own(row["id"])
        refused = refusal(run, row)
        if refused is not None:
            LOG.warning("%s: refused: %s", run.id, refused)
            registry.change(run.id, only_if=["queued"], **over("failed", refused))
            return 0
        if is_held(run.path / "lock"):
            self._later(run.id, now, "Another process is at work in its folder.")
            return 0
        return self._launch(run, row, now)

    def _launch(self, run: RunFolder, row: dict[str, Any], now: float) -> int:
        before = run.state()
        attempt = max(int(before["attempt"]), int(row["attempt"] or 0)) + 1
        claim = {"state": "submitted", "reason": None, "waits_for": None, "attempt": attempt}
        if not registry.change(run.id, only_if=["queued"], **claim, alive_at=stores.utc_now()):
            return 0
        wanted.ask_to_go_on(run.path)  # left by an attempt that was stopped; who stops this one now says so again
        try:
            job = self._engine.start(run.path)
        except OSError as error:
            registry.change(run.id, state="queued")
            self._later(run.id, now, f"The engine could not start it: {error}.")
            return 0
        LOG.info("%s: started, attempt %d (%s)", run.id, attempt, job.worker)
        self._flights[run.id] = ActiveRun(run.id, job, str(row["spec"]), now, before["alive_at"], attempt)
        registry.change(run.id, worker=job.worker)
        return 1

    def _later(self, run_id: str, now: float, why: str) -> None:
        self.not_before[run_id] = now + ASK_AGAIN_S
        registry.change(run_id, only_if=["queued"], waits_for=why)


def refusal(run: RunFolder, row: dict[str, Any]) -> str | None:
    """Why a queued run must not be started: its folder is gone, or its spec is no longer what was queued."""
    from ssrl_core.specs.run import load_run

    if not run.path.is_dir():
        return GONE
    try:
        text = (run.path / "spec.yaml").read_text(encoding="utf-8")
        if text == row["spec"]:
            return None
        now = load_run(run.path / "spec.yaml")
        queued = spec_of_text(str(row["spec"]))
    except (SSRLError, OSError, UnicodeDecodeError) as error:
        return f"spec.yaml cannot be used: {error} Delete the run and queue it again."
    if now.canonical("") != queued.canonical(""):
        return (
            "spec.yaml was edited by hand while the run waited, so it is another run now. "
            "Delete this one and queue the new spec."
        )
    row["spec"] = text  # another name or note: the same run
    registry.change(run.id, spec=text)
    return None
