"""The coordinator's eyes and hands: runs in flight, what became of them, and the next ones."""

from __future__ import annotations

import logging
import socket
import sqlite3
import time
from dataclasses import replace
from typing import Any

from ssrl_core.errors import SSRLError
from ssrl_core.runs.folder import wanted
from ssrl_core.runs.folder.locks import is_held
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.folder.state import PRE_EMPTED, Crashes, Verdict, close_state, judge, progress_mark
from ssrl_core.runs.queue import registry, submitting
from ssrl_core.runs.queue.folder_rows import GONE, state_columns
from ssrl_core.runs.worker.engines import Engine
from ssrl_core.runs.worker.feeding import ASK_AGAIN_S, Feeder, Flight, over

LOG = logging.getLogger("viewloom.coordinator")
SILENT_S = 30.0
FIRST_SIGN_S = 90.0  # a cold start reads gigabytes of libraries from a slow disk
STOP_S = 120.0  # a checkpoint of a large network on a slow disk, then patience is over
_COPY_S = 1.0
_STRAYS_S = 5.0
_HANG_UP_S = 30.0


class Watch:
    """Runs in flight on one engine.

    Attributes:
        flights: by run id.
        trouble: what the coordinator cannot do right now (a full disk), "" when all is well.
    """

    def __init__(self, engine: Engine) -> None:
        self.flights: dict[str, Flight] = {}
        self.trouble = ""
        self.feeder = Feeder(engine, self.flights)
        self._engine = engine
        self._strays_at = -1e9
        self._elsewhere: dict[str, tuple[str | None, float]] = {}

    def look(self, now: float) -> None:
        """Settle children that ended, watch those that run, take up runs that nobody works on."""
        for flight in list(self.flights.values()):
            self._look_at(flight, now)
        if now - self._strays_at >= _STRAYS_S:
            self._strays_at = now
            registry.reconcile()
            for row in registry.query("SELECT * FROM runs WHERE state IN ('submitted', 'running')"):
                if row["id"] not in self.flights:
                    self._settle_unwatched(row, now)

    def _look_at(self, flight: Flight, now: float) -> None:
        """One run; a bug that one run brings to light must not stop the others."""
        try:
            code = flight.job.poll()
            if code is None:
                self._watch(flight, now)
                return
            self._settle(flight, code, now)
        except (SSRLError, OSError):
            raise  # the store is in trouble: the same again at the next tick
        except Exception as bug:
            LOG.exception("%s: a bug", flight.id)
            flight.job.kill()
            registry.change(flight.id, **over("failed", f"Viewloom failed here: {bug!r}. See models/coordinator.log."))
        del self.flights[flight.id]

    def feed(self, now: float) -> None:
        """Start queued runs while slots are free."""
        self.feeder.feed(now)

    def waiting(self) -> int:
        """Number of runs that could start."""
        return self.feeder.waiting()

    def end_all(self) -> None:
        """Have every child write a checkpoint and end; their runs stay queued for the next coordinator.

        On an engine that outlives us they go on: the next coordinator finds them at work.
        """
        if self._engine.outlives:
            self.flights.clear()
            return
        for flight in self.flights.values():
            flight.job.ask_to_end()
        deadline = time.monotonic() + _HANG_UP_S
        while any(flight.job.poll() is None for flight in self.flights.values()) and time.monotonic() < deadline:
            time.sleep(0.05)
        for flight in self.flights.values():
            flight.job.kill()
            try:
                code = flight.job.poll()
                self._settle(flight, PRE_EMPTED if code is None else code, time.monotonic())
            except (SSRLError, OSError) as error:
                LOG.error("%s: %s", flight.id, error)  # the store may be gone; the folder is the truth
        self.flights.clear()

    def _watch(self, flight: Flight, now: float) -> None:
        """One look at a child that runs: is it still wanted, is its folder there, does it give signs of life?"""
        state = flight.folder.state()
        if state["alive_at"] != flight.sign:
            flight.sign, flight.seen_at, flight.spoke = state["alive_at"], now, True
        if not flight.folder.path.is_dir():
            self._kill(flight, GONE)
        elif now - flight.seen_at > _patience_s(flight, state):
            self._kill(flight, f"No sign of life for {now - flight.seen_at:.0f} s.")
        elif now - flight.copied_at >= _COPY_S:
            flight.copied_at = now
            self._copy(flight, state)
            self._pass_on_the_stop(flight, now)

    def _copy(self, flight: Flight, state: dict[str, Any]) -> None:
        """Bring the registry up to the folder."""
        if not flight.spoke or state["state"] != "running":
            return
        columns = {name: state[name] for name in ("phase", "device", "alive_at", "progress", "eta_s", "started_at")}
        if columns != flight.copied:
            registry.change(flight.id, only_if=registry.ACTIVE, state="running", **columns)
            flight.copied = columns

    def _pass_on_the_stop(self, flight: Flight, now: float) -> None:
        """A run that shall stop gets its STOP file, then time for a checkpoint, then the end."""
        rows = registry.query("SELECT wanted FROM runs WHERE id = ?", [flight.id])
        if rows and rows[0]["wanted"] == "run":
            return
        if flight.stop_since is None:
            flight.stop_since = now
            wanted.ask_to_stop(flight.folder.path)
        elif now - flight.stop_since > STOP_S:
            self._kill(flight, f"It did not stop within {STOP_S:g} s.")

    def _kill(self, flight: Flight, reason: str) -> None:
        if flight.killed is None:
            LOG.warning("%s: killed: %s", flight.id, reason)
            flight.killed = reason
        flight.job.kill()

    def _settle(self, flight: Flight, code: int, now: float) -> None:
        """Write down how a child ended, in the registry and, where the child could not, in the folder."""
        row = registry.get(flight.id)
        if row is None or not flight.folder.path.is_dir():
            registry.change(flight.id, only_if=registry.ACTIVE, **over("failed", GONE))
            return
        words = flight.job.last_words() or flight.folder.state()["error"] or {}
        verdict = judge(code, wanted=row["wanted"], message=words.get("message"))
        if flight.killed and verdict.crash:
            verdict = Verdict(verdict.state, f"{flight.killed} It goes on from its checkpoint.", crash=True)
        columns, verdict = _counted(flight, row, verdict)
        if verdict.state == "done" and row["spec"] != flight.spec:
            verdict = Verdict("queued")  # more was asked for while it ran; the child does what is missing, if anything
        LOG.info(
            "%s: child ended (%d): %s%s",
            flight.id,
            code,
            verdict.state,
            f": {verdict.reason}" if verdict.reason else "",
        )
        if verdict.state == "failed" and (more := submitting.in_smaller_parts(row, verdict.reason or "")):
            verdict = replace(verdict, reason=f"{verdict.reason} {more}")
        if verdict.state == "queued":
            pause = ASK_AGAIN_S if verdict.waits_for else verdict.pause_s
            if pause:
                self.feeder.not_before[flight.id] = now + pause
        settle(flight.folder, verdict, words, **columns)

    def _settle_unwatched(self, row: dict[str, Any], now: float) -> None:
        """A run that the registry calls active, though no child of ours works on it."""
        run = RunFolder.own(row["id"])
        state = run.state()
        if is_held(run.path / "lock") or self._lives_elsewhere(run.id, state, now):
            # started by hand, or by a coordinator that was killed (its child is just ending, or trains on elsewhere)
            live = {name: state[name] for name in ("phase", "device", "alive_at", "progress", "eta_s")}
            if state["state"] == "running":
                live["state"] = "running"
            registry.change(run.id, only_if=registry.ACTIVE, **live)
            if row["wanted"] == "stop":
                wanted.ask_to_stop(run.path)
            return
        self._elsewhere.pop(run.id, None)
        if state["state"] in ("done", "failed", "stopped") and state["attempt"] >= (row["attempt"] or 0):
            registry.change(run.id, only_if=registry.ACTIVE, **state_columns(run))
        elif row["wanted"] == "stop":
            settle(run, Verdict("stopped"), {})
        else:
            LOG.info("%s: nobody works on it any more; queued again", run.id)
            settle(run, Verdict("queued", "Its worker is gone; it goes on from its checkpoint."), {})

    def _lives_elsewhere(self, run_id: str, state: dict[str, Any], now: float) -> bool:
        """Whether a child on another host gives signs of life; locks do not reach there on every file system.

        Its clock is another one, so what counts is that the sign changes, by our own clock.
        """
        if state["state"] != "running" or state["host"] in (None, socket.gethostname()):
            return False
        sign, since = self._elsewhere.get(run_id, (None, now))
        if sign != state["alive_at"]:
            self._elsewhere[run_id] = (state["alive_at"], now)
            return True
        return now - since < SILENT_S


