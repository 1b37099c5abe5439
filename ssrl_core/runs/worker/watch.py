"""Watches the active runs of one engine: what became of them, and which are next."""

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
from ssrl_core.runs.folder.state import (
    PRE_EMPTED,
    Crashes,
    Verdict,
    close_state,
    found_no_space,
    judge,
    oom_kills,
    progress_mark,
)
from ssrl_core.runs.queue import registry, submitting
from ssrl_core.runs.queue.folder_rows import GONE, state_columns
from ssrl_core.runs.worker.engines import Engine
from ssrl_core.runs.worker.feeding import ASK_AGAIN_S, ActiveRun, Feeder, over

LOG = logging.getLogger("viewloom.coordinator")
SILENT_S = 30.0
FIRST_SIGN_S = 90.0  # a cold start reads gigabytes of libraries from a slow disk
STOP_S = 120.0  # a checkpoint of a large network on a slow disk, then patience is over
_COPY_S = 1.0
_STRAYS_S = 5.0
_HANG_UP_S = 30.0


class Watch:
    """The active runs of one engine.

    Attributes:
        active_runs: by run id.
        trouble: what the coordinator cannot do right now (a full disk), "" when all is well.
    """

    def __init__(self, engine: Engine) -> None:
        self.active_runs: dict[str, ActiveRun] = {}
        self.trouble = ""
        self.feeder = Feeder(engine, self.active_runs)
        self._engine = engine
        self._strays_at = -1e9
        self._elsewhere: dict[str, tuple[str | None, float]] = {}

    def look(self, now: float) -> None:
        """Settle children that ended, watch those that run, take up runs that nobody works on."""
        for active in list(self.active_runs.values()):
            self._look_at(active, now)
        if now - self._strays_at >= _STRAYS_S:
            self._strays_at = now
            registry.reconcile()
            for row in registry.query("SELECT * FROM runs WHERE state IN ('submitted', 'running')"):
                if row["id"] not in self.active_runs:
                    self._settle_unwatched(row, now)

    def _look_at(self, active: ActiveRun, now: float) -> None:
        """One run; a bug that one run brings to light must not stop the others."""
        try:
            code = active.job.poll()
            if code is None:
                self._watch(active, now)
                return
            self._settle(active, code, now)
        except (SSRLError, OSError):
            raise  # the store is in trouble: the same again at the next tick
        except Exception as bug:
            LOG.exception("%s: a bug", active.id)
            active.job.kill()
            registry.change(active.id, **over("failed", f"Viewloom failed here: {bug!r}. See models/coordinator.log."))
        del self.active_runs[active.id]

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
            self.active_runs.clear()
            return
        for active in self.active_runs.values():
            active.job.ask_to_end()
        deadline = time.monotonic() + _HANG_UP_S
        while any(active.job.poll() is None for active in self.active_runs.values()) and time.monotonic() < deadline:
            time.sleep(0.05)
        for active in self.active_runs.values():
            active.job.kill()
            try:
                code = active.job.poll()
                self._settle(active, PRE_EMPTED if code is None else code, time.monotonic())
            except (SSRLError, OSError) as error:
                LOG.error("%s: %s", active.id, error)  # the store may be gone; the folder is the truth
        self.active_runs.clear()

    def _watch(self, active: ActiveRun, now: float) -> None:
        """One look at a child that runs: is it still wanted, is its folder there, does it give signs of life?"""
        state = active.folder.state()
        if state["alive_at"] != active.sign:
            active.sign, active.seen_at, active.spoke = state["alive_at"], now, True
        if not active.folder.path.is_dir():
            self._kill(active, GONE)
        elif now - active.seen_at > _patience_s(active, state):
            self._kill(active, f"No sign of life for {now - active.seen_at:.0f} s.")
        elif now - active.copied_at >= _COPY_S:
            active.copied_at = now
            self._copy(active, state)
            self._pass_on_the_stop(active, now)

    def _copy(self, active: ActiveRun, state: dict[str, Any]) -> None:
        """Bring the registry up to the folder."""
        if not active.spoke or state["state"] != "running":
            return
        columns = {name: state[name] for name in ("phase", "device", "alive_at", "progress", "eta_s", "started_at")}
        if columns != active.copied:
            registry.change(active.id, only_if=registry.ACTIVE, state="running", **columns)
            active.copied = columns

    def _pass_on_the_stop(self, active: ActiveRun, now: float) -> None:
        """A run that shall stop gets its STOP file, then time for a checkpoint, then the end."""
        rows = registry.query("SELECT wanted FROM runs WHERE id = ?", [active.id])
        if rows and rows[0]["wanted"] == "run":
            return
        if active.stop_since is None:
            active.stop_since = now
            wanted.ask_to_stop(active.folder.path)
        elif now - active.stop_since > STOP_S:
            self._kill(active, f"It did not stop within {STOP_S:g} s.")

    def _kill(self, active: ActiveRun, reason: str) -> None:
        if active.killed is None:
            LOG.warning("%s: killed: %s", active.id, reason)
            active.killed = reason
        active.job.kill()

    def _settle(self, active: ActiveRun, code: int, now: float) -> None:
        """Write down how a child ended, in the registry and, where the child could not, in the folder."""
        row = registry.get(active.id)
        if row is None or not active.folder.path.is_dir():
            registry.change(active.id, only_if=registry.ACTIVE, **over("failed", GONE))
            return
        state = active.folder.state()
        words = active.job.last_words() or state["error"] or {}
        verdict = judge(
            code, wanted=row["wanted"], message=words.get("message"), by_memory=oom_kills() > active.oom_kills
        )
        if code < 0 and state["state"] == "done" and state["attempt"] >= active.attempt:
            verdict = Verdict("done")  # killed on its way out: everything is written
        if active.killed and verdict.crash:
            verdict = Verdict(verdict.state, f"{active.killed} It goes on from its checkpoint.", crash=True)
        columns, verdict = _counted(active, row, verdict)
        if verdict.state == "done" and row["spec"] != active.spec:
            verdict = Verdict("queued")  # more was asked for while it ran; the child does what is missing, if anything
        ended = f"child ended ({code}): {verdict.state}{f': {verdict.reason}' if verdict.reason else ''}"
        if ended != active.ended:  # asked again at every tick while the registry cannot be written
            LOG.info("%s: %s", active.id, ended)
            active.ended = ended
        if verdict.state == "failed" and (more := submitting.in_smaller_parts(row, verdict.reason or "")):
            verdict = replace(verdict, reason=f"{verdict.reason} {more}")
        if verdict.state == "failed" and found_no_space(verdict.reason):
            self.feeder.hold(active.folder.path)
        if verdict.state == "queued":
            pause = ASK_AGAIN_S if verdict.waits_for else verdict.pause_s
            if pause:
                self.feeder.not_before[active.id] = now + pause
        settle(active.folder, verdict, words, **columns)

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


def _patience_s(active: ActiveRun, state: dict[str, Any]) -> float:
    """How long a child may be silent; while it loads libraries no other thread of it gets a word in."""
    return SILENT_S if active.spoke and state["phase"] != "load" else FIRST_SIGN_S


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


def _counted(active: ActiveRun, row: dict[str, Any], verdict: Verdict) -> tuple[dict[str, Any], Verdict]:
    """Count a crash; after too many without progress the run has failed. Returns registry columns and the verdict."""
    if not verdict.crash:
        return ({"params": None} if verdict.state != "queued" else {}), verdict
    mark = progress_mark(active.folder.path)
    crashes = Crashes.of(row["params"]).with_one_more(mark, lost=verdict.lost)
    if not crashes.too_many:
        pause = f" Next try in {crashes.pause_s:.0f} s." if crashes.pause_s else ""
        told = replace(verdict, pause_s=crashes.pause_s, reason=f"{verdict.reason or ''}{pause}".strip() or None)
        return {"params": crashes.text()}, told
    why = (verdict.reason or "").removesuffix(" It goes on from its checkpoint.")
    return {"params": None}, Verdict(
        "failed", f"{why} That was {crashes.count + crashes.lost} times without progress. See its log, then resume it."
    )
