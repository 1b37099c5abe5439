"""What the coordinator needs of an engine: a place where the processes of runs are started and watched."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol


class Job(Protocol):
    """One child at work on one run folder."""

    @property
    def worker(self) -> str:
        """Where it runs, for people: `local, process 4711`."""

    def poll(self) -> int | None:
        """The exit code (C6; negative: the signal that killed it), None while it runs. Keeps answering the same."""

    def last_words(self) -> dict[str, Any] | None:
        """The error that the child told its starter, for when its disk was too full to write it down."""

    def ask_to_end(self) -> None:
        """Tell the child to write a checkpoint and end (SIGTERM, where there is one)."""

    def kill(self) -> None:
        """End the child at once."""


class Engine(Protocol):
    """A place with a number of slots.

    Attributes:
        trouble: why nothing can be started now (a scheduler does not answer), "" when all is well. Runs that wait show
            it as the reason.
        cards: GPUs beside each other that a run's devices may lie on, each a slot (or several runs'); 0 where a run
            takes one slot whatever it asks for.
        outlives: its jobs go on when the coordinator ends (a scheduler that is somebody else's).
    """

    name: str
    trouble: str
    outlives: bool

    @property
    def cards(self) -> int:
        """See above."""

    @property
    def slots(self) -> int:
        """Runs at the same time; may change while nodes come and go."""

    def start(self, folder: Path) -> Job:
        """Start the training child on a run folder.

        Raises:
            OSError: no process can be started now.
        """

    def tend(self, waiting: int) -> None:
        """Called at every tick: ask for nodes, give idle ones back, connect again.

        Args:
            waiting: runs that could start (at most 1000 are counted).
        """

    def close(self) -> None:
        """Give back what the engine holds."""
