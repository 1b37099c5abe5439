"""`log.txt`: everything that the child prints goes there; an error also to whoever started it."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from ssrl_core import stores


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
