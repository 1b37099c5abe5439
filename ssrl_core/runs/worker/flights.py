"""A run that a child is working on, as the coordinator remembers it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ssrl_core import stores
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.worker.engines.protocol import Job


@dataclass
class Flight:
    """A run that a child is working on.

    Attributes:
        sign: the last `alive_at` that was seen; `seen_at` when it was new, by our own clock (clocks of hosts differ,
            and a laptop sleeps).
    """

    id: str
    job: Job
    spec: str
    seen_at: float
    sign: str | None
    attempt: int
    spoke: bool = False
    stop_since: float | None = None
    killed: str | None = None
    copied_at: float = -1e9
    copied: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> RunFolder:
        """Its run folder."""
        return RunFolder.own(self.id)


def over(state: str, reason: str | None) -> dict[str, Any]:
    """Registry columns of a run that is over."""
    return {
        "state": state,
        "reason": reason,
        "waits_for": None,
        "phase": None,
        "eta_s": None,
        "finished_at": stores.utc_now(),
    }
