"""How well the plate can be read from an embedding: what a network should not see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ssrl_core.errors import DataError


@dataclass(frozen=True)
class PlateReading:
    """Share of cells whose plate their neighbours in the embedding name.

    Attributes:
        accuracy: 0..1, over cells whose neighbours lie in other wells.
        chance: what an embedding that knows nothing of plates reaches.
        n, plates: cells and plates.
    """

    accuracy: float
    chance: float
    n: int
    plates: int


def plate_reading(x: ArrayLike, plates: ArrayLike, wells: ArrayLike, *, k: int = 15) -> PlateReading | None:
    """Nearest neighbours of other wells vote for the plate, among cells of any condition.

    Neighbours of the same well do not vote: they are of one plate because they are of one well. Votes are counted by
    how many cells of each plate could have voted, since a cell's own plate has fewer.

    Args:
        x: (n, D) embedding.  plates, wells: (n,) of each cell.
        k: neighbours that vote.

    Returns:
        None with fewer than two plates or too few cells.

    Raises:
        DataError: lengths that differ.
    """
    table = np.asarray(x, np.float32)
    names, own = np.unique(np.asarray(plates, dtype=str), return_inverse=True)
    if len(table) != len(own):
        raise DataError(where="Plates", field="plates", rule=f"{len(table)} values", value=len(own))
    place = np.unique(np.char.add(np.char.add(np.asarray(plates, dtype=str), "|"), np.asarray(wells, dtype=str)),
                      return_inverse=True)[1]  # fmt: skip
    if len(names) < 2 or len(table) < 2 * k:
        return None
    unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)
    size, in_well, right = np.bincount(own), np.bincount(place), 0
    for start in range(0, len(unit), 512):
        near = unit[start : start + 512] @ unit.T
        near[place[start : start + 512][:, None] == place[None]] = -np.inf
        voters = np.argpartition(-near, k, axis=1)[:, :k]
        votes = np.zeros((len(near), len(names)))
        np.add.at(votes, (np.arange(len(near))[:, None], own[voters]), 1)
        here, mine = own[start : start + 512, None], in_well[place[start : start + 512]][:, None]
        there = size[None] - np.where(np.arange(len(names)) == here, mine, 0)
        votes /= np.maximum(there, 1)
        right += int((votes.argmax(axis=1) == own[start : start + 512]).sum())
    return PlateReading(right / len(own), 1 / len(names), len(own), len(names))
