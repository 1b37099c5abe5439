"""Poisson numbers from random words: the inverse of the distribution function, one word a number.

Up to an expected number of 16 the sum of the probabilities is taken until it passes the uniform number: exact. Beyond,
the first terms of the Cornish-Fisher expansion of the quantile, with Sheppard's correction of the variance for whole
numbers: total variation below 3e-4 (measured in the tests beside the distribution itself).

Source: Cornish and Fisher 1938; Abramowitz and Stegun 26.2.49.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ssrl_core.compositions.normal import normal

if TYPE_CHECKING:
    from torch import Tensor

EXACT_UP_TO = 16.0
SHEPPARD = 1 / 12
MOST = 64
"""P(more than 64 | 16 expected) is 1e-18, less than one word in 2^32 can tell."""


def poisson(words: Tensor, expected: Tensor) -> Tensor:
    """float64 counts from int64 words in 0..2^32-1 and float64 expected numbers >= 0 of the same shape."""
    import torch

    u = (words.to(torch.float64) + 0.5) * 2.0**-32
    few = expected.clamp(max=EXACT_UP_TO)
    chance = (-few).exp()
    below, number = chance.clone(), torch.zeros_like(few)
    for count in range(1, MOST + 1):
        number += u > below
        chance = chance * (few / count)
        below += chance
    z, root = normal(words), (expected.clamp(min=1.0) - SHEPPARD).sqrt()
    many = (expected + root * z + (z * z - 1.0) / 6.0 + (z - z * z * z) / (72.0 * root) + 0.5).floor().clamp_(min=0.0)
    return torch.where(expected > EXACT_UP_TO, many, number)
