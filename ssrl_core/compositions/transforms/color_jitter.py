"""Brightness, contrast, saturation and hue, each by a drawn amount, in a drawn order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.compositions import Array, colour, random_numbers
from ssrl_core.specs.composition import Step

if TYPE_CHECKING:
    from torch import Tensor

    from ssrl_core.compositions.plan import Change

SLOTS = 5
REMEDY = "Set saturation and hue to 0: brightness and contrast work for any number of channels."
_CHANGES = ("brightness", "contrast", "saturation", "hue")
_NEUTRAL = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0}


def draw(step: Step, words: Array) -> dict[str, Array]:
    """Three factors, the hue in turns, and the order: (V, B, 4) numbers of brightness, contrast, saturation, hue."""
    u = random_numbers.unit(words[:4, ..., 0])
    values = {
        name: random_numbers.uniform(u[i], random_numbers.factor(step[name])) for i, name in enumerate(_CHANGES[:3])
    }
    values["hue"] = random_numbers.uniform(u[3], random_numbers.amplitude(step["hue"]))
    order = np.argsort(words[4], axis=-1, kind="stable")
    values["order"] = order if step["order"] == "random" else np.broadcast_to(np.arange(4), order.shape)
    return values


def accepts(step: Step, channels: int) -> bool:
    """Saturation and hue mean something in three channels only."""
    return channels == 3 or (step["saturation"] in (0.0, (1.0, 1.0)) and step["hue"] in (0.0, (0.0, 0.0)))


def apply(images: Tensor, step: Step, values: dict[str, Array]) -> Tensor:
    """Clipped after each change, as torchvision.transforms.ColorJitter; a factor of exactly 1 changes nothing."""
    for turn in range(4):
        for number, name in enumerate(_CHANGES):
            chosen = (values["order"][:, turn] == number) & (values[name] != _NEUTRAL[name])
            images = colour.only_where(images, chosen, _change(name, values[name]))
    return images


def compiled(step: Step, values: dict[str, Array], applied: Array) -> Change:
    """One kernel for the four changes."""
    from ssrl_core.compositions.kernels import plain
    from ssrl_core.compositions.kernels import values as kernels

    order = plain(values["order"], np.int64)
    amounts = plain(np.stack([values[name] for name in _CHANGES], axis=1), np.float32)
    return lambda images, first: kernels.jitter(images.reshape(*images.shape[:2], -1), first, applied, order, amounts)


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people, in the order in which they were made."""
    parts = []
    for number in values["order"]:
        name = _CHANGES[int(number)]
        value = float(values[name])
        if value != _NEUTRAL[name]:
            parts.append(f"hue {360 * value:+.0f}°" if name == "hue" else f"{name} × {value:.2f}")
    return ", ".join(parts) or "colours left as they are"


def _change(name: str, amounts: Array):  # type: ignore[no-untyped-def]
    return lambda images, members: getattr(colour, name)(images, amounts[members])
