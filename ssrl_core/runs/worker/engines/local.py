"""The engine of one machine: each run in a child process of the coordinator, tied to it by a life line."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from ssrl_core.runs.worker.engines.children import (
    ChildJob,
    Children,
    Command,
    child_environment,
    cores,
    source_folder,
    train_command,
)

__all__ = ["LocalEngine", "child_environment", "cores", "gpus_here", "source_folder", "train_command"]


class LocalEngine:
    """Children of this process.

    Args:
        slots: runs at the same time; the machine's cores are shared out among them, and its GPUs dealt out in turn.
        command: what to start for a run folder (tests start something smaller).
        warm: whether a child takes several runs, one at a time.
        gpus: their names for CUDA_VISIBLE_DEVICES; empty leaves the children's environment alone.
    """

    name = "local"
    trouble = ""
    outlives = False

    def __init__(
        self, slots: int = 1, command: Command | None = None, *, warm: bool = True, gpus: tuple[str, ...] = ()
    ) -> None:
        self.slots = slots
        self._gpus = gpus
        self._children = Children("local", warm=warm, command=command)
        self._jobs: dict[int, ChildJob] = {}

    def start(self, folder: Path) -> ChildJob:
        """See `Engine.start`."""
        taken = {place for place, job in self._jobs.items() if job.poll() is None}
        place = next(number for number in range(len(taken) + 1) if number not in taken)
        self._jobs[place] = self._children.start(folder, self._environment(place))
        return self._jobs[place]

    def tend(self, waiting: int) -> None:
        """See `Engine.tend`."""
        if not waiting:
            self._children.tend()

    def close(self) -> None:
        """Let go of the warm children that are free; those at work end by their life lines."""
        self._children.close()

    def _environment(self, place: int) -> dict[str, str]:
        environment = child_environment(self.slots)
        if self._gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self._gpus[place % len(self._gpus)]
        return environment


def gpus_here() -> tuple[str, ...]:
    """The NVIDIA cards of this machine for CUDA_VISIBLE_DEVICES, asked without importing torch; the user's own choice
    counts."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return tuple(name.strip() for name in chosen.split(",") if name.strip() not in ("", "-1"))
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        said = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(str(number) for number, line in enumerate(said.splitlines()) if line.startswith("GPU "))
