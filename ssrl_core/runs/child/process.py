"""The child's ties to the outside: it ends with its coordinator, stops when asked to, and prints into `log.txt`.

The coordinator holds the other end of the child's standard input. When the coordinator dies, by whatever means, the
system closes that end, and no orphan goes on training.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import json
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ssrl_core import stores

PRE_EMPTED = 5
_LOOK_S = 0.5
WAIT_S = 5.0
_GIVEN_WAY = 10


def end_with_parent() -> None:
    """End this process at once when standard input closes.

    A raw `os.read` in a thread: a buffered read in a daemon thread can hang the interpreter's own end.
    """
    threading.Thread(target=_wait_until_closed, name="parent-watch", daemon=True).start()


def _wait_until_closed() -> None:
    try:
        while os.read(0, 64):
            pass
    except OSError:
        pass
    os._exit(PRE_EMPTED)


def give_way() -> None:
    """Let pages and commands go first where all cores are busy: a training takes hours, an answer must not."""
    if hasattr(os, "nice"):
        os.nice(_GIVEN_WAY)


class StopRequest:
    """Whether somebody wants this run to stop: a STOP file (a person), or a signal (the system takes the machine back).

    Args:
        folder: the run folder.
        give_up: called with "stopped" or "pre-empted" when the request was not heard for `WAIT_S` outside the
            training loop (a t-SNE cannot be interrupted); must end the process.
    """

    def __init__(self, folder: Path, give_up: Callable[[str], None]) -> None:
        self._file = folder / "STOP"
        self._give_up = give_up
        self._signal = False
        self._since: float | None = None
        self._over = threading.Event()
        self.training = False  # True while the training loop runs, which writes a checkpoint first
        threading.Thread(target=self._watch, name="stop-request", daemon=True).start()

    def listen(self) -> None:
        """Take SIGTERM and SIGUSR1 (SLURM's warning) as a request to stop; call from the main thread."""
        signal.signal(signal.SIGTERM, self._on_signal)
        if hasattr(signal, "SIGUSR1"):
            signal.signal(signal.SIGUSR1, self._on_signal)

    def close(self) -> None:
        """The attempt is over: watch no more, and let signals end the process again."""
        self._over.set()
        for name in ("SIGTERM", "SIGUSR1"):
            if hasattr(signal, name) and threading.current_thread() is threading.main_thread():
                signal.signal(getattr(signal, name), signal.SIG_DFL)

    def wanted(self) -> bool:
        """True once the run should stop."""
        return self._signal or self._file.exists()

    def kind(self) -> str:
        """`stopped` (somebody asked, it stays so) or `pre-empted` (it should go on elsewhere)."""
        return "stopped" if self._file.exists() else "pre-empted"

    def _on_signal(self, number: int, frame: object) -> None:
        self._signal = True

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_S):
            if self.training or not self.wanted():
                self._since = None
                continue
            self._since = self._since or time.monotonic()
            if time.monotonic() - self._since > WAIT_S:
                self._give_up(self.kind())


def ignore_interrupts() -> None:
    """Leave Ctrl-C in a terminal to the coordinator, which stops its children in order."""
    if sys.platform != "win32":
        signal.signal(signal.SIGINT, signal.SIG_IGN)


class RunLog:
    """Sends standard output and error of this process, whatever writes to them, into the run's log.

    Args:
        folder: the run folder.
        echo: also write our own lines on the standard error that the process was started with (a person looks on).
    """

    def __init__(self, folder: Path, *, echo: bool) -> None:
        self._starter = os.dup(1)
        self._error = os.dup(2)
        self._screen = self._error if echo else None
        self._streams = sys.stdout, sys.stderr
        with open(folder / "log.txt", "ab", buffering=0) as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        sys.stdout = sys.stderr = io.TextIOWrapper(
            _NeverFailing(), encoding="utf-8", errors="replace", write_through=True
        )
        warnings.simplefilter("default")
        faulthandler.enable(file=2)

    def write(self, text: str) -> None:
        """A line with the time."""
        print(f"{stores.utc_now()[:19].replace('T', ' ')}  {text}")
        if self._screen is not None:
            with contextlib.suppress(OSError):
                os.write(self._screen, f"{text}\n".encode())

    def close(self) -> None:
        """Give standard output and error back to whoever started the process."""
        sys.stdout, sys.stderr = self._streams
        for number, kept in ((1, self._starter), (2, self._error)):
            os.dup2(kept, number)
            os.close(kept)

    def report_error(self, error: dict[str, Any]) -> None:
        """Tell the starter the error; the disk may be too full to write it down."""
        with contextlib.suppress(OSError):
            os.write(self._starter, (json.dumps({"error": error}, default=str) + "\n").encode())


class _NeverFailing(io.RawIOBase):
    """Standard error that never fails: with a full disk the log loses lines, the training does not end."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        with contextlib.suppress(OSError):
            os.write(2, bytes(data))
        return len(data)
