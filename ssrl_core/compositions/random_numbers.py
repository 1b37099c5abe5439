"""Random words that are a function of a key and a counter, and drawn quantities from words (the laws of C3, C4).

Philox4x32-10 has no state: the same counter gives the same words whatever was asked before, on every device. That is
what makes a draw independent of batch, order and resume. One word a number (and no rejection) keeps a number a function
of its counter alone.

Sources:
    Philox: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"; constants of Random123.
    Normal: Wichura 1988, algorithm AS 241 (PPND7), Applied Statistics 37, 477-484; relative error below 1e-7.
    Poisson: Cornish and Fisher 1938; Abramowitz and Stegun 26.2.49.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.compositions import Array

if TYPE_CHECKING:
    from torch import Tensor

WORD = 1 << 32
_MASK = WORD - 1
_MULTIPLY = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10


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


EXACT_UP_TO = 16.0
SHEPPARD = 1 / 12
MOST = 64
"""P(more than 64 | 16 expected) is 1e-18, less than one word in 2^32 can tell."""


def philox(counter: tuple[Any, Any, Any, Any], key: tuple[Any, Any]) -> tuple[Any, Any, Any, Any]:
    """Four 32-bit words of each counter.

    Args:
        counter: four words, each a Python int, an int64 numpy array or an int64 torch tensor with values in
            0..2^32-1; arrays broadcast against each other.
        key: two words, likewise.

    Returns:
        Four arrays (or ints) of the broadcast shape, values in 0..2^32-1.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        high0, low0 = _multiply(c0, _MULTIPLY[0])
        high1, low1 = _multiply(c2, _MULTIPLY[1])
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1, c2, c3


def _multiply(word: Any, factor: int) -> tuple[Any, Any]:
    # int64 wraps round, which leaves the 64 bits of the product right; the mask undoes the sign of the shift
    product = word * factor
    return (product >> 32) & _MASK, product & _MASK


def pixel_words(images: Tensor, seeds: Array) -> Tensor:
    """Random words for each pixel: (n, C, H, W) int64 in 0..2^32-1 on the device of the images.

    The counter is (row, column, channel // 4, 0); its four words are four channels.

    Args:
        seeds: (n, 2), the key.
    """
    import torch

    from ssrl_core.compositions.pixels import send

    n, channels, height, width = images.shape
    quads = -(-channels // 4)
    key = send(whole(seeds)[:, :, None, None, None], images.device, torch.int64)
    counter = (
        torch.arange(height, device=images.device).view(1, 1, -1, 1),
        torch.arange(width, device=images.device).view(1, 1, 1, -1),
        torch.arange(quads, device=images.device).view(1, -1, 1, 1),
        0,
    )
    words = philox(counter, (key[:, 0], key[:, 1]))
    shape = (n, quads, height, width)
    return torch.stack([word.expand(shape) for word in words], dim=2).flatten(1, 2)[:, :channels]


def whole(words: Any) -> Any:
    """Words as int64 that torch takes; a tensor is that already."""
    return words.astype(np.int64) if isinstance(words, np.ndarray) else words


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


def normal(words: Tensor) -> Tensor:
    """Standard normal float64 numbers from int64 words in 0..2^32-1: the inverse of the distribution function."""
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


def poisson(words: Tensor, expected: Tensor) -> Tensor:
    """float64 counts from int64 words in 0..2^32-1 and float64 expected numbers >= 0 of the same shape.

    Up to an expected number of 16 the sum of the probabilities is taken until it passes the uniform number: exact.
    Beyond, the first terms of the Cornish-Fisher expansion of the quantile, with Sheppard's correction of the variance
    for whole numbers: total variation below 3e-4 (measured in the tests beside the distribution itself).
    """
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
