"""The child's ties to the outside: it ends itself when its coordinator is gone, and stops when asked to.

The coordinator holds the other end of the child's standard input. When the coordinator dies, by whatever means, the
system closes that end, and no orphan goes on training.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

PRE_EMPTED = 5
_LOOK_S = 0.5
WAIT_S = 5.0


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
