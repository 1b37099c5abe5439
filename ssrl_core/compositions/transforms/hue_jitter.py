"""Colours turned round the colour wheel, with a probability of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ssrl_core.compositions import colour, laws
from ssrl_core.compositions.laws import Array
from ssrl_core.specs.composition import Step

if TYPE_CHECKING:
    from torch import Tensor

SLOTS = 1
REMEDY = "Use color_jitter with brightness and contrast instead."


def draw(step: Step, words: Array) -> dict[str, Array]:
    """The turn, in -0.5..0.5 of the wheel."""
    return {"hue": laws.uniform(laws.unit(words[0, ..., 0]), laws.amplitude(step["hue"]))}


def accepts(step: Step, channels: int) -> bool:
    """Hue means something in three channels only."""
    return channels == 3 or step["hue"] in (0.0, (0.0, 0.0))


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """As torchvision.transforms.functional.adjust_hue on float images."""
    turn = values["hue"]
    return colour.only_where(images, turn != 0, lambda some, members: colour.hue(some, turn[members]))


def say(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    return f"hue {360 * float(values['hue']):+.0f}°"
