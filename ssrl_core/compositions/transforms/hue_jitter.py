"""Colours turned round the colour wheel, with a probability of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.compositions import Array, colour, random_numbers
from ssrl_core.specs.composition import Step

if TYPE_CHECKING:
    from torch import Tensor

    from ssrl_core.compositions.plan import Change

SLOTS = 1
REMEDY = "Use color_jitter with brightness and contrast instead."


def draw(step: Step, words: Array) -> dict[str, Array]:
    """The turn, in -0.5..0.5 of the wheel."""
    return {"hue": random_numbers.uniform(random_numbers.unit(words[0, ..., 0]), random_numbers.amplitude(step["hue"]))}


def accepts(step: Step, channels: int) -> bool:
    """Hue means something in three channels only."""
    return channels == 3 or step["hue"] in (0.0, (0.0, 0.0))


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """As torchvision.transforms.functional.adjust_hue on float images."""
    turn = values["hue"]
    return colour.only_where(images, turn != 0, lambda some, members: colour.hue(some, turn[members]))


def compiled(step: Step, values: dict[str, Array], applied: Array) -> Change:
    """The same in one pass."""
    from ssrl_core.compositions.kernels import plain
    from ssrl_core.compositions.kernels import values as kernels

    turn = plain(values["hue"], np.float32)

    def change(images: Array, first: int) -> None:
        if images.shape[1] == 3:
            kernels.hue_only(images.reshape(*images.shape[:2], -1), first, applied, turn)

    return change


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    return f"hue {360 * float(values['hue']):+.0f}°"
