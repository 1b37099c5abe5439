"""Colours that stay apart: distance in CIELAB, for eyes of all kinds.

The palette of `colours.py` was made here, once, and is kept there as a table; the test beside this file makes it again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Colours = NDArray[np.float64]

# Machado, Oliveira & Fernandes 2009, severity 1, applied to linear RGB
EYES = {
    "all cones": np.eye(3),
    "no long": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "no middle": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])  # D65
_WEIGHT = 2.0  # of a distance seen with two kinds of cones: such eyes see a plane of colours, not a space
_LEVELS = 33
_LIGHTNESS = (42.0, 86.0)  # darker is lost on a dark page, lighter on a white one


def rgb(colours: Sequence[str]) -> Colours:
    """`#rrggbb` as (n, 3) in 0..1."""
    return np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colours]).reshape(-1, 3)


def lab(colours: Colours, eye: str = "all cones") -> Colours:
    """sRGB (n, 3) in 0..1 as CIELAB (n, 3) under D65, as an eye of this kind sees it."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(linear @ EYES[eye].T, 0, 1) @ _TO_XYZ.T / _WHITE
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * root[:, 1] - 16, 500 * (root[:, 0] - root[:, 1]), 200 * (root[:, 1] - root[:, 2])], axis=1)


def least_distance(colours: Sequence[str], eye: str = "all cones") -> float:
    """The smallest CIELAB distance between any two of at least two colours; about 2 is just to be seen side by side."""
    seen = lab(rgb(colours), eye)
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=2)
    return float(apart[~np.eye(len(seen), dtype=bool)].min())


def extend(colours: Sequence[str], count: int) -> list[str]:
    """More colours, each as far as can be from all before it, for all kinds of eyes.

    Args:
        colours: the first ones, kept.
        count: how many there should be in the end.
    """
    levels = np.round(np.linspace(0, 255, _LEVELS)) / 255
    candidates = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    lightness = lab(candidates)[:, 0]
    candidates = candidates[(lightness >= _LIGHTNESS[0]) & (lightness <= _LIGHTNESS[1])]
    seen = {eye: lab(candidates, eye) for eye in EYES}
    chosen = list(colours)
    free = np.min([_distances(seen, candidates, rgb([colour])) for colour in chosen], axis=0)
    while len(chosen) < count:
        best = candidates[free.argmax()]
        chosen.append("#" + "".join(f"{round(255 * v):02x}" for v in best))
        free = np.minimum(free, _distances(seen, candidates, best[None]))
    return chosen


def _distances(seen: dict[str, Colours], candidates: Colours, colour: Colours) -> Colours:
    weights = {eye: 1.0 if eye == "all cones" else _WEIGHT for eye in EYES}
    apart = [weights[eye] * np.linalg.norm(seen[eye] - lab(colour, eye), axis=1) for eye in EYES]
    return np.asarray(np.minimum.reduce(apart))
