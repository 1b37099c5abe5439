"""Turned, shifted, slanted and scaled at once, about the middle; what leaves the frame is lost."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssrl_core.compositions import Array, geometry, random_numbers
from ssrl_core.specs.composition import Step

SLOTS = 5


def draw(step: Step, words: Array) -> dict[str, Array]:
    """Turn (degrees, clockwise), shift right and down (shares of the width and height), slant (degrees), scale."""
    u = random_numbers.unit(words[..., 0])
    return {
        "angle_deg": random_numbers.uniform(u[0], random_numbers.amplitude(step["degrees"])),
        "shift_x": random_numbers.uniform(u[1], random_numbers.amplitude(step["translate"])),
        "shift_y": random_numbers.uniform(u[2], random_numbers.amplitude(step["translate"])),
        "shear_deg": random_numbers.uniform(u[3], random_numbers.amplitude(step["shear"])),
        "scale": random_numbers.uniform(u[4], step["scale"]),
    }


def place(step: Step, values: dict[str, Array], n: int, frame: geometry.Frame, side: int) -> geometry.Placement:
    """As torchvision.transforms.functional.affine (bilinear): clockwise for positive angles, shear along x.

    The shift is not rounded to whole pixels (RandomAffine rounds it), and shrinking is antialiased.
    """
    shift = np.stack([values["shift_x"] * frame[1], values["shift_y"] * frame[0]], axis=1)
    return geometry.turn(
        values["angle_deg"],
        frame,
        shift=shift,
        scale=values["scale"],
        shear_x_deg=values["shear_deg"],
        fill=step["fill"],
    )


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people; what did not change is left out."""
    angle, slant, scale = (float(values[name]) for name in ("angle_deg", "shear_deg", "scale"))
    across, down = float(values["shift_x"]), float(values["shift_y"])
    parts = []
    if angle:
        parts.append(f"turned {abs(angle):.0f}° {'clockwise' if angle > 0 else 'counter-clockwise'}")
    if across or down:
        parts.append(f"shifted {_towards(across, 'right', 'left')}, {_towards(down, 'down', 'up')}")
    if slant:
        parts.append(f"slanted {slant:+.0f}°")
    if scale != 1:
        parts.append(f"size × {scale:.2f}")
    return ", ".join(parts) or "left as it is"


def _towards(share: float, ahead: str, back: str) -> str:
    return f"{abs(100 * share):.0f} % {ahead if share >= 0 else back}"
