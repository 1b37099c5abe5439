"""Exposed too long: bright parts are cut off at full brightness, and single hot pixels show it too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.compositions import Array, colour, random_numbers
from ssrl_core.specs.composition import Step

if TYPE_CHECKING:
    from torch import Tensor

    from ssrl_core.compositions.plan import Change

SLOTS = 2  # exposure and share; the seed of the hot pixels


def draw(step: Step, words: Array) -> dict[str, Array]:
    """The factor of the exposure, the share of hot pixels, and two words that seed them."""
    u = random_numbers.unit(words[0])
    return {
        "exposure": random_numbers.uniform(u[..., 0], step["exposure"]),
        "share": random_numbers.uniform(u[..., 1], step["share"]),
        "hot": words[1, ..., :2],
    }


def bounds(share: Array) -> Array:
    """(n,) int64: words below are hot."""
    return np.ceil(share * 2.0**32).astype(np.int64)


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """min(x · exposure, 1), and 1 where the word of the pixel's seed, row, column and channel is below the share."""
    import torch

    from ssrl_core.compositions.pixels import send
    from ssrl_core.compositions.random_numbers import pixel_words

    images = images.mul_(colour.column(values["exposure"], images)).clamp_(0.0, 1.0)
    below = send(values["below"][:, None, None, None], images.device, torch.int64)
    return images.masked_fill_(pixel_words(images, values["hot"]) < below, 1.0)


def lay(step: Step, values: dict[str, Array], shape: tuple[int, ...]) -> dict[str, Array]:
    """The bound below which a word is hot."""
    return {**values, "below": bounds(values["share"])}


def compiled(step: Step, values: dict[str, Array], applied: Array) -> Change:
    """The same in one pass."""
    from ssrl_core.compositions.kernels import plain
    from ssrl_core.compositions.kernels import values as noise

    exposure, seeds = plain(values["exposure"], np.float32), plain(values["hot"], np.int64)
    below = plain(bounds(values["share"]), np.int64)
    return lambda images, first: noise.expose(images, first, applied, exposure, below, seeds)


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    return f"exposed × {float(values['exposure']):.2f}, {100 * float(values['share']):.2f} % hot pixels"
