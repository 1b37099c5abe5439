"""Where cells lie: thrown at random, refused where a nucleus would lie on another."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssrl_core.datasets.simulation.chance import Chance

Array = np.ndarray[Any, Any]


def scattered(
    chance: Chance,
    radii: Array,
    wanted: Array,
    size_um: tuple[float, float],
    *,
    clearance: float,
    first: bool,
    clumping: float,
) -> tuple[Array, Array, Array]:
    """Places for the cells of several pictures at once.

    Args:
        radii: (scenes, K) nuclear radius of every candidate, µm.
        wanted: (scenes,) cells each picture should get; where there is no room it gets fewer.
        size_um: width and height of the area.
        clearance: least distance of two nuclei, as a share of the sum of their radii; below 1 they may touch or
            overlap.
        first: whether the first cell lies in the middle of the area.
        clumping: 0 = even; towards 1 cells gather in islands.

    Returns:
        x, y (scenes, K) µm and accepted (scenes, K).
    """
    scenes, many = radii.shape
    width, height = size_um
    x = chance.uniform(0, width, shape=(scenes, many))
    y = chance.uniform(0, height, shape=(scenes, many))
    liked = chance.uniform(shape=(scenes, many)) < _liking(chance, x, y, size_um, clumping)
    accepted = np.zeros((scenes, many), bool)
    if first:
        x[:, 0], y[:, 0], liked[:, 0] = width / 2, height / 2, True
    for k in range(many):
        gap = np.hypot(x[:, :k] - x[:, k : k + 1], y[:, :k] - y[:, k : k + 1])
        near = (gap < clearance * (radii[:, :k] + radii[:, k : k + 1])) & accepted[:, :k]
        accepted[:, k] = liked[:, k] & ~near.any(axis=1) & (accepted[:, :k].sum(axis=1) < wanted)
    return x, y, accepted


def _liking(chance: Chance, x: Array, y: Array, size_um: tuple[float, float], clumping: float) -> Array:
    """How welcome each place is, 0..1: a sum of slow waves, another in every picture."""
    scenes = len(x)
    waves = 4
    wavelength = 160.0  # µm, a few cells
    direction = chance.uniform(0, 2 * np.pi, shape=(scenes, waves, 1))
    phase = chance.uniform(0, 2 * np.pi, shape=(scenes, waves, 1))
    length = wavelength * chance.factor(0.4, (scenes, waves, 1))
    along = (x[:, None] * np.cos(direction) + y[:, None] * np.sin(direction)) * 2 * np.pi / length
    hill = np.sin(along + phase).sum(axis=1) / np.sqrt(waves / 2)
    result: Array = 1 - clumping + clumping / (1 + np.exp(-2.5 * hill))
    return result
