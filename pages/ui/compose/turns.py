"""Who goes first on a machine of few cores: views that somebody waits for, then first bars, then all else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pages.ui.kit import cache

PREVIEW, FIRST_BARS, REST = range(3)
_PATIENCE_S = 0.5


class Turns:
    """Counts the urgent work in progress; threads of less haste wait for it between two pieces, though not for ever."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._going = [0] * REST

    @contextmanager
    def first(self, level: int) -> Iterator[None]:
        """While this goes on, work of a later level starts no new piece."""
        with self._lock:
            self._going[level] += 1
        try:
            yield
        finally:
            with self._lock:
                self._going[level] -= 1
                self._lock.notify_all()

    def wait(self, level: int) -> None:
        """Until nothing of an earlier level goes on, half a second at most: what is least urgent must end, too."""
        with self._lock:
            self._lock.wait_for(lambda: not any(self._going[:level]), _PATIENCE_S)


@cache.kept
def turns() -> Turns:
    """The one of this process."""
    return Turns()
