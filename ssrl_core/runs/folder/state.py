"""`state.json`: what a run is doing now, written by the child alone, with a sign of life every two seconds."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from ssrl_core import stores
from ssrl_core.errors import DataError
from ssrl_core.runs.folder.locks import Lock

BEAT_S = 2.0
LOST_AFTER_S = 30.0
_PROGRESS_S = 1.0  # the loop may report every step; the file is written at most this often

PHASES = ("load", "train", "embed", "evaluate", "layout")
_KEPT = ("step", "steps", "epoch", "epochs", "progress", "images_per_s")  # an attempt goes on where the one before was


def empty_state(run_id: str) -> dict[str, Any]:
    """The fields of `state.json` before anything is known (C6)."""
    return {
        "version": 1,
        "id": run_id,
        "state": "queued",
        "phase": None,
        "step": 0,
        "steps": None,
        "epoch": 0,
        "epochs": None,
        "progress": 0.0,
        "eta_s": None,
        "images_per_s": None,
        "started_at": None,
        "updated_at": None,
        "alive_at": None,
        "device": None,
        "device_memory_bytes": None,
        "host": None,
        "pid": None,
        "attempt": 0,
        "error": None,
        "versions": {},
    }


class StateWriter:
    """The one writer of a run's `state.json`.

    Starts with `state: running` and the next attempt number; a thread renews `alive_at` every `BEAT_S` until `end`.
    A full disk does not stop the training here: what cannot be written now is written with the next beat.

    Args:
        folder: the run folder; its lock must be held.
        versions: `{viewloom, python, torch, git}`.
    """

    def __init__(self, folder: Path, versions: dict[str, str | None]) -> None:
        self._path = folder / "state.json"
        self._guard = threading.Lock()
        self._over = threading.Event()
        self._written_at = 0.0
        before = _previous(self._path)
        now = stores.utc_now()
        self.fields = empty_state(folder.name) | {
            "state": "running",
            "phase": "load",
            **{name: before[name] for name in _KEPT if before.get(name)},
            "started_at": before.get("started_at") or now,
            "updated_at": now,
            "alive_at": now,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "attempt": int(before.get("attempt") or 0) + 1,
            "versions": versions,
        }
        self._write()
        self._thread = threading.Thread(target=self._beat, name="alive", daemon=True)
        self._thread.start()

    def update(self, *, now: bool = False, **fields: Any) -> None:
        """Take new values of the loop; written at most once a second unless `now`, or where the phase is another."""
        with self._guard:
            now = now or fields.get("phase", self.fields["phase"]) != self.fields["phase"]
            self.fields |= fields | {"updated_at": stores.utc_now()}
        if now or time.monotonic() - self._written_at >= _PROGRESS_S:
            self._try_write()

    def end(self, state: str, error: dict[str, Any] | None = None) -> bool:
        """Write the last state; False if even that could not be written (a full disk)."""
        self._over.set()
        moment = stores.utc_now()
        with self._guard:
            self.fields |= {"state": state, "error": error, "eta_s": None, "updated_at": moment, "alive_at": moment}
            if state == "done":
                self.fields |= {"progress": 1.0, "phase": None}
        return self._try_write()

    def close(self) -> None:
        """No more signs of life; what was written last stays."""
        self._over.set()

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            with self._guard:
                self.fields["alive_at"] = stores.utc_now()
            if not self._over.is_set():
                self._try_write()

    def _try_write(self) -> bool:
        try:
            self._write()
        except OSError:
            return False
        return True

    def _write(self) -> None:
        with self._guard:
            stores.write_json(self._path, self.fields)
            self._written_at = time.monotonic()

    def __enter__(self) -> StateWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()


def close_state(folder: Path, state: str, error: dict[str, Any] | None = None) -> None:
    """Write the end of a run whose child could not; under the run's lock, so there is still one writer.

    Nothing happens where somebody holds the lock, or the file says so already.

    Raises:
        OSError: a full disk.
    """
    found = empty_state(folder.name) | _previous(folder / "state.json")
    lock = Lock(folder / "lock")
    if found["state"] == state or not folder.is_dir() or not lock.take():
        return
    try:
        stores.write_json(folder / "state.json", found | {"state": state, "eta_s": None, "error": error})
    finally:
        lock.give_back()


def _previous(path: Path) -> dict[str, Any]:
    """What an earlier attempt left; nothing if it cannot be read (it is written anew)."""
    try:
        return stores.read_json(path)
    except DataError:
        return {}
