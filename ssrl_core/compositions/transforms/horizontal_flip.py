"""Mirrored: left and right change places."""

from __future__ import annotations

from typing import Any

from ssrl_core.compositions import Array, geometry
from ssrl_core.specs.composition import Step

SLOTS = 0


def place(step: Step, values: dict[str, Array], n: int, frame: geometry.Frame, side: int) -> geometry.Placement:
    """Pixel j goes to side - 1 - j; no value changes."""
    return geometry.mirror(n, frame, 0)


def describe(step: Step, values: dict[str, Any]) -> str:
    """For people."""
    return "mirrored left and right"
