"""Wells: where each lies on its plate, the share of a group of cells in it, and how a plate is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ssrl_core.analysis.intervals import wilson
from ssrl_core.errors import DataError

FORMATS = {96: (8, 12), 384: (16, 24), 1536: (32, 48)}  # wells -> rows, columns
_NAME = re.compile(r"^\s*([A-Za-z]{1,2})\s*0*([1-9]\d?)\s*$")


def well_place(name: object) -> tuple[int, int] | None:
    """Row and column of a well, from 0: `B03` -> (1, 2), `AA1` -> (26, 0); None if it is no well's name."""
    found = _NAME.match(str(name))
    if found is None:
        return None
    row = 0
    for letter in found.group(1).upper():
        row = 26 * row + ord(letter) - 64
    return row - 1, int(found.group(2)) - 1


def plate_format(wells: ArrayLike) -> int:
    """Wells of the smallest plate (96, 384, 1536) that has all of these; names that are none are passed over."""
    places = [place for place in map(well_place, np.unique(np.asarray(wells, dtype=str))) if place]
    rows, columns = (max((place[i] for place in places), default=0) for i in (0, 1))
    return next((n for n, (r, c) in FORMATS.items() if rows < r and columns < c), max(FORMATS))


def well_name(row: int, column: int) -> str:
    """`(1, 2)` -> `B03`."""
    letters = chr(65 + row) if row < 26 else "A" + chr(65 + row - 26)
    return f"{letters}{column + 1:02d}"


def plate_shares(wells: ArrayLike, groups: ArrayLike, group: int) -> pd.DataFrame:
    """Share of one group in every well of a plate.

    Args:
        wells: (n,) name of each cell's well.
        groups: (n,) group of each cell; -1 is left out.
        group: which.

    Returns:
        well, row, column (from 0), cells, count, share, low, high (Wilson, 95 %); wells in reading order.
    """
    names, ids = np.asarray(wells, dtype=str), np.asarray(groups, np.int64)
    places = {name: well_place(name) for name in np.unique(names)}
    table = pd.DataFrame({"place": [places[name] for name in names], "group": ids})[ids >= 0]
    rows: list[dict[str, Any]] = []
    for place, own in table.dropna(subset=["place"]).groupby("place"):
        count, cells = int((own["group"] == group).sum()), len(own)
        low, high = wilson(count, cells)
        rows.append(
            {
                "well": well_name(*place),
                "row": place[0],
                "column": place[1],
                "cells": cells,
                "count": count,
                "share": count / cells,
                "low": low,
                "high": high,
            }
        )
    columns = ["well", "row", "column", "cells", "count", "share", "low", "high"]
    return pd.DataFrame(rows, columns=columns).sort_values(["row", "column"], ignore_index=True)


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
        raise DataError.at("Plates", "plates", f"{len(table)} values", len(own))
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
