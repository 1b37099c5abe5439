"""What sets a cluster apart from the rest, with how sure one can be where images come in wells and plates.

A cluster was made from the images it is compared on, so no p-values: an effect says how far apart, and its interval how
much that would vary had other wells been seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ssrl_core.analysis.intervals import Numbers, difference_of_units

LEAST_UNITS = 5
_MOST_UNITS = 500  # images that stand for themselves are taken in this many bundles


@dataclass(frozen=True)
class Units:
    """What was sampled: the wells, or the plates, or the images where nothing is known.

    `codes` (n,) int of each row, `count` of them, `name` in words; `few` when they are too few for an interval.
    """

    codes: NDArray[np.int64]
    count: int
    name: str

    @property
    def few(self) -> bool:
        """Whether there are too few for an interval."""
        return self.count < LEAST_UNITS


@dataclass(frozen=True)
class Effect:
    """One difference between a cluster and the rest.

    Attributes:
        column: what differs; `value` the value that is more frequent, None for a number.
        here, rest: median of the numbers, or share of the value, in the cluster and outside.
        effect: Cliff's delta of the numbers (-1: all smaller, 1: all larger), or difference of the shares.
        low, high: its 95 % interval, None where the units are too few, or the cluster or the rest lies in one of them.
        n, n_all: images of the cluster, and in all, that have a value.
        seen_in: units of the cluster that the number or value was seen in.
        lone: no interval though the units are many: the cluster, or the rest, lies in one of them.
    """

    column: str
    value: str | None
    here: float
    rest: float
    effect: float
    low: float | None
    high: float | None
    n: int
    n_all: int
    seen_in: int = 0
    lone: bool = False

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0; without one, whether the effect is large (0.33) in several units."""
        if self.low is None or self.high is None:
            return abs(self.effect) >= 0.33 and self.seen_in != 1 and not self.lone
        return self.low > 0 or self.high < 0


def units_of(table: pd.DataFrame, seed: int = 0) -> Units:
    """The units of a table of images: wells of plates, else plates, else the images themselves."""
    for columns, name in ((["plate", "well"], "wells"), (["well"], "wells"), (["plate"], "plates")):
        there = [c for c in columns if c in table.columns and table[c].nunique() > 1]
        if len(there) == len(columns):
            codes = table.groupby(columns, sort=False, dropna=False).ngroup().to_numpy().astype(np.int64)
            return Units(codes, int(codes.max(initial=-1)) + 1, name)
    n = len(table)
    bundles = min(n, _MOST_UNITS)
    return Units(np.random.default_rng(seed).permutation(n) % max(1, bundles), bundles, "images")


def number_effects(
    values: NDArray[np.float32], column: str, ids: NDArray[np.int32], k: int, units: Units
) -> list[Effect]:
    """How a number differs in each cluster from the rest.

    Args:
        values: (n,) NaN for none.  ids: (n,) cluster, -1 for none.  k: clusters.

    Returns:
        k effects: Cliff's delta with an interval that takes whole units as what varies. The ranks stay those of all
        images.

    Source:
        Cliff 1993; the interval: `intervals.difference_of_units`.
    """
    known = np.isfinite(values)
    ranks = np.full(len(values), np.nan)
    ranks[known] = pd.Series(values[known]).rank().to_numpy() / max(1, int(known.sum()))
    found = differences(ranks, known, ids, k, units, scale=2.0)
    seen = units_seen(known, ids, k, units)
    effects = []
    for c in range(k):
        inside = known & (ids == c)
        here, rest = (float(np.median(values[m])) if m.any() else np.nan for m in (inside, known & ~inside))
        counts = int(inside.sum()), int(known.sum()), int(seen[c])
        effects.append(effect_of(column, None, (here, rest), found, c, counts, units))
    return effects


