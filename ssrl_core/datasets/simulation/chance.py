"""Random numbers that are the same with every version of numpy: uniform bits only, everything else made from them."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Chance:
    """A stream of random numbers.

    Args:
        seed, stream: the same two numbers give the same stream; different ones are independent (Philox).
    """

    def __init__(self, seed: int, stream: int = 0) -> None:
        self._bits = np.random.Generator(np.random.Philox(key=[seed % 2**64, stream % 2**64]))

    def uniform(self, low: float = 0.0, high: float = 1.0, *, shape: tuple[int, ...] | int) -> Array:
        """Uniform in low..high, float64."""
        return low + (high - low) * self._bits.random(shape)

    def normal(self, *shape: int) -> Array:
        """Standard normal (Box-Muller), float64."""
        u, v = self._bits.random(shape), self._bits.random(shape)
        result: Array = np.sqrt(-2 * np.log1p(-u)) * np.cos(2 * np.pi * v)
        return result

    def grain(self, *shape: int) -> Array:
        """Standard normal float32 for every pixel: as `normal`, twice as fast."""
        size = int(np.prod(shape))
        half = (size + 1) // 2
        radius = np.sqrt(-2 * np.log1p(-self._bits.random(half, np.float32)))
        angle = np.float32(2 * np.pi) * self._bits.random(half, np.float32)
        return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:size].reshape(shape)

    def factor(self, sd: float, shape: tuple[int, ...] | int) -> Array:
        """Factors around 1 (log-normal, median 1); cut at three sd so that no cell is a monster."""
        shape = (shape,) if isinstance(shape, int) else shape
        return np.exp(sd * np.clip(self.normal(*shape), -3, 3))

    def choose(self, shares: Array) -> Array:
        """One of K for each row.

        Args:
            shares: (n, K), rows sum to 1.

        Returns:
            (n,) int64.
        """
        point = self._bits.random(len(shares))
        result: Array = np.minimum((np.cumsum(shares, axis=1) < point[:, None]).sum(axis=1), shares.shape[1] - 1)
        return result

    def shuffled(self, count: int) -> Array:
        """(count,) int64: a permutation."""
        return np.argsort(self._bits.random(count), kind="stable")

    def counts(self, mean: Array) -> Array:
        """Poisson-like whole numbers (normal approximation, never below 0), one for each mean."""
        result: Array = np.maximum(np.rint(mean + np.sqrt(mean) * self.normal(*mean.shape)), 0).astype(np.int64)
        return result
