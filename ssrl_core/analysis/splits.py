"""What one clustering separates and another does not: a cluster of one that is two or more clusters of the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_OF_WHOLE = 0.15  # a part is at least this share of the whole
LEAST_OF_PART = 0.5  # and lies in it for the most part


@dataclass(frozen=True)
class Split:
    """A cluster that falls apart on the other side.

    Attributes:
        whole: the cluster that holds together.  n: its rows that have a cluster on both sides.
        parts: (cluster of the other side, rows shared with the whole), the largest first; two or more.
    """

    whole: int
    n: int
    parts: tuple[tuple[int, int], ...]

    @property
    def told_apart(self) -> int:
        """Rows outside the largest part: how much the other side tells apart."""
        return sum(count for _, count in self.parts[1:])


def splits(table: NDArray[np.int64]) -> list[Split]:
    """The columns of a contingency that its rows separate, those with most rows told apart first.

    A row is a part of a column where the two share at least 15 % of the column, and at least half of the row: a cluster
    that lies across many others separates nothing.

    Args:
        table: (r, c) rows of data shared by each pair of clusters (`matching.contingency`).
    """
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    of_whole = table / np.maximum(columns, 1)[None, :]
    of_part = table / np.maximum(rows, 1)[:, None]
    is_part = (of_whole >= LEAST_OF_WHOLE) & (of_part >= LEAST_OF_PART)
    found = []
    for column in np.flatnonzero(is_part.sum(axis=0) >= 2):
        own = np.flatnonzero(is_part[:, column])
        own = own[np.argsort(-table[own, column], kind="stable")]
        parts = tuple((int(row), int(table[row, column])) for row in own)
        found.append(Split(int(column), int(columns[column]), parts))
    return sorted(found, key=lambda split: -split.told_apart)
