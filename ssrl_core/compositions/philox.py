"""Philox4x32-10: random words that are a function of a key and a counter, on numpy arrays and torch tensors alike.

There is no state: the same counter gives the same words whatever was asked before, on every device. That is what makes
a draw independent of batch, order and resume (CONTRACTS C4).

Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"; constants of Random123.
"""

from __future__ import annotations

from typing import Any

WORD = 1 << 32
_MASK = WORD - 1
_MULTIPLY = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10


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
