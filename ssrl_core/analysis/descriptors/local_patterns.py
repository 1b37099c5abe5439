"""How irregular the surroundings of pixels are: texture by local binary patterns."""

from __future__ import annotations

import numpy as np

from ssrl_core.analysis.descriptors.images import Array, ImageBatch

_AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))


def local_patterns(batch: ImageBatch) -> Array:
    """(B,) share of the inner pixels whose ring of 8 neighbours is lighter and darker in more than two turns.

    Flat ground, edges, corners and spots have at most two turns. NaN for a side below 3 px.

    Source:
        Non-uniform local binary patterns of radius 1, Ojala, Pietikäinen & Mäenpää 2002.
    """
    _, height, width = batch.grey.shape
    if min(height, width) < 3:
        return np.full(len(batch.grey), np.nan, np.float32)
    centre = batch.grey[:, 1:-1, 1:-1]
    ring = np.stack([batch.grey[:, 1 + y : height - 1 + y, 1 + x : width - 1 + x] >= centre for y, x in _AROUND])
    turns = (ring != np.roll(ring, 1, axis=0)).sum(axis=0)
    return np.asarray((turns > 2).mean(axis=(1, 2)), dtype=np.float32)
