"""A piece of the image's own shape from anywhere, enlarged to the frame it came from."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssrl_core.compositions import Array, geometry, random_numbers
from ssrl_core.specs.composition import Step

SLOTS = 1


def draw(step: Step, words: Array) -> dict[str, Array]:
    """The side that is kept, as a share, and the place as uniforms."""
    u = random_numbers.unit(words[0])
    return {"side": random_numbers.uniform(u[..., 0], step["side"]), "row": u[..., 1], "column": u[..., 2]}


def place(step: Step, values: dict[str, Array], n: int, frame: geometry.Frame, side: int) -> geometry.Placement:
    """Whole pixels, at any whole pixel at which the piece fits."""
    height, width = (np.maximum(1, np.rint(values["side"] * old)) for old in frame)
    top = random_numbers.integer(values["row"], frame[0] - height + 1)
    left = random_numbers.integer(values["column"], frame[1] - width + 1)
    return geometry.cut(top, left, height, width, frame, frame)


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    return f"cropped to {100 * values['side']:.0f} % of the side"
