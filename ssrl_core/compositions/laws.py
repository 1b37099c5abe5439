"""From random words to drawn quantities (the laws of CONTRACTS C3). numpy only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def unit(words: Array) -> Array:
    """Words in 0..2^32-1 as float64 in [0, 1)."""
    return words.astype(np.float64) * 2.0**-32


def uniform(u: Array, span: tuple[float, float]) -> Array:
    """U(lo, hi): float64; only one multiplication and one addition, so bit-equal on every machine."""
    low, high = span
    return low + u * (high - low)


def log_uniform(u: Array, span: tuple[float, float]) -> Array:
    """exp(U(log lo, log hi)), as torchvision draws aspect ratios.

    exp differs in the last bit between machines; rounding to float32 hides that, and the clip keeps the ends.
    """
    low, high = span
    values = low * np.exp(u * math.log(high / low))
    return np.clip(values.astype(np.float32).astype(np.float64), low, high)


def amplitude(setting: float | tuple[float, float]) -> tuple[float, float]:
    """The span that an amplitude stands for: x is [-x, x]; a pair is itself."""
    return setting if isinstance(setting, tuple) else (-setting, setting)


def factor(setting: float | tuple[float, float]) -> tuple[float, float]:
    """The span of a factor: b is [max(0, 1 - b), 1 + b] (torchvision's ColorJitter); a pair is itself."""
    return setting if isinstance(setting, tuple) else (max(0.0, 1.0 - setting), 1.0 + setting)


def integer(u: Array, count: Array) -> Array:
    """A whole number in 0..count-1, from u in [0, 1)."""
    numbers: Array = np.minimum(np.floor(u * count), count - 1).astype(np.int64)
    return numbers
