"""The engine of one machine: each run is a child process of the coordinator, tied to it by a life line."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ssrl_core import stores

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def train_command(folder: Path) -> list[str]:
    """The engine-free training command; with a life line, because a coordinator holds the other end."""
    return [sys.executable, "-m", "ssrl_core.runs.train", str(folder), "--lifeline"]


class LocalEngine:
    """Children of this process.

    Args:
        slots: runs at the same time; the machine's cores are shared out among them.
        command: what to start for a run folder (tests start something smaller).
    """

    name = "local"

    def __init__(self, slots: int = 1, command: Callable[[Path], list[str]] = train_command) -> None:
        self.slots = slots
        self._command = command

    def start(self, folder: Path) -> LocalJob:
        """See `Engine.start`."""
        return LocalJob(self._command(folder), folder, child_environment(self.slots))

    def close(self) -> None:
        """Nothing is held: children end by their life lines."""


class LocalJob:
    """One child. Its standard input is the life line, its standard output carries one line: the error it ended with."""

    def __init__(self, command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        with _log_of(folder) as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=dict(environment),
                cwd=source_folder(),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )

    @property
    def worker(self) -> str:
        """See `Job.worker`."""
        return f"local, process {self._process.pid}"

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    def poll(self) -> int | None:
        """See `Job.poll`."""
        return self._process.poll()

    def last_words(self) -> dict[str, Any] | None:
        """See `Job.last_words`; read once, after the end."""
        stream = self._process.stdout
        if self._process.poll() is None or stream is None or stream.closed:
            return None
        try:
            if os.name != "nt":
                os.set_blocking(stream.fileno(), False)  # a grandchild may still hold the other end
            said = stream.read() or b""
            line = said.strip().splitlines()[-1:]
            error = json.loads(line[0])["error"] if line else None
            return error if isinstance(error, dict) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        finally:
            self._close()

    def ask_to_end(self) -> None:
        """See `Job.ask_to_end`; where there are no signals, the life line is cut."""
        if os.name == "nt":
            self._close()
        elif self._process.poll() is None:
            self._process.terminate()

    def kill(self) -> None:
        """See `Job.kill`."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(timeout=30)

    def _close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # the child is gone; there is nothing left to flush
                    stream.close()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def child_environment(slots: int = 1) -> dict[str, str]:
    """Environment of a child: the same stores by absolute path, and its share of the cores."""
    share = str(max(1, cores() // slots))
    own = {name: os.environ.get(name, share) for name in _THREADS}
    return {**os.environ, **own, "SSRL_DATA": str(stores.data_root()), "SSRL_MODELS": str(stores.models_root())}


def source_folder() -> Path:
    """The folder that `python -m ssrl_core` is found from."""
    return Path(__file__).resolve().parents[3]


def _log_of(folder: Path) -> Any:
    """The run's log for what a crash prints; a full disk or a folder without rights must not stop the start."""
    try:
        return open(folder / "log.txt", "ab")
    except OSError:
        return open(os.devnull, "ab")
