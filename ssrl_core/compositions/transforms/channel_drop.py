"""One channel taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.compositions import Array, random_numbers
from ssrl_core.specs.composition import Step

if TYPE_CHECKING:
    from torch import Tensor

    from ssrl_core.compositions.plan import Change

SLOTS = 1
RULE = "2 or more"
REMEDY = "Leave the step out: without its only channel nothing of the image would be left."


def draw(step: Step, words: Array) -> dict[str, Array]:
    """Which channel, as a uniform number in [0, 1)."""
    return {"channel": random_numbers.unit(words[0, ..., 0])}


def accepts(step: Step, channels: int) -> bool:
    """Something must be left."""
    return channels > 1


def told(step: Step, values: dict[str, Array], channels: int, frame: tuple[int, int]) -> Array:
    """1 for the channel that is gone, (n, C)."""
    return _gone(values["channel"], channels).astype(np.float64)


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """The channel becomes `fill`."""
    from ssrl_core.compositions.pixels import send

    return images.masked_fill_(send(values["gone"][:, :, None, None], images.device).bool(), step["fill"])


def lay(step: Step, values: dict[str, Array], shape: tuple[int, ...]) -> dict[str, Array]:
    """Which channel is gone."""
    return {"gone": _gone(values["channel"], shape[0])}


def compiled(step: Step, values: dict[str, Array], applied: Array) -> Change:
    """Written where it is; the other channels are not touched."""

    def change(images: Array, first: int) -> None:
        span = slice(first, first + len(images))
        gone = _gone(values["channel"][span], images.shape[1]) & applied[span, None]
        images[gone] = step["fill"]

    return change


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people, who may have any number of channels."""
    return f"one channel dropped ({100 * float(values['channel']):.0f} % down the list)"


def _gone(channel: Array, count: int) -> Array:
    """(n, C) bool."""
    gone: Array = np.arange(count)[None, :] == random_numbers.integer(channel, np.asarray(count))[:, None]
    return gone
