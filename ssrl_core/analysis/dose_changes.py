"""Which group of cells a compound changes most, told by the smallest change that wells or plates allow.

Cells of one well are alike, so wells differ more than draws of cells do: how much more is taken from the untreated
wells of each plate, the only ones of which there are many, and holds for all. The largest of many changes is large by
chance alone, so the intervals are as wide as the number of them asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ssrl_core.analysis.bias.correlation import discovery_threshold
from ssrl_core.analysis.intervals import estimate
from ssrl_core.datasets.columns import doses_of, untreated
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]
CLEARLY = 0.01  # a change that may be smaller than a point is not told
_RATE = 0.05
_TINY, _MANY = 1e-12, 1e9


@dataclass(frozen=True)
class Change:
    """A group's share under a compound beside untreated cells of the same plates.

    Attributes:
        dose: of the compound; None = all its doses together.
        untreated, share: share of the group among untreated cells, and under the compound; every plate weighs what it
            has of the compound's cells.
        cells: how many cells the compound's share rests on.
        least: smallest change that its interval allows, 0 where it allows none or there are no repeats to make one
            of. Of the changes whose `least` is above 0, one in twenty is none, on average, at most.
        most: largest change that the interval allows, infinite without one.
    """

    group: int
    compound: str
    dose: float | None
    untreated: float
    share: float
    cells: int
    least: float
    most: float


@dataclass(frozen=True)
class _Wells:
    """Cells by well; where wells are not known, plates stand for them.

    Attributes:
        group, well: (n,) of each cell. plate, untreated: (wells,), (wells, k) untreated cells of each well.
        spread: (k,) the variance of a share over that of as many single cells, 1 or more; NaN where it is not known.
        free: its degrees of freedom.
        by_plate: whether plates are what varies, where there are several.
    """

    group: Array
    well: Array
    plate: Array
    untreated: Array
    spread: Array
    free: float
    by_plate: bool

    def counted(self, rows: Array) -> Array:
        """(wells, k) how many of these cells each well has in each group."""
        return _counted(self.well[rows], self.group[rows], self.untreated.shape)


@dataclass(frozen=True)
class _Found:
    """All groups under one compound: (k,) shares, change, its standard error and its degrees of freedom."""

    compound: str
    dose: float | None
    cells: int
    untreated: Array
    share: Array
    moved: Array
    error: Array
    free: Array

    def told(self, half: Array) -> list[Change]:
        """Every group; (k,) half the width of its interval, infinite where there is none."""
        away = np.abs(self.moved)
        numbers = np.stack([self.untreated, self.share, np.maximum(0.0, away - half), away + half], axis=1).tolist()
        return [
            Change(g, self.compound, self.dose, none, share, self.cells, low, high)
            for g, (none, share, low, high) in enumerate(numbers)
        ]


def changes(
    groups: ArrayLike,
    compounds: ArrayLike,
    doses: ArrayLike,
    replicates: ArrayLike,
    names: Sequence[str],
    k: int,
    *,
    each_dose: bool,
    wells: ArrayLike | None = None,
) -> list[Change]:
    """Every group under every compound, largest `least` first; ties keep the order of compounds, doses and groups.

    Args:
        groups: (n,) group of each cell, -1 for none.
        compounds, doses, replicates: (n,) of each cell; a dose of 0 is untreated.
        names: the compounds that are looked at.
        each_dose: every dose by itself, else all of a compound's together.
        wells: (n,) name of each cell's well in its replicate; None where it is not known.

    Returns:
        Without wells the replicates are what varies; of one replicate it is the cells, as if each were by itself. None
        has an interval where its plate has one well of untreated cells.

    Source:
        How many are clear: Benjamini & Hochberg 1995, rate 0.05; intervals for those: Benjamini & Yekutieli 2005.
        Of shares: Agresti & Caffo 2000; that wells differ more: Wedderburn 1974 (quasi-likelihood).
    """
    ids, dose = np.asarray(groups, np.int64), np.asarray(doses, float)
    of_compound, known = pd.factorize(np.asarray(compounds, object))
    rows = {str(known[code]): own for code, own in _rows_of(of_compound, (dose > 0) & (ids >= 0)).items()}
    in_wells = _in_wells(ids, replicates, wells, np.flatnonzero((dose == 0) & (ids >= 0)), k)
    found: list[_Found] = []
    for name in names:
        own = rows.get(name, np.zeros(0, np.int64))
        for level in [float(d) for d in np.unique(dose[own])] if each_dose else [None]:
            treated = own if level is None else own[dose[own] == level]
            found += _against_untreated(in_wells, in_wells.counted(treated), name, level)
    told = [change for one, half in zip(found, _halves(found), strict=True) for change in one.told(half)]
    return sorted(told, key=lambda change: -change.least)


def changes_in(table: pd.DataFrame, groups: ArrayLike, k: int) -> pd.DataFrame:
    """The same from a table of cells, one row a group, compound and dose, the clearest first.

    Args:
        table: columns compound and dose; plate (or replicate) and well where they are known.
        groups: (n,) group of each row, -1 for none.

    Returns:
        compound, dose, group, cells, untreated, share, change, least, most, clear (the smallest change that the
        interval allows is above a point).

    Raises:
        DataError: there are no compounds, no untreated cells beside them, or no doses.
    """
    control = untreated(table)
    if "compound" not in table or not control.any() or control.all():
        raise DataError("Doses: there are no compounds, or no untreated cells beside them. Name the column compound.")
    plates = next((table[name] for name in ("plate", "replicate") if name in table), np.zeros(len(table)))
    wells = table["well"].to_numpy(object) if "well" in table else None
    compounds = table["compound"].astype(str).to_numpy(object)
    names = list(dict.fromkeys(compounds[~control]))
    told = changes(groups, compounds, doses_of(table), np.asarray(plates), names, k, each_dose=True, wells=wells)
    if not told:
        raise DataError("Doses: no treated cell has a dose above 0. Name the column dose.")
    found = pd.DataFrame(told)
    found.insert(5, "change", found["share"] - found["untreated"])
    columns = ["compound", "dose", "group", "cells", "untreated", "share", "change", "least", "most"]
    return found[columns].assign(clear=found["least"] > CLEARLY)


def _in_wells(ids: Array, replicates: ArrayLike, wells: ArrayLike | None, untreated: Array, k: int) -> _Wells:
    of_plate, _ = pd.factorize(np.asarray(replicates, object), use_na_sentinel=False)
    well = of_plate
    if wells is not None:
        in_plate, names = pd.factorize(np.asarray(wells, object), use_na_sentinel=False)
        well = pd.factorize(of_plate * len(names) + in_plate)[0]
    plate = np.zeros(int(well.max(initial=-1)) + 1, np.int64)
    plate[well] = of_plate
    counts = _counted(well[untreated], ids[untreated], (len(plate), k))
    spread, free = _spread(counts, plate) if wells is not None else (np.ones(k), _MANY)
    return _Wells(ids, well, plate, counts, spread, free, wells is None or not free)


def _spread(untreated: Array, plate: Array) -> tuple[Array, float]:
    """(k,) how much more the untreated wells of a plate differ than draws of cells, and its degrees of freedom."""
    there = untreated.sum(axis=1) > 0
    unit, counts = np.unique(plate[there], return_inverse=True)[1].ravel(), untreated[there].astype(float)
    free = float(len(unit) - len(np.unique(unit)))
    if not free:
        return np.full(untreated.shape[1], np.nan), free
    expected = _by_plate(counts, unit)
    share = (expected / expected.sum(axis=1, keepdims=True))[unit]
    sizes = counts.sum(axis=1, keepdims=True)
    variance = sizes * share * (1 - share)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(variance > 0, np.square(counts - sizes * share) / variance, 0.0)
    return np.maximum(1.0, terms.sum(axis=0) / free), free


def _by_plate(counts: Array, unit: Array) -> Array:
    """(plates, k) sums of the wells of each plate."""
    found = np.zeros((int(unit.max()) + 1, counts.shape[1]))
    np.add.at(found, unit, counts)
    return found


def _counted(first: Array, second: Array, shape: tuple[int, ...]) -> Array:
    """(a, b) how often each pair of numbers is there."""
    return np.bincount(first * shape[1] + second, minlength=shape[0] * shape[1]).reshape(shape)


def _rows_of(codes: Array, wanted: Array) -> dict[int, Array]:
    """The wanted rows of each code, found by sorting once."""
    rows = np.flatnonzero(wanted & (codes >= 0))
    rows = rows[np.argsort(codes[rows], kind="stable")]
    values, starts = np.unique(codes[rows], return_index=True)
    return {int(value): own for value, own in zip(values, np.split(rows, starts[1:]), strict=True)} if len(rows) else {}


def _against_untreated(wells: _Wells, treated: Array, name: str, dose: float | None) -> list[_Found]:
    """On the plates that have both, if there is one; (wells, k) treated cells."""
    here, there = (np.bincount(wells.plate, weights=cells.sum(axis=1)) for cells in (treated, wells.untreated))
    both = (here > 0) & (there > 0)
    if not both.any():
        return []
    used = both[wells.plate]
    unit = np.unique(wells.plate[used], return_inverse=True)[1].ravel()
    inside, outside = _by_plate(treated[used], unit), _by_plate(wells.untreated[used], unit)
    outside *= (here[both] / there[both])[:, None]  # a plate weighs what it has of the treated
    cells = inside.sum()
    shares = outside.sum(axis=0) / cells, inside.sum(axis=0) / cells
    if wells.by_plate and len(inside) > 1:
        estimated = estimate(
            *((side, side.sum(axis=1, keepdims=True) + 0 * side) for side in (inside, outside)), shares=True
        )
    else:
        worth = cells**2 / float(np.sum(here[both] ** 2 / there[both]))
        estimated = _over_cells(wells, shares, (worth, cells))
    return [_Found(name, dose, int(cells), *shares, *estimated)]


def _over_cells(wells: _Wells, shares: tuple[Array, Array], sizes: tuple[float, float]) -> tuple[Array, Array, Array]:
    """(k,), (k,), (k,): change, error, degrees of freedom of shares among so many cells, one more of either kind."""
    none, share = ((share * size + 1) / (size + 2) for share, size in zip(shares, sizes, strict=True))
    variance = none * (1 - none) / (sizes[0] + 2) + share * (1 - share) / (sizes[1] + 2)
    return share - none, np.sqrt(wells.spread * variance), np.full(len(none), wells.free or 1.0)


def _halves(found: list[_Found]) -> list[Array]:
    """(k,) of each: half the widths of intervals that all may be looked at together."""
    from scipy.special import stdtr, stdtrit

    if not found:
        return []
    moved, error, free = (np.concatenate([getattr(one, name) for one in found]) for name in ("moved", "error", "free"))
    known = np.isfinite(error)
    chance = np.sort(2 * stdtr(free[known], -np.abs(moved[known]) / np.maximum(error[known], _TINY)))
    count = max(1, len(chance))
    clear = int(np.sum(chance <= discovery_threshold(chance, count, _RATE)))
    rate = _RATE * max(1, clear) / count
    half = np.where(known, stdtrit(free, 1 - rate / 2) * error, np.inf)
    return np.split(half, np.cumsum([len(one.moved) for one in found])[:-1])
