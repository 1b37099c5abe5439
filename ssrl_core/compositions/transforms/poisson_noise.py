"""Shot noise: a pixel counts photons, and a count varies by its square root."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.compositions import Array, random_numbers
from ssrl_core.specs.composition import Step

if TYPE_CHECKING:
    from torch import Tensor

    from ssrl_core.compositions.plan import Change

SLOTS = 2  # the photons; the seed of the noise


def draw(step: Step, words: Array) -> dict[str, Array]:
    """Photons at full brightness, log-uniform; two words that seed the noise."""
    u = random_numbers.unit(words[0, ..., 0])
    return {"photons": random_numbers.log_uniform(u, step["photons"]), "noise": words[1, ..., :2]}


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """Poisson(x · photons) / photons, at most 1; a function of the drawn seed, row, column and channel."""
    import torch

    from ssrl_core.compositions.pixels import send
    from ssrl_core.compositions.random_numbers import pixel_words, poisson

    exact = torch.float32 if images.device.type == "mps" else torch.float64
    photons = send(values["photons"][:, None, None, None], images.device, exact)
    counts = poisson(pixel_words(images, values["noise"]), images.to(exact) * photons)
    return (counts / photons).to(images.dtype).clamp_(max=1.0)


def compiled(step: Step, values: dict[str, Array], applied: Array) -> Change:
    """The same in one pass."""
    from ssrl_core.compositions.kernels import plain
    from ssrl_core.compositions.kernels import values as noise

    photons, seeds = plain(values["photons"], np.float64), plain(values["noise"], np.int64)
    return lambda images, first: noise.count_photons(images, first, applied, photons, seeds)


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    return f"shot noise of {float(values['photons']):.0f} photons"
