"""Random numbers that are the same with every version of numpy: uniform bits only, everything else made from them.

Also tiles of texture that wrap around; cells take theirs from a place of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
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


SIDE = 512
STEP_UM = 0.32  # size of a texel


@dataclass(frozen=True)
class Textures:
    """(SIDE, SIDE) float32 tiles, mean 0, sd 1.

    Attributes:
        fine: grains of about 1 µm (chromatin, vesicles).
        coarse: patches of about 4 µm (outlines, thickness).
        fibres: streaks along the rows, about 0.7 µm by 12 µm.
    """

    fine: Array
    coarse: Array
    fibres: Array


@lru_cache(maxsize=2)
def textures(seed: int = 0) -> Textures:
    """The tiles (0.2 s, kept)."""
    chance = Chance(seed, 0x7E87)
    return Textures(fine=_smooth(chance, 1.6, 1.6), coarse=_smooth(chance, 7.0, 7.0), fibres=_smooth(chance, 26.0, 0.8))


def sampled(tile: Array, u_um: Array, v_um: Array, place: Array) -> Array:
    """The tile's values at places in µm.

    Args:
        u_um, v_um: (B, P, P) coordinates along columns and rows.
        place: (B, 2) where the cell's part of the tile begins, 0..1.
    """
    start = ((place + 2) * SIDE).astype(np.float32)[
        :, :, None, None
    ]  # nothing is negative before it is cut to whole numbers
    column = (u_um / STEP_UM + start[:, 0]).astype(np.int32) & (SIDE - 1)
    row = (v_um / STEP_UM + start[:, 1]).astype(np.int32) & (SIDE - 1)
    return tile.ravel()[row * SIDE + column]


def _smooth(chance: Chance, along: float, across: float) -> Array:
    """Noise under a Gaussian of these sd (texels), by the Fourier transform so that it wraps."""
    spectrum = np.fft.rfft2(chance.normal(SIDE, SIDE))
    fy, fx = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None]
    tile = np.fft.irfft2(spectrum * np.exp(-2 * np.pi**2 * ((fx * along) ** 2 + (fy * across) ** 2)), s=(SIDE, SIDE))
    result: Array = ((tile - tile.mean()) / tile.std()).astype(np.float32)
    return result
