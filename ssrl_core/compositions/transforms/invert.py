"""The negative."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.compositions import Array
from ssrl_core.specs.composition import Step

if TYPE_CHECKING:
    from torch import Tensor

    from ssrl_core.compositions.plan import Change

SLOTS = 0


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """1 - x."""
    return images.neg_().add_(1.0)


def compiled(step: Step, values: dict[str, Array], applied: Array) -> Change:
    """The same in one pass: solarize from 0 on."""
    from ssrl_core.compositions.kernels import values as kernels

    threshold = np.zeros(len(applied), np.float32)
    return lambda images, first: kernels.turn_round(images.reshape(*images.shape[:2], -1), first, applied, threshold)


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    return "made a negative"
