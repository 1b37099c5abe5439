"""Tiles of texture that wrap around; cells take theirs from a place of their own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ssrl_core.datasets.simulation.chance import Chance

Array = np.ndarray[Any, Any]
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
