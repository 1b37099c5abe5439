"""The middle of the image, enlarged to the frame it came from."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssrl_core.compositions import Array, geometry, random_numbers
from ssrl_core.specs.composition import Step

SLOTS = 1


def draw(step: Step, words: Array) -> dict[str, Array]:
    """The side that is kept, as a share."""
    return {"side": random_numbers.uniform(random_numbers.unit(words[0, ..., 0]), step["side"])}


def place(step: Step, values: dict[str, Array], n: int, frame: geometry.Frame, side: int) -> geometry.Placement:
    """Rounded to whole pixels and placed as torchvision.transforms.functional.center_crop does."""
    height, width = (np.maximum(1, np.rint(values["side"] * old)) for old in frame)
    top, left = np.rint((frame[0] - height) / 2), np.rint((frame[1] - width) / 2)
    return geometry.cut(top, left, height, width, frame, frame)


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    return f"middle {100 * values['side']:.0f} % of the side"
