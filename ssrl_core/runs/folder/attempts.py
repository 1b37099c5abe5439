"""What an ended child means for its run: done, failed, stopped, or once more, and how often."""

from __future__ import annotations

import hashlib
import json
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DONE, FAILED, BAD_SPEC, STOPPED, LOCKED, PRE_EMPTED = range(6)
WORKER_LOST = -1000  # no exit code: the engine lost the place where the child was
MAX_CRASHES = 3
MAX_LOST = 20  # a lost node is not the run's fault
_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 300.0


@dataclass(frozen=True)
class Verdict:
    """The next state of a run, and what is said about it.

    Attributes:
        crash: the child ended without saying why; counted by `Crashes`.
        lost: it ended with the place where it was (a node, a worker).
        pause_s: seconds before it may start again.
    """

    state: str
    reason: str | None = None
    waits_for: str | None = None
    crash: bool = False
    lost: bool = False
    pause_s: float = 0.0


def judge(code: int, *, wanted: str, message: str | None) -> Verdict:
    """What an exit code means.

    Args:
        code: of the child (C6); negative: the signal that killed it.
        wanted: run | stop | pause, what the user wants now.
        message: the error that the child left.
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
    if code == WORKER_LOST:
        return Verdict("queued", "Its worker was lost. It goes on from its checkpoint.", crash=True, lost=True)
    return Verdict("queued", f"{ended(code)} It goes on from its checkpoint.", crash=True)


def ended(code: int) -> str:
    """An unexpected end in words."""
    if code >= 0:
        return f"The training process ended with code {code}."
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = " (by hand, or because the memory was full)" if -code == 9 else ""
    return f"The training process was killed by {name}{hint}."


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
