"""Watching a training: does the loss stay a number, do projections stay apart?"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

COLLAPSED_BELOW = 0.02
COLLAPSED_LINES = 3
_NEVER = torch.iinfo(torch.int64).max


class Divergence:
    """The first step whose loss was no number, kept on the device so that no step waits for it."""

    def __init__(self, device: torch.device) -> None:
        self._first = torch.full((), _NEVER, dtype=torch.int64, device=device)

    @torch.no_grad()
    def see(self, step: int, loss: Tensor) -> None:
        """Take note of a step's loss."""
        self._first = torch.where(torch.isfinite(loss), self._first, self._first.clamp(max=step))

    def first(self) -> int | None:
        """The first such step, or None; waits for the device."""
        step = int(self._first)
        return None if step == _NEVER else step


class Collapse:
    """Notices once that all images get nearly the same projection.

    Collapsed is: z_std below 0.02 (1 is evenly spread, 0 is one point) in three metric lines running. Healthy runs of
    the thirteen methods stay above 0.2; a run that collapses falls below 0.01 within a few dozen steps and stays there.

    Args:
        lines: what the metrics file already holds, when a run resumes.
    """

    def __init__(self, lines: Iterable[dict[str, Any]] = ()) -> None:
        self._recent: deque[float] = deque(maxlen=COLLAPSED_LINES)
        self._said = False
        for line in lines:
            if line["kind"] == "step" and line["z_std"] is not None:
                self._recent.append(line["z_std"])
            self._said = self._said or line.get("name") == "collapse"

    def see(self, z_std: float) -> str | None:
        """A sentence, the first time; else None."""
        self._recent.append(z_std)
        if self._said or len(self._recent) < COLLAPSED_LINES or max(self._recent) >= COLLAPSED_BELOW:
            return None
        self._said = True
        return (
            f"All images get nearly the same projection (z_std {z_std:.3f}, below {COLLAPSED_BELOW}): the network has "
            "collapsed. Lower the learning rate, raise the batch size, or weaken the composition. The training goes on."
        )
