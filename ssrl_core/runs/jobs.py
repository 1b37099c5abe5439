"""Small jobs that a page starts and only watches, such as descriptors and layouts: a command in a process of its own.

A job is a command line with `SSRL_JOB` naming the file that it reports to, `models/jobs/<name>.json`. It outlives the
page and the app; whoever comes back sees how far it is. One job of a name runs at a time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ssrl_core import access, stores
from ssrl_core.errors import DataError, SSRLError, Stopped
from ssrl_core.runs.queue.processes import child_environment, start_detached

VARIABLE = "SSRL_JOB"
_EVERY_S = 0.4


def file_of(name: str) -> Path:
    """Where a job reports."""
    return stores.models_root() / "jobs" / f"{stores.as_slug(name)}.json"


def state_of(name: str) -> dict[str, Any] | None:
    """{state: running | done | failed | stopped, progress, message, pid, started_at}, None if it was never started.

    A job whose process is gone without a word has failed. A file that says nothing of the kind is none.
    """
    path = file_of(name)
    try:
        found: dict[str, Any] = {"progress": 0.0, "message": "", "pid": 0, **stores.read_json(path)}
    except (DataError, SSRLError):
        return None
    types = (("state", str), ("progress", int | float), ("message", str), ("pid", int))
    if not all(isinstance(found.get(key), kind) for key, kind in types):
        return None
    if found["state"] != "running" or _is_at_work(found["pid"], path):
        return found
    return found | {"state": "failed", "message": "Its process has ended without a word. Start it again."}


def _is_at_work(pid: int, path: Path) -> bool:
    """Whether this process is the job that reports there; the number of one that is gone may be another's by now."""
    import psutil

    if pid == os.getpid():
        return True
    try:
        process = psutil.Process(pid)
        if "ssrl_core" not in process.cmdline():
            return False
        with suppress(psutil.AccessDenied):
            return bool(process.environ().get(VARIABLE, str(path)) == str(path))
    except (psutil.Error, ValueError, OverflowError):
        return False
    return True


def start(name: str, words: Sequence[str]) -> bool:
    """Start `python -m ssrl_core WORDS…` as this job, detached; False if it runs already.

    Never call it from a page's body: from a callback.
    """
    access.require_editor("Having something worked out for all")
    now = state_of(name)
    if now is not None and now["state"] == "running":
        return False
    path = file_of(name)
    path.with_suffix(".stop").unlink(missing_ok=True)
    process = start_detached(words, child_environment() | {VARIABLE: str(path)})
    _write(path, "running", 0.0, "", process.pid)
    return True


def stop(name: str) -> None:
    """Ask a job to end; it does so at its next report."""
    access.require_editor("Stopping a job")
    stores.replace(file_of(name).with_suffix(".stop"), "")


class Reporter:
    """How a command tells its job how far it is; does nothing when it is no job.

    Used as `with jobs.Reporter() as report: work(report)`; `report(share)` raises Stopped when somebody wants the end.
    """

    def __init__(self) -> None:
        named = os.environ.get(VARIABLE)
        self.path = Path(named) if named else None
        self._told = 0.0

    def __enter__(self) -> Reporter:
        if self.path is not None:
            _write(self.path, "running", 0.0, "", os.getpid())
        return self

    def __call__(self, share: float) -> None:
        """Tell the share done, 0..1, at most a few times a second."""
        now = time.monotonic()
        if self.path is None or (now - self._told < _EVERY_S and share < 1):
            return
        self._told = now
        if self.path.with_suffix(".stop").exists():
            raise Stopped("The job was stopped.")
        _write(self.path, "running", share, "", os.getpid())

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self.path is None:
            return
        state = "done" if error is None else "stopped" if isinstance(error, Stopped) else "failed"
        message = "" if error is None else error.message if isinstance(error, SSRLError) else repr(error)
        _write(self.path, state, 1.0 if error is None else 0.0, message, os.getpid())


def _write(path: Path, state: str, share: float, message: str, pid: int) -> None:
    stores.write_json(
        path,
        {
            "version": 1,
            "state": state,
            "progress": round(float(share), 4),
            "message": message,
            "pid": pid,
            "updated_at": stores.utc_now(),
        },
    )
