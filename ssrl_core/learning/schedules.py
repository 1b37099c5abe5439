"""The learning rate at every step."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up, then a cosine (or a constant rate), by step.

    Attributes:
        base: rate after the warm-up.
        steps: all steps of the run.
        warmup_steps: steps of the warm-up; its last one has the base rate.
        warmup_lr: rate of step 0, where there is a warm-up.
        final_lr: where the cosine ends.
        name: "cosine" or "constant".
    """

    base: float
    steps: int
    warmup_steps: int = 0
    warmup_lr: float = 0.0
    final_lr: float = 0.0
    name: str = "cosine"

    def lr(self, step: int) -> float:
        """Rate of a step, 0 <= step < steps."""
        if step < self.warmup_steps:
            return self.warmup_lr + step * (self.base - self.warmup_lr) / max(1, self.warmup_steps - 1)
        if self.name == "constant":
            return self.base
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.final_lr + 0.5 * (self.base - self.final_lr) * (1 + math.cos(math.pi * done))


def scaled_lr(lr: float, batch_size: int, scaling: str) -> float:
    """The rate for a batch: "batch256" multiplies by batch_size / 256, "none" leaves it.

    Source:
        Goyal et al. 2017, arXiv:1706.02677.
    """
    return lr * batch_size / 256 if scaling == "batch256" else lr