def value_effects(
    codes: NDArray[np.int32], names: tuple[str, ...], column: str, ids: NDArray[np.int32], k: int, units: Units
) -> list[list[Effect]]:
    """How the share of each value of a column differs in each cluster from the rest.

    Returns:
        for each value k effects: the difference of the shares, among images that have a value.
    """
    return [share_effects(codes == code, codes >= 0, column, name, ids, k, units) for code, name in enumerate(names)]


def share_effects(
    is_it: NDArray[np.bool_],
    known: NDArray[np.bool_],
    column: str,
    value: str,
    ids: NDArray[np.int32],
    k: int,
    units: Units,
) -> list[Effect]:
    """How the share of the images that are something differs in each cluster from the rest.

    Args:
        is_it: (n,) whether they are.  known: (n,) whether that is known.

    Returns:
        k effects: the difference of the shares among images of which it is known, with an interval as above.
    """
    found = differences(is_it.astype(np.float64), known, ids, k, units, scale=1.0)
    seen = units_seen(is_it & known, ids, k, units)
    here, sizes = (np.bincount(ids[mask & (ids >= 0)], minlength=k) for mask in (is_it & known, known))
    total, every = int(known.sum()), int((is_it & known).sum())
    effects = []
    for c in range(k):
        shares = _share(here[c], sizes[c]), _share(every - here[c], total - sizes[c])
        effects.append(effect_of(column, value, shares, found, c, (int(sizes[c]), total, int(seen[c])), units))
    return effects


Differences = tuple[Numbers, Numbers, Numbers]


def differences(
    values: Numbers, known: NDArray[np.bool_], ids: NDArray[np.int32], k: int, units: Units, *, scale: float
) -> Differences:
    """(k,), (k,), (k,): mean inside minus mean outside times `scale`, and its interval over units.

    NaN for an interval where either side lies in one unit: nothing says how much other wells would vary.

    Args:
        scale: 1 for shares (values are 0 or 1), 2 for ranks in 0..1, whose difference then is Cliff's delta.
    """
    rows = np.flatnonzero(known)
    unit, own, v = units.codes[rows], ids[rows], values[rows]
    inside = own >= 0
    place = unit[inside] * k + own[inside]
    size = units.count * k
    sums = np.bincount(place, weights=v[inside], minlength=size).reshape(units.count, k).astype(np.float64)
    counts = np.bincount(place, minlength=size).reshape(units.count, k).astype(np.float64)
    all_sums = np.bincount(unit, weights=v, minlength=units.count).astype(np.float64)[:, None]
    all_counts = np.bincount(unit, minlength=units.count).astype(np.float64)[:, None]
    found, low, high = difference_of_units((sums, counts), (all_sums - sums, all_counts - counts), shares=scale == 1)
    return np.nan_to_num(scale * found), np.maximum(scale * low, -1), np.minimum(scale * high, 1)


def units_seen(what: NDArray[np.bool_], ids: NDArray[np.int32], k: int, units: Units) -> NDArray[np.int64]:
    """(k,) how many units each cluster has images of that are so."""
    rows = np.flatnonzero(what & (ids >= 0))
    place = np.unique(units.codes[rows] * k + ids[rows])
    return np.bincount(place % k, minlength=k) if k else np.zeros(0, np.int64)


def effect_of(
    column: str,
    value: str | None,
    levels: tuple[float, float],
    found: Differences,
    cluster: int,
    counts: tuple[int, int, int],
    units: Units,
) -> Effect:
    """One cluster's effect.

    Args:
        levels: here, elsewhere.  counts: images of the cluster, images in all, units.
    """
    effect, low, high = (float(numbers[cluster]) for numbers in found)
    unsure = units.few or not (np.isfinite(low) and np.isfinite(high))
    n, n_all, seen_in = counts
    return Effect(
        column=column,
        value=value,
        here=float(levels[0]),
        rest=float(levels[1]),
        effect=effect,
        low=None if unsure else low,
        high=None if unsure else high,
        n=n,
        n_all=n_all,
        seen_in=seen_in,
        lone=unsure and not units.few,
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
