"""A transform as a table row: its name, its settings, and a sentence for someone who never trained a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ssrl_core.specs.parameters import Parameter


@dataclass(frozen=True)
class Transform:
    """One named operation.

    Attributes:
        kind: geometry moves pixels, colour changes values one by one, pixel mixes or hides them.
        icon: Material symbol.
        sentence: what it does to an image and what a network then learns to ignore.
        channels: 3 if parts of it mean something on red, green and blue only, 2 if it needs several, else None.
        source: where the definition is from.
    """

    name: str
    title: str
    icon: str
    kind: Literal["geometry", "colour", "pixel"]
    sentence: str
    source: str
    parameters: tuple[Parameter, ...] = ()
    channels: int | None = None

    def parameter(self, name: str) -> Parameter:
        """The row of one setting."""
        return next(parameter for parameter in self.parameters if parameter.name == name)
