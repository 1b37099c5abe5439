"""How well found nuclei agree with the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Agreement:
    """Counts of matched, missed and invented nuclei."""

    matched: int
    missed: int
    invented: int

    @property
    def f1(self) -> float:
        """2 matched / (2 matched + missed + invented); 1 where there was nothing to find and nothing was found."""
        total = 2 * self.matched + self.missed + self.invented
        return 2 * self.matched / total if total else 1.0

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(self.matched + other.matched, self.missed + other.missed, self.invented + other.invented)


def agreement(truth: Array, found: Array, *, iou: float = 0.5, smallest: int = 1) -> Agreement:
    """Nuclei of two label maps matched one to one where their overlap by their union is at least `iou`.

    Args:
        truth, found: (H, W) label maps, 0 = background.
        iou: at 0.5 and above no nucleus can match two, so that matching is unique.
        smallest: nuclei of fewer pixels are left out of both (slivers at the edge of a field).

    Returns:
        Counts; `.f1` is their F1.
    """
    count = int(truth.max()) + 1
    both = np.bincount(found.ravel().astype(np.int64) * count + truth.ravel(), minlength=count * (int(found.max()) + 1))
    overlap = both.reshape(-1, count)[1:, 1:]
    area_true, area_found = np.bincount(truth.ravel())[1:], np.bincount(found.ravel())[1:]
    union = area_found[:, None] + area_true[None] - overlap
    good = overlap >= iou * np.maximum(union, 1)
    true_ok, found_ok = area_true >= smallest, area_found >= smallest
    hit_true, hit_found = good.any(axis=0), good.any(axis=1)
    matched = int((hit_true & true_ok).sum())
    return Agreement(matched, int((~hit_true & true_ok).sum()), int((~hit_found & found_ok).sum()))
