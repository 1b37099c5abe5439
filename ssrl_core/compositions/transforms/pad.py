"""A margin on each side, then back to the size before."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssrl_core.compositions import Array, geometry, random_numbers
from ssrl_core.specs.composition import Step

SLOTS = 1


def draw(step: Step, words: Array) -> dict[str, Array]:
    """The width of the margin, as a share of the side."""
    return {"fraction": random_numbers.uniform(random_numbers.unit(words[0, ..., 0]), step["fraction"])}


def place(step: Step, values: dict[str, Array], n: int, frame: geometry.Frame, side: int) -> geometry.Placement:
    """Margins of whole pixels, as torchvision.transforms.functional.pad takes them, then resized back."""
    down, across = (np.rint(values["fraction"] * old) for old in frame)
    return geometry.cut(-down, -across, frame[0] + 2 * down, frame[1] + 2 * across, frame, frame, step["fill"])


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    return f"margin of {100 * values['fraction']:.0f} % on each side"
