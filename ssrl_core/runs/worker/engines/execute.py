"""What runs on a Dask worker: the training child of one run, watched there, and ways to reach it from outside.

The child is a process of its own, so that its memory and its GPU are given back and it can be killed; its life line
ends in the worker, so that a worker that is killed takes it along.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from ssrl_core.runs.queue.processes import child_environment
from ssrl_core.runs.worker.engines.local import ChildJob, Children

_NAP_S = 0.05
_guard = threading.Lock()
_children: dict[bool, Children] = {}
_jobs: dict[str, ChildJob] = {}


def execute(
    folder: str, stores: dict[str, str], slots: int, warm: bool, command: list[str] | None = None
) -> dict[str, Any]:
    """Train the run in a folder; returns when its child has ended.

    Args:
        stores: SSRL_DATA and SSRL_MODELS as the coordinator sees them.
        slots: runs at the same time on this worker, which share its cores.
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
        job = _jobs[folder] = children.start(Path(folder), child_environment(slots))
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
