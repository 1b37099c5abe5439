"""What is said of a descriptor, beside how it is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.typing import NDArray

from ssrl_core.analysis.descriptors.look import Look


@dataclass(frozen=True)
class Descriptor:
    """One number of an image.

    Attributes:
        name: column it is stored under.
        title: as people read it.
        unit: of its values, "" for a bare number.
        more, less: how images with a large and a small value are called in a sentence ("larger", "smaller").
        sentence: what it is.
        measure: (B,) float32 of a batch.
    """

    name: str
    title: str
    unit: str
    more: str
    less: str
    sentence: str
    measure: Callable[[Look], NDArray]  # type: ignore[type-arg]
