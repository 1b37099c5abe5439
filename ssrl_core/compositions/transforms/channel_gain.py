"""Each channel brighter or darker by itself, as stainings and exposures differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.compositions import Array, random_numbers
from ssrl_core.compositions.random_numbers import philox
from ssrl_core.specs.composition import Step

if TYPE_CHECKING:
    from torch import Tensor

    from ssrl_core.compositions.plan import Change

SLOTS = 1


def draw(step: Step, words: Array) -> dict[str, Array]:
    """Two words that seed the channels, since the number of channels is not known yet (`amounts`)."""
    return {"channels": words[0, ..., :2]}


def amounts(step: Step, seeds: Array, channels: int) -> tuple[Array, Array]:
    """Gain and offset (n, C), from seeds (n, 2): the first two words of the counter (channel, 0, 0, 0)."""
    seeds = seeds.astype(np.int64)
    words = philox((np.arange(channels)[None, :], 0, 0, 0), (seeds[:, 0:1], seeds[:, 1:2]))
    gain = random_numbers.uniform(random_numbers.unit(words[0]), random_numbers.factor(step["gain"]))
    return gain, random_numbers.uniform(random_numbers.unit(words[1]), random_numbers.amplitude(step["offset"]))


def told(step: Step, values: dict[str, Array], channels: int, frame: tuple[int, int]) -> Array:
    """Gain and offset of each channel, (n, 2C)."""
    return np.concatenate(amounts(step, values["channels"], channels), axis=1)


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """gain · x + offset, clipped."""
    from ssrl_core.compositions.pixels import send

    gain, offset = (send(values[name][:, :, None, None], images.device) for name in ("gain", "offset"))
    return images.mul_(gain).add_(offset).clamp_(0.0, 1.0)


def lay(step: Step, values: dict[str, Array], shape: tuple[int, ...]) -> dict[str, Array]:
    """Gain and offset of each channel."""
    return dict(zip(("gain", "offset"), amounts(step, values["channels"], shape[0]), strict=True))


def compiled(step: Step, values: dict[str, Array], applied: Array) -> Change:
    """The same in one pass."""
    from ssrl_core.compositions.kernels import plain
    from ssrl_core.compositions.kernels import values as kernels

    everywhere = np.ones(len(applied), bool)

    def change(images: Array, first: int) -> None:
        span = slice(first, first + len(images))
        gain, offset = (plain(v, np.float32) for v in amounts(step, values["channels"][span], images.shape[1]))
        gain[~applied[span]], offset[~applied[span]] = 1.0, 0.0
        kernels.rescale(images.reshape(*images.shape[:2], -1), 0, everywhere, gain, offset)

    return change


def describe(step: Step, values: dict[str, Any]) -> str:
    """The first three channels."""
    gain, offset = amounts(step, np.asarray(values["channels"])[None], 3)
    text = "channels × " + ", ".join(f"{g:.2f}" for g in gain[0])
    return text + (" + " + ", ".join(f"{o:.2f}" for o in offset[0]) if step["offset"] else "") + " …"
