"""The coordinator's eyes and hands: runs in flight, what became of them, and the next ones."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any

from ssrl_core import stores
from ssrl_core.errors import SSRLError
from ssrl_core.runs import adopt, registry
from ssrl_core.runs.attempts import Crashes, Verdict, judge, progress_mark
from ssrl_core.runs.engines.protocol import Engine, Job
from ssrl_core.runs.folder import RunFolder
from ssrl_core.runs.locks import Lock, is_held

LOG = logging.getLogger("viewloom.coordinator")
SILENT_S = 30.0
FIRST_SIGN_S = 90.0  # a cold start reads gigabytes of libraries from a slow disk
STOP_S = 120.0  # a checkpoint of a large network on a slow disk, then patience is over
_COPY_S = 1.0
_STRAYS_S = 5.0
_HANG_UP_S = 30.0


@dataclass
class Flight:
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
    stop_since: float | None = None
    killed: str | None = None
    copied_at: float = -1e9
    copied: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> RunFolder:
        """Its run folder."""
        return RunFolder(self.id)


class Watch:
    """Runs in flight on one engine.

    Attributes:
        flights: by run id.
        trouble: what the coordinator cannot do right now (a full disk), "" when all is well.
    """

    def __init__(self, engine: Engine) -> None:
        self.flights: dict[str, Flight] = {}
        self.trouble = ""
        self._engine = engine
        self._strays_at = -1e9
        self._not_before: dict[str, float] = {}

    def look(self, now: float) -> None:
        """Settle children that ended, watch those that run, take up runs that nobody works on."""
        for flight in list(self.flights.values()):
            self._look_at(flight, now)
        if now - self._strays_at >= _STRAYS_S:
            self._strays_at = now
            adopt.reconcile()
            for row in registry.query("SELECT * FROM runs WHERE state IN ('submitted', 'running')"):
                if row["id"] not in self.flights:
                    self._take_up(row)

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
            registry.change(flight.id, **_over("failed", f"Viewloom failed here: {bug!r}. See models/coordinator.log."))
        del self.flights[flight.id]

    def feed(self, now: float) -> None:
        """Start queued runs while slots are free: highest priority first, then the oldest."""
        free = self._engine.slots - len(self.flights)
        if free <= 0:
            return
        for row in registry.query(
            "SELECT * FROM runs WHERE state = 'queued' AND wanted = 'run' "
            "ORDER BY priority DESC, queued_at, id LIMIT ?",
            [free + len(self._not_before) + 8],
        ):
            if free > 0 and now >= self._not_before.get(row["id"], -1e9):
                self._not_before.pop(row["id"], None)
                free -= self._start(row, now)

    def waiting(self) -> bool:
        """Whether any run is queued."""
        return bool(registry.query("SELECT 1 FROM runs WHERE state = 'queued' AND wanted = 'run' LIMIT 1"))

    def end_all(self) -> None:
        """Have every child write a checkpoint and end; their runs stay queued for the next coordinator."""
        for flight in self.flights.values():
            flight.job.ask_to_end()
        deadline = time.monotonic() + _HANG_UP_S
        while any(flight.job.poll() is None for flight in self.flights.values()) and time.monotonic() < deadline:
            time.sleep(0.05)
        for flight in self.flights.values():
            flight.job.kill()
            try:
                self._settle(flight, flight.job.poll() or 0, time.monotonic())
            except (SSRLError, OSError) as error:
                LOG.error("%s: %s", flight.id, error)  # the store may be gone; the folder is the truth
        self.flights.clear()

    def _start(self, row: dict[str, Any], now: float) -> int:
        """Start one queued run; 1 if it took a slot."""
        run = RunFolder(row["id"])
        refusal = _refusal(run, row)
        if refusal is not None:
            LOG.warning("%s: refused: %s", run.id, refusal)
            registry.change(run.id, only_if=["queued"], **_over("failed", refusal))
            return 0
        if is_held(run.path / "lock"):
            self._not_before[run.id] = now + _STRAYS_S
            registry.change(run.id, only_if=["queued"], waits_for="Another process is at work in its folder.")
            return 0
        (run.path / "STOP").unlink(missing_ok=True)
        before = run.state()
        attempt = max(int(before["attempt"]), int(row["attempt"] or 0)) + 1
        claim = {
            "state": "submitted",
            "reason": None,
            "waits_for": None,
            "attempt": attempt,
            "alive_at": stores.utc_now(),
        }
        if not registry.change(run.id, only_if=["queued"], **claim):
            return 0
        try:
            job = self._engine.start(run.path)
        except OSError as error:
            self._not_before[run.id] = now + _STRAYS_S
            registry.change(run.id, state="queued", waits_for=f"The engine could not start it: {error}.")
            return 0
        LOG.info("%s: started, attempt %d (%s)", run.id, attempt, job.worker)
        self.flights[run.id] = Flight(run.id, job, str(row["spec"]), now, before["alive_at"], attempt)
        registry.change(run.id, worker=job.worker)
        return 1

    def _watch(self, flight: Flight, now: float) -> None:
        """One look at a child that runs: is it still wanted, is its folder there, does it give signs of life?"""
        state = flight.folder.state()
        if state["alive_at"] != flight.sign:
            flight.sign, flight.seen_at, flight.spoke = state["alive_at"], now, True
        if not flight.folder.path.is_dir():
            self._kill(flight, adopt.GONE)
        elif now - flight.seen_at > (SILENT_S if flight.spoke else FIRST_SIGN_S):
            self._kill(flight, f"No sign of life for {now - flight.seen_at:.0f} s.")
        elif now - flight.copied_at >= _COPY_S:
            flight.copied_at = now
            self._copy(flight, state)
            self._see_to_the_wish(flight, now)

    def _copy(self, flight: Flight, state: dict[str, Any]) -> None:
        """Bring the registry up to the folder."""
        if not flight.spoke or state["state"] != "running":
            return
        columns = {name: state[name] for name in ("phase", "device", "alive_at", "progress", "eta_s", "started_at")}
        if columns != flight.copied:
            registry.change(flight.id, only_if=registry.ACTIVE, state="running", **columns)
            flight.copied = columns

    def _see_to_the_wish(self, flight: Flight, now: float) -> None:
        """A run that shall stop gets its STOP file, then time for a checkpoint, then the end."""
        rows = registry.query("SELECT wanted FROM runs WHERE id = ?", [flight.id])
        if rows and rows[0]["wanted"] == "run":
            return
        if flight.stop_since is None:
            flight.stop_since = now
            stores.replace(flight.folder.path / "STOP", "")
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
            registry.change(flight.id, only_if=registry.ACTIVE, **_over("failed", adopt.GONE))
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
        if verdict.waits_for:
            self._not_before[flight.id] = now + _STRAYS_S
        settle(flight.folder, verdict, words, **columns)

    def _take_up(self, row: dict[str, Any]) -> None:
        """A run that the registry calls active, though no child of ours works on it."""
        run = RunFolder(row["id"])
        if is_held(run.path / "lock"):
            state = run.state()  # started by hand, or a child of a killed coordinator that is just ending
            registry.change(
                run.id, only_if=registry.ACTIVE, **{n: state[n] for n in ("phase", "alive_at", "progress", "eta_s")}
            )
            return
        state = run.state()
        if state["state"] in ("done", "failed", "stopped") and state["attempt"] >= (row["attempt"] or 0):
            registry.change(run.id, only_if=registry.ACTIVE, **adopt.state_columns(run))
        elif row["wanted"] == "stop":
            settle(run, Verdict("stopped"), {})
        else:
            LOG.info("%s: nobody works on it any more; queued again", run.id)
            settle(run, Verdict("queued", "Its worker is gone; it goes on from its checkpoint."), {})


def settle(run: RunFolder, verdict: Verdict, words: dict[str, Any], **columns: Any) -> None:
    """Write a verdict down: first into the folder (if the child left it open), then into the registry."""
    if verdict.state in ("failed", "stopped"):
        _close_folder(run, verdict, words)
    if verdict.state == "queued":
        columns |= {
            "state": "queued",
            "reason": verdict.reason,
            "waits_for": verdict.waits_for,
            "eta_s": None,
            "worker": None,
        }
    else:
        columns |= adopt.state_columns(run) | _over(verdict.state, verdict.reason) | {"wanted": "run"}
        if verdict.state == "stopped":
            columns["wanted"] = "stop"
    registry.change(run.id, only_if=registry.ACTIVE, **columns)


def _close_folder(run: RunFolder, verdict: Verdict, words: dict[str, Any]) -> None:
    """`state.json` of a child that could not write its end; under the run's lock, so there is still one writer."""
    state = run.state()
    lock = Lock(run.path / "lock")
    if state["state"] == verdict.state or not run.path.is_dir() or not lock.take():
        return
    try:
        error = words or {
            "type": "RunError",
            "where": run.id,
            "message": verdict.reason,
            "remedy": "Resume it, or see its log.",
        }
        stores.write_json(
            run.path / "state.json",
            state | {"state": verdict.state, "eta_s": None, "error": error if verdict.state == "failed" else None},
        )
    except OSError as problem:
        LOG.error("%s: %s", run.path, problem)  # the registry still says it
    finally:
        lock.give_back()


