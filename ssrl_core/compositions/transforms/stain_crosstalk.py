"""Stains that bleed into each other's channels, as filters that do not part them let through."""

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
RULE = "2 or more"
REMEDY = "Leave the step out: there is no other channel that could bleed into this one."


def draw(step: Step, words: Array) -> dict[str, Array]:
    """Two words that seed the channels, since the number of channels is not known yet (`mixing`)."""
    return {"channels": words[0, ..., :2]}


def accepts(step: Step, channels: int) -> bool:
    """Something must bleed."""
    return channels > 1


def mixing(step: Step, seeds: Array, channels: int) -> Array:
    """(n, C, C) float64 what each channel (row) shows of each stain: 1 of its own; from seeds (n, 2), the first word of
    the counter (channel, stain, 0, 0)."""
    seeds = seeds.astype(np.int64)[:, :, None, None]
    to, of = np.arange(channels)[None, :, None], np.arange(channels)[None, None, :]
    words = philox((to, of, 0, 0), (seeds[:, 0], seeds[:, 1]))
    found: Array = random_numbers.uniform(random_numbers.unit(words[0]), step["share"])
    found[:, np.arange(channels), np.arange(channels)] = 1.0
    return found


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """Each channel and its share of every other, clipped."""
    import torch

    from ssrl_core.compositions.pixels import send

    share = send(values["share"], images.device)
    out = torch.zeros_like(images)
    for stain in range(images.shape[1]):
        out += images[:, stain : stain + 1] * share[:, :, stain, None, None]
    return out.clamp_(0.0, 1.0)


def lay(step: Step, values: dict[str, Array], shape: tuple[int, ...]) -> dict[str, Array]:
    """What each channel shows of each stain."""
    return {"share": mixing(step, values["channels"], shape[0])}


def compiled(step: Step, values: dict[str, Array], applied: Array) -> Change:
    """The same in one pass."""
    from ssrl_core.compositions.kernels import plain
    from ssrl_core.compositions.kernels import values as kernels

    def change(images: Array, first: int) -> None:
        seeds = values["channels"][first : first + len(images)]
        share = plain(mixing(step, seeds, images.shape[1]), np.float32)
        kernels.mix(images.reshape(*images.shape[:2], -1), first, applied, share, np.empty(images.shape[1], np.float32))

    return change


def describe(step: Step, values: dict[str, Any]) -> str:
    """The first two channels."""
    share = mixing(step, np.asarray(values["channels"])[None], 2)[0]
    return f"{100 * share[0, 1]:.0f} % of the second channel seen in the first, {100 * share[1, 0]:.0f} % back …"
