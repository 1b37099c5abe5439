"""The coordinator: the one process of a store that starts queued runs, watches them and writes down how they end.

    python -m ssrl_core worker [--engine local]

It survives the browser and the app; when it is killed, its children end as their standard input closes, and the next
coordinator takes their runs up again from their checkpoints. All that matters is in the run folders and the registry:
nothing is lost with this process.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler

from ssrl_core import stores
from ssrl_core.errors import RunError, SpecError, SSRLError
from ssrl_core.runs.folder.locks import Lock, require_working_locks
from ssrl_core.runs.queue import processes, registry, sweeps
from ssrl_core.runs.queue.processes import child_environment, source_folder
from ssrl_core.runs.worker.engines import Engine
from ssrl_core.runs.worker.engines.settings import EngineSettings, load_settings
from ssrl_core.runs.worker.watch import Watch

LOG = logging.getLogger("viewloom.coordinator")
IDLE_S = 15 * 60.0
_NAP_S, _LONG_NAP_S = 0.1, 0.25
_COUNT_S = 1.0
_LOG_BYTES = 1_000_000
_ASK_S, _ASK_AGAIN_S = 2.0, 60.0  # for points of tuned sweeps


def main(
    settings: EngineSettings | None = None, *, idle_s: float = IDLE_S, once: bool = False, echo: bool = False
) -> int:
    """Be the coordinator of this store until it is idle for long, told to end, or its lock file is gone.

    Args:
        settings: where runs are trained; left out, the store's own (`models/engine.yaml`).
        once: end as soon as nothing is queued or running.
        echo: say on stderr what is written to `models/coordinator.log`.

    Raises:
        SpecError: settings that cannot be used; the runs that wait show why.
        RunError: another coordinator is alive, or the file system has no working locks.
    """
    require_working_locks(stores.models_root())
    lock = Lock(processes.lock_path())
    if not lock.take(timeout_s=2.0):
        raise _second()
    handler = _log_to_file(echo)
    try:
        engine = _engine(settings)
        _announce(engine)
        return Coordinator(engine, lock, idle_s=0.0 if once else idle_s).loop()
    finally:
        LOG.removeHandler(handler)
        handler.close()
        lock.give_back()


def _engine(settings: EngineSettings | None) -> Engine:
    """The engine; where it cannot be had, the runs that wait say why."""
    try:
        return open_engine(settings or load_settings())
    except SpecError as error:
        LOG.error("%s", error.message)
        said = "UPDATE runs SET waits_for = ? WHERE state = 'queued'"
        values = [error.message]
        registry.transact(lambda connection: connection.execute(said, values))
        raise


def open_engine(settings: EngineSettings) -> Engine:
    """The engine that settings mean.

    Raises:
        SpecError: what it needs is not there (SLURM's commands, a partition), or not installed.
    """
    if settings.engine == "local":
        from ssrl_core.runs.worker.engines.local import LocalEngine, gpus_here

        gpus = gpus_here()
        slots = settings.slots or max(1, len(gpus)) * (settings.per_gpu if gpus else 1)
        return LocalEngine(slots, warm=settings.warm, gpus=gpus)
    from ssrl_core.runs.worker.engines.dask import dask_engine

    return dask_engine(settings)


class Coordinator:
    """The loop: `tick` does everything that is due and returns at once, so a test needs no threads.

    Args:
        engine: where children run.
        lock: the store's coordinator lock, held; None in tests.
        idle_s: seconds without a queued or running run after which `loop` ends.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        engine: Engine,
        lock: Lock | None = None,
        *,
        idle_s: float = IDLE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.watch, self.tuner = Watch(engine), Tuner()
        self._engine, self._lock, self._idle_s, self._clock = engine, lock, idle_s, clock
        self._ending: str | None = None
        self._busy_at = clock()
        self._counted_at, self._counted = -1e9, 0

    def loop(self) -> int:
        """Tick until there is a reason to end; children are stopped in order then."""
        self._listen()
        LOG.info(
            "coordinator of %s, engine %s, %d slot(s)", stores.models_root(), self._engine.name, self._engine.slots
        )
        self.tick()
        while self.reason_to_end() is None:
            time.sleep(_NAP_S if self.watch.active_runs else _LONG_NAP_S)
            self.tick()
        LOG.info("ends: %s", self.reason_to_end())
        self.watch.end_all()
        self._engine.close()
        return 0

    def tick(self, now: float | None = None) -> None:
        """Settle what ended, watch what runs, start what may. A full disk is said once and tried again next time."""
        moment = self._clock() if now is None else now
        try:
            self.watch.look(moment)
            waiting = self._waiting(moment) + self.tuner.tick(moment, self._engine.slots)
            self._engine.tend(waiting)
            if self._ending is None and self._owns_the_store():
                self.watch.feed(moment)
            if self.watch.active_runs or waiting:
                self._busy_at = moment
            self.watch.trouble = ""
        except (SSRLError, OSError) as error:
            if str(error) != self.watch.trouble:
                LOG.error("%s", error)
            self.watch.trouble = str(error)
            self._busy_at = moment

    def _waiting(self, now: float) -> int:
        """Runs that could start; asked every tick while there is a free slot, else once a second."""
        if self._engine.slots > len(self.watch.active_runs) or now - self._counted_at >= _COUNT_S:
            self._counted_at, self._counted = now, self.watch.waiting()
        return self._counted

    def reason_to_end(self) -> str | None:
        """Why the loop should end now, or None."""
        if self._ending is not None:
            return self._ending
        if not self._owns_the_store():
            return "the store was moved or deleted (the lock file is not the one that was locked)"
        if self._clock() - self._busy_at > self._idle_s and not self.watch.active_runs:
            return f"nothing to do for {self._idle_s:g} s"
        return None

    def _owns_the_store(self) -> bool:
        return self._lock is None or self._lock.still_ours()

    def _listen(self) -> None:
        for name in ("SIGTERM", "SIGINT"):
            signal.signal(getattr(signal, name), self._on_signal)

    def _on_signal(self, number: int, frame: object) -> None:
        self._ending = f"told to end ({signal.Signals(number).name})"


class Tuner:
    """Asks for more points of the sweeps that want them; `tick` returns at once."""

    def __init__(self) -> None:
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._not_before: dict[str, float] = {}
        self._looked_at = -1e9

    def tick(self, now: float, slots: int) -> int:
        """Start what is due; the number of sweeps that still want points."""
        if now - self._looked_at < _ASK_S and self._looked_at > 0:
            return len(self._processes)
        self._looked_at = now
        pending = 0
        for sweep_id, width in sweeps.unfinished_tuned():
            process = self._processes.get(sweep_id)
            if process is not None and process.poll() is None:
                pending += 1
                continue
            if process is not None and self._processes.pop(sweep_id).returncode:
                LOG.error("%s: no points could be asked for; tried again in a minute", sweep_id)
                self._not_before[sweep_id] = now + _ASK_AGAIN_S
            pending += 1
            if width < max(1, slots) and now >= self._not_before.get(sweep_id, -1e9):
                self._processes[sweep_id] = subprocess.Popen(
                    [sys.executable, "-m", "ssrl_core.runs.queue.sweeps", sweep_id, str(max(1, slots))],
                    env=child_environment(),
                    cwd=source_folder(),
                    stdin=subprocess.DEVNULL,
                )
        return pending


def _announce(engine: Engine) -> None:
    stores.write_json(
        stores.models_root() / "coordinator.json",
        {
            "version": 1,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "engine": engine.name,
            "slots": engine.slots,
            "started_at": stores.utc_now(),
        },
    )
    registry.reconcile(thorough=True)  # made again now if it is missing or damaged, so that this is said at the start


def _second() -> RunError:
    known = processes.about() or {}
    who = f" (process {known['pid']} on {known['host']}, since {known['started_at']})" if known else ""
    return RunError(
        f"{processes.lock_path()}: a coordinator looks after this store already{who}. "
        "One is enough: queue runs with `train`, or end that process first.",
        where=str(processes.lock_path()),
        remedy="Queue runs with `train`, or end that process first.",
    )


class _JsonLines(logging.Formatter):
    """A line of JSON for each message: at, level, run (of those about one), message; for VIEWLOOM_LOG=json."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        said = record.getMessage() + (f"\n{self.formatException(record.exc_info)}" if record.exc_info else "")
        about, colon, rest = said.partition(": ")
        run = about if colon and stores.SLUG.match(about) and (stores.runs_root() / about).is_dir() else None
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"at": at, "level": record.levelname.lower(), "run": run, "message": rest if run else said}
        return json.dumps(line, ensure_ascii=False)


def _log_to_file(echo: bool) -> logging.Handler:
    """Write to `models/coordinator.log`, at most 2 MB with its predecessor."""
    handler = RotatingFileHandler(
        stores.models_root() / "coordinator.log", maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8"
    )
    plain = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(_JsonLines() if os.environ.get("VIEWLOOM_LOG") == "json" else plain)
    handler.handleError = lambda record: None  # type: ignore[method-assign]  # a full disk: go on without the log
    LOG.addHandler(handler)
    logging.getLogger("viewloom.registry").addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    if echo:
        LOG.addHandler(logging.StreamHandler())
    return handler