def _patience_s(flight: Flight, state: dict[str, Any]) -> float:
    """How long a child may be silent; while it loads libraries no other thread of it gets a word in."""
    return SILENT_S if flight.spoke and state["phase"] != "load" else FIRST_SIGN_S


def settle(run: RunFolder, verdict: Verdict, words: dict[str, Any], **columns: Any) -> None:
    """Write a verdict down: first into the folder (if the child left it open), then into the registry."""
    if verdict.state in ("failed", "stopped"):
        _close_folder(run, verdict, words)

    def work(connection: sqlite3.Connection) -> None:
        found = run.state()
        again = verdict.state == "queued" and found["state"] in wanted.OVER
        wanted.change(run.path, attempt=int(found["attempt"] or 0) + 1 if again else 0)
        registry.change_in(connection, run.id, only_if=registry.ACTIVE, **columns | _columns(run, verdict))

    registry.transact(work)


def _columns(run: RunFolder, verdict: Verdict) -> dict[str, Any]:
    """What the registry says of a run after a verdict."""
    if verdict.state == "queued":
        told = {"reason": verdict.reason, "waits_for": verdict.waits_for}
        return {"state": "queued", **told, "eta_s": None, "worker": None}
    shall = {"wanted": "stop" if verdict.state == "stopped" else "run"}
    return state_columns(run) | over(verdict.state, verdict.reason) | shall


def _close_folder(run: RunFolder, verdict: Verdict, words: dict[str, Any]) -> None:
    """`state.json` of a child that could not write its end."""
    said = {"type": "RunError", "where": run.id, "message": verdict.reason, "remedy": "Resume it, or see its log."}
    try:
        close_state(run.path, verdict.state, (words or said) if verdict.state == "failed" else None)
    except OSError as problem:
        LOG.error("%s: %s", run.path, problem)  # the registry still says it


def _counted(flight: Flight, row: dict[str, Any], verdict: Verdict) -> tuple[dict[str, Any], Verdict]:
    """Count a crash; after too many without progress the run has failed. Returns registry columns and the verdict."""
    if not verdict.crash:
        return ({"params": None} if verdict.state != "queued" else {}), verdict
    mark = progress_mark(flight.folder.path)
    crashes = Crashes.of(row["params"]).with_one_more(mark, lost=verdict.lost)
    if not crashes.too_many:
        return {"params": crashes.text()}, replace(verdict, pause_s=crashes.pause_s)
    why = (verdict.reason or "").removesuffix(" It goes on from its checkpoint.")
    return {"params": None}, Verdict(
        "failed", f"{why} That was the {crashes.count}th time without progress. See its log, then resume it."
    )
