"""Turned about the middle; what leaves the frame is lost."""

from __future__ import annotations

from typing import Any

from ssrl_core.compositions import Array, geometry, random_numbers
from ssrl_core.specs.composition import Step

SLOTS = 1


def draw(step: Step, words: Array) -> dict[str, Array]:
    """The turn in degrees, counter-clockwise."""
    span = random_numbers.amplitude(step["degrees"])
    return {"angle_deg": random_numbers.uniform(random_numbers.unit(words[0, ..., 0]), span)}


def place(step: Step, values: dict[str, Array], n: int, frame: geometry.Frame, side: int) -> geometry.Placement:
    """Counter-clockwise for positive angles, frame kept, as torchvision.transforms.functional.rotate (bilinear)."""
    return geometry.turn(-values["angle_deg"], frame, fill=step["fill"])


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    angle = float(values["angle_deg"])
    return f"turned {abs(angle):.0f}° {'counter-clockwise' if angle >= 0 else 'clockwise'}"
