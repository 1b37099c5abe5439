"""How the share of each group of cells moves with the dose: replicates, intervals, and a curve where one fits."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ssrl_core.analysis.intervals import wilson
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
