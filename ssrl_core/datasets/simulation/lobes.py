"""The pieces that a nucleus consists of: one as a rule, two, a handful, or a bunch of micronuclei."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ssrl_core.datasets.simulation.chance import Chance

Array = np.ndarray[Any, Any]
MOST = 24


@dataclass(frozen=True)
class Lobes:
    """Ellipses around the middle of the nucleus; row = cell, column = piece; lengths in µm.

    Attributes:
        count: (n,) pieces of each cell; columns from there on mean nothing.
        x_um, y_um: (n, MOST) middle of each piece.
        long_um, short_um: (n, MOST) half axes.
        angle: (n, MOST) of the long axis.
        tone: (n, MOST) brightness factors.
    """

    count: Array
    x_um: Array
    y_um: Array
    long_um: Array
    short_um: Array
    angle: Array
    tone: Array

    def take(self, rows: Array | slice) -> Lobes:
        """Those of some cells."""
        return Lobes(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def draw_lobes(chance: Chance, radius_um: Array, traits: dict[str, Array], variety: float) -> Lobes:
    """Pieces whose areas sum to that of a nucleus of this radius.

    Args:
        radius_um: (n,) of the disc with the nucleus's area.
        traits: `lobes`, `lobes_more`, `packing`, `lobe_ratio` of each cell.
    """
    n = len(radius_um)
    more = traits["lobes_more"] * chance.uniform(shape=n)
    count = np.clip(np.rint(traits["lobes"] + more), 1, MOST).astype(np.int64)
    used = np.arange(MOST) < count[:, None]
    share = np.where(used, chance.factor(0.28 * variety, (n, MOST)), 0)
    size = radius_um[:, None] * np.sqrt(share / share.sum(axis=1, keepdims=True))
    ratio = (0.62 + 0.36 * chance.uniform(shape=(n, MOST))) * traits["lobe_ratio"][:, None]
    ratio = np.where(count[:, None] > 1, np.maximum(ratio, 0.45), ratio)
    x, y = _packed(chance, size, used, radius_um * traits["packing"])
    return Lobes(
        count=count,
        x_um=x,
        y_um=y,
        long_um=size / np.sqrt(ratio),
        short_um=size * np.sqrt(ratio),
        angle=chance.uniform(0, np.pi, shape=(n, MOST)),
        tone=chance.factor(0.1 * variety, (n, MOST)),
    )


def _packed(chance: Chance, size: Array, used: Array, reach_um: Array) -> tuple[Array, Array]:
    """Places of pieces that push each other away and are held together; the middle of all of them is 0, 0."""
    n, count = len(size), used.sum(axis=1)
    many = count > 1
    place = chance.normal(n, MOST, 2) * 0.5 * reach_um[:, None, None]
    weight = (size**2 * used)[..., None]
    for low, high in ((2, 6), (7, MOST)):  # few pieces need not be pushed as if they were many
        rows = np.flatnonzero((count >= low) & (count <= high))
        if len(rows):
            place[rows, :high] = _pushed(place[rows, :high], size[rows, :high], used[rows, :high])
    place = np.where(many[:, None, None], place, 0)
    place = place - (place * weight).sum(axis=1, keepdims=True) / weight.sum(axis=1, keepdims=True)
    return place[..., 0], place[..., 1]


def _pushed(place: Array, size: Array, used: Array, rounds: int = 16) -> Array:
    """Pieces that overlap move apart, all move a little to the middle."""
    pair = used[:, :, None] & used[:, None, :] & ~np.eye(used.shape[1], dtype=bool)
    wanted = 0.8 * (size[:, :, None] + size[:, None, :])
    for _ in range(rounds):
        apart = place[:, :, None] - place[:, None, :]
        distance = np.sqrt((apart**2).sum(axis=-1)) + 1e-6
        push = np.where(pair, np.maximum(wanted - distance, 0), 0) / distance
        place = 0.97 * place + 0.4 * (push[..., None] * apart).sum(axis=2)
    return place
