"""The bright part turned into its negative."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ssrl_core.compositions import colour, laws
from ssrl_core.compositions.laws import Array
from ssrl_core.specs.composition import Step

if TYPE_CHECKING:
    from torch import Tensor

SLOTS = 1


def draw(step: Step, words: Array) -> dict[str, Array]:
    """The threshold in 0..1."""
    return {"threshold": laws.uniform(laws.unit(words[0, ..., 0]), step["threshold"])}


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """x >= threshold becomes 1 - x, as torchvision.transforms.functional.solarize."""
    return images.where(images < colour.column(values["threshold"], images), 1.0 - images)


def say(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    return f"negative from brightness {float(values['threshold']):.2f} on"
