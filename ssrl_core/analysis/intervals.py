"""How sure one is of shares, of two conditions beside each other, and of a difference between images in units.

Images come in units (wells, plates): units vary, images repeat. A bootstrap over two or three wells is far too narrow:
it covers the truth 65 to 85 % of the time where it says 95. Here the variance is that of the units' means, put right
for how few they are, and the quantile is Student's with the degrees of freedom that such a variance has. Two wells
against many then give an interval that says little, as they should.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ssrl_core.errors import SpecError

Floats = NDArray[np.float64]
Counts = tuple[ArrayLike, ArrayLike]


def wilson(correct: ArrayLike, n: ArrayLike) -> tuple[Floats, Floats]:
    """95 % intervals of shares.

    Args:
        correct, n: numbers or arrays of one shape, 0 <= correct <= n; NaN gives NaN.

    Returns:
        (low, high) within 0..1; (0, 1) for n = 0, where nothing is known.

    Source:
        Wilson 1927, by statsmodels; stays inside 0..1 and keeps its coverage near the ends, where the normal interval
        does not.
    """
    from statsmodels.stats.proportion import proportion_confint

    count, size = np.asarray(correct, float), np.asarray(n, float)
    if ((count < 0) | (count > size * (1 + 1e-12))).any():
        raise SpecError.at("Interval", "correct", f"in 0..{size}", correct)
    low, high = proportion_confint(count, np.where(size == 0, 1.0, size), method="wilson")
    low = np.where((size == 0) | (count == 0), 0.0, low)  # exactly, where rounding would leave 1e-17
    high = np.where((size == 0) | (count == size), 1.0, high)
    return low[()], high[()]


def difference(first: Counts, second: Counts) -> tuple[Floats, Floats, Floats]:
    """How much larger the second share is than the first.

    Args:
        first, second: (correct, n) of each, numbers or arrays; NaN comes back where an n is 0.

    Returns:
        (difference, low, high), a 95 % interval in -1..1.

    Source:
        Newcombe 1998, method 10 (from the two Wilson intervals), by statsmodels: sensible for few images and for
        shares near 0 and 1. It takes the two for independent; runs that were tested on the same images agree more than
        that, so the interval is rather too wide than too narrow.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep

    (c1, n1), (c2, n2) = ((np.asarray(c, float), np.asarray(n, float)) for c, n in (first, second))
    n1, n2 = (np.where(n > 0, n, np.nan) for n in (n1, n2))
    low, high = confint_proportions_2indep(c2, n2, c1, n1, method="newcomb")
    return np.asarray(c2 / n2 - c1 / n1)[()], low, high


def compare_shares(groups: ArrayLike, first: ArrayLike, second: ArrayLike, k: int) -> pd.DataFrame:
    """Share of every group among two sets of cells, and the difference.

    Args:
        groups: (n,) group of each cell, -1 for none.
        first, second: (n,) bool, the cells of each condition.

    Returns:
        group, count_1, cells_1, share_1, low_1, high_1, the same with _2, difference (second minus first), low, high:
        its 95 % interval, from the two Wilson intervals.

    Source:
        Newcombe 1998, method 10: stays sensible for few cells and for shares near 0 and 1.
    """
    ids = np.asarray(groups, np.int64)
    chosen = [ids[np.asarray(mask, bool) & (ids >= 0)] for mask in (first, second)]
    return compare_counts(*(np.bincount(own, minlength=k) for own in chosen))


def compare_counts(first: ArrayLike, second: ArrayLike) -> pd.DataFrame:
    """`compare_shares` of cells that are counted already.

    Args:
        first, second: (k,) cells of each condition in each group.
    """
    counts = [np.asarray(given, np.int64) for given in (first, second)]
    table: dict[str, ArrayLike] = {"group": np.arange(len(counts[0]))}
    for i, own in enumerate(counts, start=1):
        cells = np.full(len(own), own.sum())
        low, high = wilson(own, cells)
        share = own / np.where(cells > 0, cells, np.nan)
        table |= {f"count_{i}": own, f"cells_{i}": cells, f"share_{i}": share, f"low_{i}": low, f"high_{i}": high}
    table["difference"], table["low"], table["high"] = difference(*((own, own.sum()) for own in counts))
    return pd.DataFrame(table)


