"""The engine of clusters: Dask distributed, on processes of this machine, on SLURM, or on a scheduler that is there.

Queue, order, stop and retries stay in the registry; Dask only carries a run to a free place. So it is fed only as many
runs as there are free threads: it would place more of them eagerly, and they would wait behind a busy worker.

`execute` runs on a Dask worker. The child is a process of its own there, so that its memory and its GPU are given back
and it can be killed; it ends when the worker does.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssrl_core.errors import SpecError
from ssrl_core.runs.folder.state import FAILED, WORKER_LOST
from ssrl_core.runs.queue.processes import child_environment
from ssrl_core.runs.worker.engines.local import ChildJob, Children, cards_from, gpus_here, slots_of, turn_of
from ssrl_core.runs.worker.engines.places import ANSWER_S, OwnWorkers, Place, Scheduler, store_paths
from ssrl_core.runs.worker.engines.settings import EngineSettings

_NAP_S = 0.05
_guard = threading.Lock()
_children: dict[bool, Children] = {}
_jobs: dict[str, ChildJob] = {}
_turns: dict[str, range] = {}


def execute(
    folder: str, stores: dict[str, str], slots: int, warm: bool, command: list[str] | None = None
) -> dict[str, Any]:
    """Train the run in a folder; returns when its child has ended.

    Args:
        stores: SSRL_DATA and SSRL_MODELS as the coordinator sees them.
        slots: runs at the same time on this worker, which share its cores; its cards are dealt out among them.
        command: what to start instead of the training, without the folder (tests start something smaller).

    Returns:
        {code, words}: the child's exit code (C6) and the error that it told.
    """
    os.environ.update(stores)
    with _guard:
        if warm not in _children:
            own = None if command is None else lambda path: [*command, str(path), "--end-with-parent"]
            _children[warm] = Children("dask", warm=warm, command=own)
        children = _children[warm]
        gpus, environment = gpus_here(), child_environment(slots)
        if slots > 1 and len(gpus) > 1:
            _turns[folder] = turn_of(Path(folder), len(gpus), _turns.values())
            environment["CUDA_VISIBLE_DEVICES"] = cards_from(_turns[folder].start, Path(folder), gpus)
        job = _jobs[folder] = children.start(Path(folder), environment)
    try:
        while True:
            with _guard:
                code = job.poll()
            if code is not None:
                return {"code": code, "words": job.last_words()}
            time.sleep(_NAP_S)
    finally:
        with _guard:
            _jobs.pop(folder, None)
            _turns.pop(folder, None)


def reach(folder: str, how: str) -> bool:
    """Ask the child of a run to end, or kill it, if it is on this worker.

    Args:
        how: `ask` or `kill`.
    """
    with _guard:
        job = _jobs.get(folder)
        if job is None:
            return False
        if how == "ask":
            job.ask_to_end()
        else:
            job.kill()
        return True


def tend() -> None:
    """Let go of warm children that have been free for long."""
    with _guard:
        for children in _children.values():
            children.tend()


LOG = logging.getLogger("viewloom.coordinator")
_ASK_AGAIN_S = 10.0
_TEND_S = 15.0
_KILL_S = 5.0
_CONFIG = {
    "distributed.scheduler.allowed-failures": 10,
    "distributed.scheduler.worker-ttl": "10 minutes",
    "distributed.worker.daemon": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.admin.tick.limit": "1 minute",
}


def dask_engine(settings: EngineSettings) -> DaskEngine:
    """The engine for `dask`, `slurm` or an address.

    Raises:
        SpecError: the packages of the extra cluster are not installed; SLURM refuses what was asked for.
    """
    try:
        import dask
        import distributed  # noqa: F401
    except ImportError as error:
        raise SpecError(
            f"worker: the engine {settings.engine} needs the package {error.name}. "
            "Run `pip install distributed dask-jobqueue cryptography` (the extra cluster), or use the engine local."
        ) from error
    dask.config.set(_CONFIG)
    if settings.engine == "slurm":
        from ssrl_core.runs.worker.engines.places import SlurmPlace

        return DaskEngine(SlurmPlace(settings), warm=settings.warm)
    place = OwnWorkers(settings) if settings.engine == "dask" else Scheduler(settings)
    return DaskEngine(place, warm=settings.warm)


class DaskEngine:
    """Runs carried by Dask.

    Args:
        place: where the scheduler is.
        warm: whether a child takes several runs, one at a time.
        command: what to start instead of the training, without the folder (tests start something smaller).
    """

    def __init__(
        self,
        place: Place,
        *,
        warm: bool = True,
        command: list[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = place.words
        self.outlives, self.cards = place.outlives, place.cards
        self.trouble = f"{place.words} has not answered yet."
        self._place, self._warm, self._command, self._clock = place, warm, command, clock
        self._client: Any = None
        self._asked_at = self._tended_at = -1e9
        self._jobs: list[DaskJob] = []

    @property
    def slots(self) -> int:
        """Threads of the workers that are there now; what is at work but no longer in a worker's list counts too."""
        return sum(self._threads().values())

    def start(self, folder: Path) -> DaskJob:
        """See `Engine.start`."""
        if self._client is None:
            raise OSError(self.trouble)
        key = f"{folder.name}-{time.time_ns():x}"
        threads = max(self._threads().values(), default=1)
        future = self._client.submit(
            execute,
            str(folder),
            store_paths(),
            threads,
            self._warm,
            self._command,
            key=key,
            pure=False,
            retries=0,
        )
        job = DaskJob(self, future, folder)
        self._jobs = [*(one for one in self._jobs if one.poll() is None), job]
        return job

    def tend(self, waiting: int) -> None:
        """See `Engine.tend`."""
        now = self._clock()
        if self._client is not None and self._client.status not in ("running", "connecting"):
            self._let_go(f"{self._place.words} no longer answers; it is asked again every {_ASK_AGAIN_S:g} s.")
        if self._client is None and now - self._asked_at >= _ASK_AGAIN_S:
            self._connect(now)
        if self._client is None:
            return
        busy = sum(slots_of(job.folder, self.cards) for job in self._jobs if job.poll() is None)
        self._place.scale(waiting + busy)
        self.trouble = "" if self.slots else self._place.why_no_slots()
        if not waiting and now - self._tended_at > _TEND_S:
            self._tended_at = now
            self.everywhere(tend)

    def close(self) -> None:
        """See `Engine.close`."""
        with contextlib.suppress(Exception):
            if self._client is not None:
                self._client.close(timeout=5)
        with contextlib.suppress(Exception):
            self._place.close()

    def everywhere(self, function: Callable[..., Any], *args: Any) -> bool:
        """Call a function on every worker; whether it could be done on all that are there."""
        if self._client is None:
            return False
        try:
            self._client.run(function, *args, nanny=False, on_error="ignore")
        except Exception as error:  # noqa: BLE001 (whatever Dask says: the workers cannot be reached now)
            LOG.warning("%s: %s", self.name, error)
            return False
        return True

    def _threads(self) -> dict[str, int]:
        if self._client is None:
            return {}
        try:
            workers = self._client.scheduler_info(n_workers=-1)["workers"]
        except (OSError, KeyError, ValueError, RuntimeError):
            return {}
        return {name: int(worker["nthreads"]) for name, worker in workers.items()}

    def _connect(self, now: float) -> None:
        self._asked_at = now
        try:
            self._client = self._place.connect()
        except SpecError as error:
            self.trouble = error.message
        except Exception as error:  # noqa: BLE001 (time-outs and refusals come in many kinds)
            again = f"It is asked again every {_ASK_AGAIN_S:g} s."
            self.trouble = f"{self._place.words} does not answer ({_short(error)}). {again}"

    def _let_go(self, why: str) -> None:
        with contextlib.suppress(Exception):
            self._client.close(timeout=1)
        self._client, self.trouble = None, why


