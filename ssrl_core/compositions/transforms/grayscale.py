"""Colour taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ssrl_core.compositions import Array, colour
from ssrl_core.specs.composition import Step

if TYPE_CHECKING:
    from torch import Tensor

    from ssrl_core.compositions.plan import Change

SLOTS = 0
REMEDY = "Leave it out, or choose three channels of the image set."


def accepts(step: Step, channels: int) -> bool:
    """Three channels; one channel is grey already and stays as it is."""
    return channels in (1, 3)


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """0.2989 R + 0.587 G + 0.114 B in all three channels, as torchvision's rgb_to_grayscale."""
    if images.shape[1] == 1:
        return images
    return colour.grey(images).clamp_(0.0, 1.0).expand_as(images).contiguous()


def compiled(step: Step, values: dict[str, Array], applied: Array) -> Change:
    """The same in one pass."""
    from ssrl_core.compositions.kernels import values as kernels

    def change(images: Array, first: int) -> None:
        if images.shape[1] == 3:
            kernels.take_colour(images.reshape(*images.shape[:2], -1), first, applied)

    return change


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    return "colour taken away"