Numbers = NDArray[np.float64]

_QUANTILE = 0.975
_TINY = 1e-12


@dataclass(frozen=True)
class Side:
    """One group of each of k comparisons.

    Attributes:
        mean: (k,) over images.
        errors: (units, k) what each unit moves the mean by, put right so that their squares sum to its variance.
        weights: (units, k) share of the images.
        scale: (units, k) what a unit's distance to the mean is an error by.
        spread: (k,) sum of the squared weights: 1 / spread is how many units they count for.
        units: (k,) how many have an image.
        whole: (k,) whether the values of every unit are all 0 or all 1.
    """

    mean: Numbers
    errors: Numbers
    weights: Numbers
    scale: Numbers
    spread: Numbers
    units: NDArray[np.int64]
    whole: NDArray[np.bool_]


def difference_of_units(
    inside: tuple[Numbers, Numbers], outside: tuple[Numbers, Numbers], *, shares: bool = False
) -> tuple[Numbers, Numbers, Numbers]:
    """Mean inside minus mean outside, and its 95 % interval.

    Args:
        inside, outside: (units, k) sums of the values and (units, k) numbers of images of each unit on either side; a
            unit may be on both.
        shares: the values are 0 or 1. Where they are a matter of the unit (a well has one compound), the few units are
            draws of 0 and 1, and all alike does not mean without spread: it is at least that with one more of each.

    Returns:
        (k,), (k,), (k,): NaN for an interval where a side lies in fewer than two units.

    Source:
        Variance and degrees of freedom of a mean of clustered data under equal variances of the units: Bell & McCaffrey
        2002, Survey Methodology 28, 169; put together for two groups as Welch 1947 and Satterthwaite 1946; one more of
        each kind: Agresti & Coull 1998.
    """
    from scipy.special import stdtrit

    found, error, free = estimate(inside, outside, shares=shares)
    half = stdtrit(free, _QUANTILE) * error
    return found, found - half, found + half


def mean_of_units(values: ArrayLike, units: ArrayLike, *, shares: bool = False) -> tuple[float, float, float]:
    """Mean of values that come in units (the wells of a plate, the doses of a compound), and its 95 % interval.

    Args:
        values: (n,) numbers; NaN is left out.  units: (n,) the unit of each.
        shares: the values are 0 or 1; the interval stays within, as that of `difference_of_units`.

    Returns:
        (mean, low, high): NaN for the interval with fewer than two units, for all without a value.

    Source:
        As `difference_of_units`, of one side.
    """
    from scipy.special import stdtrit

    x, names = np.asarray(values, float), np.asarray(units)
    known = ~np.isnan(x)
    if not known.any():
        return float("nan"), float("nan"), float("nan")
    codes = np.unique(names[known], return_inverse=True)[1]
    one = side(np.bincount(codes, weights=x[known])[:, None].astype(float), np.bincount(codes)[:, None].astype(float))
    mean = float(one.mean[0])
    if one.units[0] < 2:
        return mean, float("nan"), float("nan")
    variance = np.square(one.errors).sum(axis=0) + (_left_out(one) if shares else 0.0)
    half = float((stdtrit(_freedom(one.spread, _moment(one, one)), _QUANTILE) * np.sqrt(variance))[0])
    low, high = mean - half, mean + half
    return (mean, max(0.0, low), min(1.0, high)) if shares else (mean, low, high)


