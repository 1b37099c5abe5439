"""What the coordinator needs of an engine: a place where training children run."""

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
    """A place with a number of slots."""

    name: str
    slots: int

    def start(self, folder: Path) -> Job:
        """Start the training child on a run folder.

        Raises:
            OSError: no process can be started now.
        """

    def close(self) -> None:
        """Give back what the engine holds."""