def _counted(flight: Flight, row: dict[str, Any], verdict: Verdict) -> tuple[dict[str, Any], Verdict]:
    """Count a crash; after too many without progress the run has failed. Returns registry columns and the verdict."""
    if not verdict.crash:
        return ({"params": None} if verdict.state != "queued" else {}), verdict
    crashes = Crashes.of(row["params"]).with_one_more(progress_mark(flight.folder.path))
    if not crashes.too_many:
        return {"params": crashes.text()}, verdict
    why = (verdict.reason or "").removesuffix(" It goes on from its checkpoint.")
    return {"params": None}, Verdict(
        "failed", f"{why} That was the {crashes.count}th time without progress. See its log, then resume it."
    )


def _refusal(run: RunFolder, row: dict[str, Any]) -> str | None:
    """Why a queued run must not be started: its folder is gone, or its spec is no longer what was queued."""
    from ssrl_core.specs.run import load_run
    from ssrl_core.specs.yaml_files import parse_yaml

    if not run.path.is_dir():
        return adopt.GONE
    try:
        text = (run.path / "spec.yaml").read_text(encoding="utf-8")
        if text == row["spec"]:
            return None
        now = load_run(run.path / "spec.yaml")
        queued = load_run(parse_yaml(row["spec"], "registry"))
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


def _over(state: str, reason: str | None) -> dict[str, Any]:
    return {
        "state": state,
        "reason": reason,
        "waits_for": None,
        "phase": None,
        "eta_s": None,
        "finished_at": stores.utc_now(),
    }
