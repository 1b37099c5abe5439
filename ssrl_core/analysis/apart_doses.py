"""What a cluster has more of, where images come from compounds at several doses: "nocodazole ≥ 1 µM"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ssrl_core.analysis.apart import Effect, Units, share_effects

COLUMN = "compound, dose"
UNTREATED = "untreated"
_MOST = 6  # compounds of a cluster that are looked at closely: those of the largest differences


@dataclass(frozen=True)
class Treated:
    """What every image was treated with.

    Attributes:
        compounds: (n,) int, -1 for none known; names of them.
        doses: (n,) float, NaN where not known; 0 where untreated.
        unit: of the doses, "" where not known.
    """

    compounds: NDArray[np.int64]
    names: tuple[str, ...]
    doses: NDArray[np.float64]
    unit: str = ""


def treated(table: pd.DataFrame, doses: NDArray[np.float64]) -> Treated:
    """The treatments of a table with a column `compound`, and `dose_unit` where it is known.

    Cells at dose 0 of a compound that others got more of are untreated, not the compound's.

    Args:
        doses: (n,) dose of each row (`datasets.conditions.doses_of`).
    """
    given = table["compound"]
    text = np.where(given.isna(), "", given.astype(str)).astype(str)
    given_at_all = pd.Series(np.asarray(doses, float) > 0).groupby(text).transform("any").to_numpy()
    text = np.where((doses == 0) & given_at_all & ~given.isna(), UNTREATED, text)
    names, codes = np.unique(text, return_inverse=True)
    codes = np.where(given.isna(), -1, codes)
    units = list(table["dose_unit"].dropna().unique()) if "dose_unit" in table else []
    unit = str(units[0]) if len(units) == 1 else ""
    return Treated(codes.astype(np.int64), tuple(str(name) for name in names), np.asarray(doses, float), unit)


def dose_effects(given: Treated, ids: NDArray[np.int32], k: int, units: Units) -> list[list[Effect]]:
    """Of each cluster the compounds that it has more of, each from the dose on that tells it best from the rest.

    For every compound the images at or above each of its doses are counted, and the dose is taken from which on the
    shares in the cluster and elsewhere differ most: the lowest of those that are as good, none where all doses belong.
    Shares are of all images of a cluster, so a dose that few images have cannot win.

    Args:
        ids: (n,) cluster, -1 for none.

    Returns:
        for each cluster its effects, the largest difference first. The interval is that of the chosen dose; that it was
        chosen on the same images makes it a little too narrow.
    """
    known = given.compounds >= 0
    chosen: dict[tuple[int, float], list[int]] = {}
    for c, starts in enumerate(_best_starts(given, known, ids, k)):
        for best in starts:
            chosen.setdefault(best, []).append(c)
    found: list[list[Effect]] = [[] for _ in range(k)]
    for (code, start), clusters in chosen.items():
        is_it = (given.compounds == code) & (np.isneginf(start) | (given.doses >= start))
        effects = share_effects(is_it, known, COLUMN, _words(given, code, start), ids, k, units)
        for c in clusters:
            found[c].append(effects[c])
    return [sorted(effects, key=lambda e: -e.effect) for effects in found]


def _best_starts(
    given: Treated, known: NDArray[np.bool_], ids: NDArray[np.int32], k: int
) -> list[list[tuple[int, float]]]:
    """For each cluster its compounds of largest difference, each with its lowest dose (-inf: all of them)."""
    sizes = np.bincount(ids[known & (ids >= 0)], minlength=k).astype(float)
    total = float(known.sum())
    best: list[list[tuple[float, int, float]]] = [[] for _ in range(k)]
    for code in range(len(given.names)):
        rows = np.flatnonzero(given.compounds == code)
        starts = _starts(given.doses[rows])
        here, every = _at_or_above(given.doses[rows], ids[rows], starts, k)
        with np.errstate(divide="ignore", invalid="ignore"):
            differs = here / sizes - (every[:, None] - here) / (total - sizes)
        differs = np.nan_to_num(differs, nan=-1.0)
        for c, at in enumerate(differs.argmax(axis=0)):
            best[c].append((-float(differs[at, c]), code, float(starts[at])))
    return [[(code, start) for less, code, start in sorted(own)[:_MOST] if less < 0] for own in best]


def _at_or_above(
    doses: NDArray[np.float64], ids: NDArray[np.int32], starts: NDArray[np.float64], k: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(levels, k), (levels,): images at or above each start, in each cluster and in all."""
    level = np.where(np.isfinite(doses), np.searchsorted(starts, doses, side="right") - 1, 0)
    inside = ids >= 0
    counts = np.bincount(level[inside] * k + ids[inside], minlength=len(starts) * k).reshape(len(starts), k)
    every = np.bincount(level, minlength=len(starts))
    return np.cumsum(counts[::-1], axis=0)[::-1].astype(float), np.cumsum(every[::-1])[::-1].astype(float)


def _starts(doses: NDArray[np.float64]) -> NDArray[np.float64]:
    """-inf for all, then each dose from which on fewer are counted."""
    levels = _levels(doses)
    every = bool(len(levels) and (doses >= levels[0]).all())
    return np.concatenate([[-np.inf], levels[1:] if every else levels])


def _levels(doses: NDArray[np.float64]) -> NDArray[np.float64]:
    """The doses above 0 that there are, ascending."""
    return np.unique(doses[np.isfinite(doses) & (doses > 0)])


def _words(given: Treated, code: int, start: float) -> str:
    if np.isneginf(start):
        return given.names[code]
    amount = f"≥ {start:g} {given.unit}" if given.unit else f"at dose ≥ {start:g}"
    return f"{given.names[code]} {amount}"
