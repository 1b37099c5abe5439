"""Standard normal numbers from random words: the inverse of the distribution function, one word a number.

One word a number (and no rejection) keeps a number a function of its counter alone. Relative error below 1e-7.

Source: Wichura 1988, algorithm AS 241 (PPND7), Applied Statistics 37, 477-484.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Fraction = tuple[tuple[float, ...], tuple[float, ...]]

MIDDLE: Fraction = (
    (3.3871327179, 50.434271938, 159.29113202, 59.109374720),
    (1.0, 17.895169469, 78.757757664, 67.187563600),
)
TAIL: Fraction = (
    (1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103),
    (1.0, 0.73700164250, 0.12021132975),
)
FAR: Fraction = (
    (6.6579051150, 3.0812263860, 0.42868294337, 0.017337203997),
    (1.0, 0.24197894225, 0.012258202635),
)
"""Coefficients of numerator and denominator, the constant first: near the middle, in the tails, far out."""


def normal(words: Tensor) -> Tensor:
    """float64 numbers from int64 words in 0..2^32-1, of their shape."""
    import torch

    p = (words.to(torch.float64) + 0.5) * 2.0**-32
    q = p - 0.5
    r = 0.180625 - q * q
    middle = q * _polynomial(MIDDLE[0], r) / _polynomial(MIDDLE[1], r)
    r = torch.minimum(p, 1.0 - p).log().neg_().sqrt_()
    tail = _polynomial(TAIL[0], r - 1.6) / _polynomial(TAIL[1], r - 1.6)
    far = _polynomial(FAR[0], r - 5.0) / _polynomial(FAR[1], r - 5.0)
    outer = torch.where(r <= 5.0, tail, far).copysign(q)
    return torch.where(q.abs() <= 0.425, middle, outer)


def _polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    out = x * coefficients[-1] + coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        out = out * x + coefficient
    return out