@dataclass
class DaskJob:
    """One run on a Dask worker. See `Job` for the methods."""

    engine: DaskEngine
    future: Any
    folder: Path
    killed_at: float | None = None
    answer: dict[str, Any] | None = None

    @property
    def worker(self) -> str:
        """See `Job.worker`."""
        return self.engine.name

    def poll(self) -> int | None:
        """See `Job.poll`."""
        if self.answer is None:
            self.answer = self._asked()
        return None if self.answer is None else int(self.answer["code"])

    def last_words(self) -> dict[str, Any] | None:
        """See `Job.last_words`."""
        return (self.answer or {}).get("words")

    def ask_to_end(self) -> None:
        """See `Job.ask_to_end`."""
        self.engine.everywhere(reach, str(self.folder), "ask")

    def kill(self) -> None:
        """See `Job.kill`. A worker that cannot be reached is taken as lost after a moment."""
        if self.poll() is None and self.killed_at is None:
            self.killed_at = time.monotonic()
            self.engine.everywhere(reach, str(self.folder), "kill")

    def _asked(self) -> dict[str, Any] | None:
        status = self.future.status
        if status == "finished":
            return dict(self.future.result(timeout=ANSWER_S))
        if status in ("cancelled", "lost"):
            return {"code": WORKER_LOST}
        if status == "error":
            return _of_error(self.future.exception(timeout=ANSWER_S))
        if self.killed_at is not None and time.monotonic() - self.killed_at > _KILL_S:
            return {"code": WORKER_LOST}
        return None


def _of_error(error: BaseException | None) -> dict[str, Any]:
    """A task that ended with an exception: its worker was lost, or the run could not be started there."""
    if type(error).__name__ in ("KilledWorker", "CommClosedError", "FutureCancelledError", "CancelledError"):
        return {"code": WORKER_LOST}
    message = (
        f"The Dask worker could not start the training ({_short(error)}). Its environment needs Viewloom and "
        f"what it depends on, with Python {sys.version_info.major}.{sys.version_info.minor}; see the worker's log."
    )
    return {"code": FAILED, "words": {"type": "RunError", "message": message, "where": "worker", "remedy": ""}}


def _short(error: BaseException | None) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) < 200 else text[:199] + "…"
