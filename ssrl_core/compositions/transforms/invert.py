"""The negative."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ssrl_core.compositions.laws import Array
from ssrl_core.specs.composition import Step

if TYPE_CHECKING:
    from torch import Tensor

SLOTS = 0


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """1 - x."""
    return images.neg_().add_(1.0)


def say(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    return "made a negative"
