"""What a run is doing now, and what its end means.

`state.json` is written by the child alone, with a sign of life every two seconds. How a child ended says whether its
run is done, failed, stopped, or tried once more, and how often.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import signal
import socket
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from ssrl_core import stores
from ssrl_core.errors import DataError
from ssrl_core.runs.folder.locks import Lock
from ssrl_core.runs.folder.results import NUMBER, TEXT, sound

BEAT_S = 2.0
LOST_AFTER_S = 30.0
_PROGRESS_S = 1.0  # the loop may report every step; the file is written at most this often

STATES = ("queued", "running", "done", "failed", "stopped")
PHASES = ("load", "train", "embed", "evaluate", "layout")
_KEPT = ("step", "steps", "epoch", "epochs", "progress", "images_per_s")  # an attempt goes on where the one before was
DONE, FAILED, BAD_SPEC, STOPPED, LOCKED, PRE_EMPTED, RANK_LOST = range(7)
DISK_FULL = "The disk is full"  # how the reason of such an end begins
_NO_SPACE = (DISK_FULL, os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
WORKER_LOST = -1000  # no exit code: the engine lost the place where the child was
MAX_CRASHES = 3
MAX_LOST = 20  # a lost node, or a kill from outside, is not the run's fault
_FROM_OUTSIDE = {-int(getattr(signal, name, 0)) for name in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")} - {0}
_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 300.0


def found_no_space(reason: str | None) -> bool:
    """Whether a run ended for want of room on the disk."""
    return any(told in (reason or "") for told in _NO_SPACE)


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


_MOMENTS = ("started_at", "updated_at", "alive_at")
_SHAPE: dict[str, Any] = {
    **dict.fromkeys(("step", "steps", "epoch", "epochs", "progress", "eta_s", "images_per_s"), NUMBER),
    **dict.fromkeys(("device_memory_bytes", "pid", "attempt"), NUMBER),
    **dict.fromkeys(("id", "state", "phase", "device", "host", *_MOMENTS), TEXT),
    "error": dict.fromkeys(("type", "where", "message", "remedy"), TEXT),
    "versions": {"*": TEXT},
}


def read_state(folder: Path, damaged: dict[str, str] | None = None) -> dict[str, Any]:
    """The fields of `state.json` (C6); one that is missing, or not of its type, is as before anything is known.

    Args:
        damaged: is told which are of another type, and what they are instead.
    """
    told, empty = ({} if damaged is None else damaged), empty_state(folder.name)
    found = sound(_previous(folder / "state.json"), _SHAPE, "", told)
    for name in (name for name in (*_MOMENTS, "state", "phase") if found.get(name) is not None):
        if not is_moment(found[name]) if name in _MOMENTS else found[name] not in _WORDS[name]:
            told[name] = f"must be {'a moment in UTC' if name in _MOMENTS else 'one of ' + ', '.join(_WORDS[name])}."
            found[name] = None
    return {**empty, **found, **{name: value for name, value in empty.items() if found.get(name) is None}}


_WORDS = {"state": STATES, "phase": PHASES}


def is_moment(text: Any) -> bool:
    """Whether this is a moment as files have it."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except (ValueError, TypeError):
        return False


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
        before = read_state(folder)
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
    found = read_state(folder)
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


@dataclass(frozen=True)
class Verdict:
    """The next state of a run, and what is said about it.

    Attributes:
        crash: the child ended without saying why; counted by `Crashes`.
        lost: it ended with the place where it was (a node, a worker), or somebody killed it.
        pause_s: seconds before it may start again.
    """

    state: str
    reason: str | None = None
    waits_for: str | None = None
    crash: bool = False
    lost: bool = False
    pause_s: float = 0.0


def judge(code: int, *, wanted: str, message: str | None, by_memory: bool = False) -> Verdict:
    """What an exit code means.

    Args:
        code: of the child (C6); negative: the signal that killed it.
        wanted: run | stop | pause, what the user wants now.
        message: the error that the child left.
        by_memory: the system killed a process for memory meanwhile, probably this one.
    """
    if code == DONE:
        return Verdict("done")
    if code in (FAILED, BAD_SPEC):
        return Verdict("failed", message or "The run failed without a message. See its log.")
    if wanted == "stop":
        return Verdict("stopped")
    if code == STOPPED:
        return Verdict("queued")  # somebody asked for it to go on while it was stopping
    if code == LOCKED:
        return Verdict("queued", waits_for="Another process is at work in its folder.")
    if code == PRE_EMPTED:
        return Verdict("queued", "It was asked to make room; it goes on from its checkpoint.")
    if code == RANK_LOST:
        return Verdict("queued", "One of its devices' processes was lost. It goes on from its checkpoint.", crash=True)
    if code == WORKER_LOST:
        return Verdict("queued", "Its worker was lost. It goes on from its checkpoint.", crash=True, lost=True)
    outside = code in _FROM_OUTSIDE and not by_memory
    told = f"{ended(code, by_memory=by_memory)} It goes on from its checkpoint."
    return Verdict("queued", told, crash=True, lost=outside)


def oom_kills() -> int:
    """How many processes the system has killed for memory since it started; 0 where it does not say."""
    try:
        found = re.search(r"^oom_kill (\d+)$", Path("/proc/vmstat").read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def ended(code: int, *, by_memory: bool = False) -> str:
    """An unexpected end in words."""
    if code >= 0:
        return f"The training process ended with code {code}."
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if by_memory and -code == 9:
        return f"The training process was killed by {name}, because the memory was full."
    if code in _FROM_OUTSIDE:
        return f"The training process was killed from outside ({name}), which is not the run's fault."
    return f"The training process was killed by {name}."


@dataclass(frozen=True)
class Crashes:
    """Crashes in a row without progress; kept in the registry's `params` so that a new coordinator goes on counting.

    Attributes:
        count: crashes of the training itself.  lost: times that its worker was lost.
        mark: how far it had got (`progress_mark`).
    """

    count: int = 0
    mark: str = ""
    lost: int = 0

    @classmethod
    def of(cls, params: str | None) -> Crashes:
        """From the registry's text."""
        try:
            data = json.loads(params or "{}")
            return cls(int(data.get("crashes", 0)), str(data.get("mark", "")), int(data.get("lost", 0)))
        except (ValueError, AttributeError, TypeError):
            return cls()

    def with_one_more(self, mark: str, *, lost: bool = False) -> Crashes:
        """After another crash; progress since the last one starts the count anew."""
        before = self if mark == self.mark else Crashes()
        return Crashes(before.count + (not lost), mark, before.lost + lost)

    @property
    def too_many(self) -> bool:
        """Whether to give up."""
        return self.count >= MAX_CRASHES or self.lost >= MAX_LOST

    @property
    def pause_s(self) -> float:
        """Seconds before the next attempt: none after the first crash, then longer each time."""
        again = self.count + self.lost - 1
        return min(_LONGEST_PAUSE_S, _PAUSE_S * 2.0 ** (again - 1)) if again > 0 else 0.0

    def text(self) -> str:
        """For the registry."""
        return json.dumps({"crashes": self.count, "lost": self.lost, "mark": self.mark})


def progress_mark(folder: Path) -> str:
    """Changes whenever a run got further: a new checkpoint, or one more file that lasts."""
    found: dict[str, Any] = {}
    for path in folder.glob("*"):
        if path.suffix in (".npy", ".safetensors") and not path.name.startswith("."):
            found[path.name] = 1
    for name in ("checkpoint.pt.sha256", "results.json"):
        try:
            found[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except OSError:
            continue
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]
