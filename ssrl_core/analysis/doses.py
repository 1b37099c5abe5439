"""How groups of cells move with the dose: shares with intervals, a curve where one fits, and what changes most.

The smallest change of a compound that wells or plates allow: cells of one well are alike, so wells differ more than
draws of cells do. How much more is taken from the untreated wells of each plate, the only ones of which there are many,
and holds for all. The largest of many changes is large by chance alone, so the intervals are as wide as the number of
them asks for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ssrl_core.analysis.bias.correlation import discovery_threshold
from ssrl_core.analysis.intervals import estimate, wilson
from ssrl_core.datasets.columns import doses_of, untreated
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]
SIGNIFICANT = 0.01
_COLUMNS = ["dose", "replicate", "group", "cells", "count", "share"]
_WIDEST = 1.5  # decades: an EC50 known no better than this is not told


def dose_shares(groups: ArrayLike, doses: ArrayLike, replicates: ArrayLike, k: int) -> pd.DataFrame:
    """Share of every group in every replicate of every dose.

    Args:
        groups: (n,) group of each cell, 0..k-1; cells in none (-1) are left out.
        doses: (n,) dose of each cell, 0 for untreated; NaN rows are left out.
        replicates: (n,) the plate or replicate that each cell is from.
        k: number of groups.

    Returns:
        dose, replicate, group, cells (in that replicate), count (in the group), share; doses ascending.

    Raises:
        DataError: the three are not of one length.
    """
    ids, dose = np.asarray(groups, np.int64), np.asarray(doses, float)
    if not len(ids) == len(dose) == len(np.asarray(replicates)):
        raise DataError.at(
            "Doses", "groups, doses and replicates", "of one length", (len(ids), len(dose), len(np.asarray(replicates)))
        )
    table = pd.DataFrame({"group": ids, "dose": dose, "replicate": np.asarray(replicates).astype(str)})
    table = table[(table["group"] >= 0) & np.isfinite(dose)]
    rows = []
    for (dose_of, replicate), own in table.groupby(["dose", "replicate"], sort=True):
        counts = np.bincount(own["group"], minlength=k)
        rows += [(dose_of, replicate, g, len(own), int(counts[g]), counts[g] / len(own)) for g in range(k)]
    return pd.DataFrame(rows, columns=_COLUMNS)


def dose_summary(shares: pd.DataFrame) -> pd.DataFrame:
    """Mean share of the replicates of every dose and group, with a 95 % interval.

    Args:
        shares: as `dose_shares` gives it.

    Returns:
        dose, group, replicates, cells, share, low, high. With two replicates or more: their mean and the interval of
        Student's t over them, cut to 0..1; with one: its share and Wilson's interval over its cells.
    """
    rows = []
    for (dose, group), own in shares.groupby(["dose", "group"], sort=True):
        values, cells = own["share"].to_numpy(), int(own["cells"].sum())
        low, high = (
            _student(values) if len(values) > 1 else wilson(int(own["count"].iloc[0]), int(own["cells"].iloc[0]))
        )
        rows.append((dose, group, len(values), cells, float(values.mean()), low, high))
    return pd.DataFrame(rows, columns=["dose", "group", "replicates", "cells", "share", "low", "high"])


@dataclass(frozen=True)
class DoseModel:
    """One shape that a share may take with the dose: share = start + (end - start) * rise(dose / ec50, *shape).

    Attributes:
        name, title: as code and captions have it.
        sentence: what it supposes.
        rise: 0 at dose 0, 1/2 at 1, towards 1 above; of (n,) dose / ec50 and the numbers of its shape.
        shape: {name: (first guess, lowest, highest)} of the numbers that are fitted beside start, end and ec50.
        fewest_doses: doses above 0 that it needs.
    """

    name: str
    title: str
    sentence: str
    rise: Callable[..., Array]
    shape: Mapping[str, tuple[float, float, float]]
    fewest_doses: int

    @property
    def numbers(self) -> int:
        """How many numbers are fitted."""
        return 3 + len(self.shape)

    def share(self, dose: Array, start: float, end: float, log_ec50: float, *shape: float) -> Array:
        """(n,) the share at doses, 0 = untreated."""
        with np.errstate(divide="ignore", over="ignore"):
            rise = self.rise(dose / 10**log_ec50, *shape)
        return np.asarray(start + (end - start) * np.where(dose > 0, rise, 0.0))


def _hill(ratio: Array, hill: float) -> Array:
    return np.asarray(1 / (1 + (1 / ratio) ** hill))


DOSE_MODELS = {
    row.name: row
    for row in (
        DoseModel(
            "hill",
            "four-parameter logistic",
            "The share goes from one level to another, as steeply as the Hill slope says (Hill 1910).",
            _hill,
            {"Hill slope": (1.0, 0.3, 5.0)},
            fewest_doses=4,
        ),
    )
}


@dataclass(frozen=True)
class DoseCurve:
    """A model with its numbers.

    Attributes:
        start, end: the share untreated, and far above `ec50`.
        ec50: dose at which half of the change has happened; `ec50_low`, `ec50_high` its 95 % interval.
        shape: the further numbers of the model, by name.
        r2: share of the variance between the points that the curve explains.
        p: how probable so good a fit is where the dose does nothing (F test against a constant).
    """

    model: DoseModel
    start: float
    end: float
    ec50: float
    shape: Mapping[str, float]
    ec50_low: float
    ec50_high: float
    r2: float
    p: float

    def at(self, dose: ArrayLike) -> Array:
        """The share at doses (0 = untreated)."""
        return self.model.share(
            np.asarray(dose, float), self.start, self.end, np.log10(self.ec50), *self.shape.values()
        )


def fit_curve(doses: ArrayLike, shares: ArrayLike, cells: ArrayLike, model: str = "hill") -> DoseCurve | str:
    """A curve through the replicates of one group, or why there is none.

    Args:
        doses, shares, cells: (n,) each replicate's dose (0 = untreated), share and number of cells.
        model: a name of `DOSE_MODELS`. Weights are the binomial ones of each replicate.

    Returns:
        The curve; or one clause that says why no EC50 can be told.
    """
    chosen = DOSE_MODELS[model]
    dose, share, n = (np.asarray(v, float) for v in (doses, shares, cells))
    tested = np.unique(dose[dose > 0])
    if len(tested) < chosen.fewest_doses:
        return f"fewer than {chosen.fewest_doses} doses"
    weight = n / ((share * n + 1) / (n + 2) * (1 - (share * n + 1) / (n + 2)))
    found = _best(chosen, dose, share, weight, tested)
    if found is None:
        return "none fits"
    values, spread = found
    residual = float((weight * (share - chosen.share(dose, *values)) ** 2).sum())
    mean = float((weight * share).sum() / weight.sum())
    total = float((weight * (share - mean) ** 2).sum())
    p = _f_test(total, residual, len(share), chosen.numbers)
    if not p < SIGNIFICANT:
        return "no clear trend with the dose"
    ec50 = 10 ** values[2]
    if not tested[0] <= ec50 <= tested[-1] or not spread < _WIDEST:
        return "half of the change lies outside the doses tested"
    return DoseCurve(
        model=chosen,
        start=float(values[0]),
        end=float(values[1]),
        ec50=float(ec50),
        shape=dict(zip(chosen.shape, map(float, values[3:]), strict=True)),
        ec50_low=float(10 ** (values[2] - spread)),
        ec50_high=float(10 ** (values[2] + spread)),
        r2=1 - residual / total,
        p=p,
    )


def _best(model: DoseModel, dose: Array, share: Array, weight: Array, tested: Array) -> tuple[Array, float] | None:
    """The numbers of least squared error from several beginnings, and the half width of log10(EC50)'s interval."""
    from scipy.optimize import OptimizeWarning, curve_fit
    from scipy.stats import t

    if len(share) <= model.numbers:
        return None
    best: tuple[float, Array, Array] | None = None
    low, high = np.log10(tested[0]), np.log10(tested[-1])
    guesses, lowest, highest = zip(*model.shape.values(), strict=True) if model.shape else ((), (), ())
    bounds = ([0, 0, low - 2, *lowest], [1, 1, high + 2, *highest])
    first, last = share[dose <= tested[0]].mean(), share[dose >= tested[-1]].mean()
    for middle in np.linspace(low, high, 3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OptimizeWarning)
            try:
                values, covariance = curve_fit(
                    model.share,
                    dose,
                    share,
                    p0=[np.clip(first, 0.001, 0.999), np.clip(last, 0.001, 0.999), middle, *guesses],
                    sigma=1 / np.sqrt(weight),
                    bounds=bounds,
                    max_nfev=200,
                )
            except RuntimeError:  # it did not come to rest from here
                continue
        error = float((weight * (share - model.share(dose, *values)) ** 2).sum())
        if best is None or error < best[0]:
            best = error, values, covariance
    if best is None:
        return None
    spread = float(t.ppf(0.975, len(share) - model.numbers) * np.sqrt(best[2][2, 2]))
    return best[1], spread


def _f_test(total: float, residual: float, n: int, numbers: int) -> float:
    from scipy.stats import f

    if n <= numbers or total <= 0:
        return 1.0
    if residual <= 1e-12 * total:
        return 0.0
    between, within = numbers - 1, n - numbers
    return float(f.sf((total - residual) / between / (residual / within), between, within))


def _student(values: Array) -> tuple[float, float]:
    from scipy.stats import t

    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return max(0.0, float(values.mean()) - half), min(1.0, float(values.mean()) + half)


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