def estimate(
    inside: tuple[Numbers, Numbers], outside: tuple[Numbers, Numbers], *, shares: bool = False
) -> tuple[Numbers, Numbers, Numbers]:
    """What the interval of `difference` is made of: the difference, its standard error, its degrees of freedom.

    Args:
        inside, outside, shares: as for `difference`.

    Returns:
        (k,), (k,), (k,): NaN for the error where a side lies in fewer than two units.
    """
    a, b = side(*inside), side(*outside)
    variance = np.square(a.errors - b.errors).sum(axis=0)
    if shares:
        variance += _left_out(a) + _left_out(b)
    error = np.sqrt(variance)
    error[np.minimum(a.units, b.units) < 2] = np.nan
    return a.mean - b.mean, error, freedom(a, b)


def side(sums: Numbers, counts: Numbers) -> Side:
    """One side of the comparisons, of sums and numbers of images (units, k)."""
    there = counts > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(there, counts / counts.sum(axis=0), 0.0)
        mean = sums.sum(axis=0) / counts.sum(axis=0)
        away = np.where(there, sums / counts - mean, 0.0)
    spread = np.square(weights).sum(axis=0)
    kept = 1 - 2 * weights + spread  # the share of a unit's own variance that is left in its distance to the mean
    usable = there & (kept > _TINY)
    scale = np.where(usable, weights / np.sqrt(np.where(usable, kept, 1.0)), 0.0)
    whole = ((sums == 0) | (sums == counts)).all(axis=0)
    return Side(mean, scale * away, weights, scale, spread, there.sum(axis=0), whole)


def freedom(a: Side, b: Side) -> Numbers:
    """(k,) degrees of freedom of the variance of a difference, at least 1.

    Twice its squared mean over its own variance, where units are normal with one variance, and what they have inside is
    independent of what they have outside.
    """
    squares = _moment(a, a) + _moment(b, b) + 2 * _moment(a, b)
    return _freedom(a.spread + b.spread, squares)


def _freedom(mean: Numbers, squares: Numbers) -> Numbers:
    return np.asarray(np.maximum(1.0, np.where(squares > 0, mean**2 / np.where(squares > 0, squares, 1.0), 1.0)))


def _moment(a: Side, b: Side) -> Numbers:
    """(k,) the sum over units u, v of c_u c_v A_uv B_uv, with c the product of both scales.

    A_uv = 1 on the diagonal, plus a.spread - a.weights_u - a.weights_v, is what two distances to the mean have in
    common; B likewise. The double sum is written out, so that thousands of units cost no square of them.
    """
    c = a.scale * b.scale
    none, first, second, both = (np.sum(c * by, axis=0) for by in (1.0, a.weights, b.weights, a.weights * b.weights))
    off = a.spread * b.spread * none**2 - 2 * none * (a.spread * second + b.spread * first - both) + 2 * first * second
    more = 1 + (a.spread - 2 * a.weights) + (b.spread - 2 * b.weights)
    return np.asarray(off + np.sum(c**2 * more, axis=0))


def _left_out(one: Side) -> Numbers:
    """(k,) what the variance of shares falls short of that of units drawn as 0 or 1, one more of each among them."""
    counted = one.whole & (one.units > 1)
    units = 1 / np.where(counted, one.spread, 1.0)
    share = (one.mean * units + 1) / (units + 2)
    least = share * (1 - share) * one.spread
    return np.where(counted, np.maximum(0.0, least - np.square(one.errors).sum(axis=0)), 0.0)


def false_discovery(p: Floats) -> Floats:
    """Adjusted p: the smallest false-discovery rate at which each would be called.

    Args:
        p: any shape; NaN are not tested and stay NaN.

    Source:
        Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995), by SciPy. Holds for independent tests and for those
        that depend positively on each other.
    """
    from scipy.stats import false_discovery_control

    out = np.full(p.shape, np.nan)
    tested = np.isfinite(p)
    out[tested] = false_discovery_control(p[tested])
    return out
