"""p-values of the three coefficients, two-sided, and what is left of them when many are looked at at once."""

from __future__ import annotations

from functools import cache
from math import comb, factorial

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ssrl_core.analysis.bias.axis import Floats, Ints

EXACT_TO = 33
"""Points up to which Kendall's p is exact without ties; above, or with ties, it is the normal one (scipy's rule)."""


def correlation_p(r: Floats, n: Ints) -> Floats:
    """Two-sided p of Pearson's coefficient, and of Spearman's by the same t approximation.

    Args:
        r: coefficients in -1..1 or NaN; n: points, same shape.

    Returns:
        p; NaN where r is NaN or n < 3.

    Source:
        t = r sqrt((n - 2) / (1 - r²)) with n - 2 degrees of freedom; the p of |t| is I(1 - r²; (n - 2) / 2, 1/2), the
        regularised incomplete beta function, which keeps its digits for |r| near 1; for |r| near 0 its complement
        1 - I(r²; 1/2, (n - 2) / 2) does. Equal to scipy.stats.pearsonr and spearmanr. Spearman's is an approximation:
        with few points it is somewhat too small.
    """
    half = np.where(n >= 3, (n - 2) / 2, np.nan)
    p = np.asarray(special.betainc(half, 0.5, np.clip((1 - r) * (1 + r), 0, 1)), dtype=np.float64)
    small = np.abs(r) < 0.01
    p[small] = special.betaincc(0.5, half[small], r[small] ** 2)
    return p


def critical_correlation(n: Ints, alpha: float) -> Floats:
    """The |r| above which `correlation_p` is below alpha; NaN for n < 3."""
    counts, places = np.unique(n, return_inverse=True)
    dof = np.where(counts >= 3, counts - 2.0, np.nan)
    t = special.stdtrit(dof, 1 - alpha / 2)
    return np.asarray((t / np.sqrt(dof + t * t))[places].reshape(n.shape))


def kendall_p(score: Floats, variance: Floats, n: Ints, untied: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
    """Two-sided p of Kendall's tau-b, and where it is exact.

    The rule is scipy's (`method="auto"`): exact without ties and n <= 33, or at most one pair of points out of line;
    else normal, with the variance corrected for ties.

    Args:
        score: concordant minus discordant pairs; variance: of the score; n: points; untied: no ties. One shape.

    Source:
        Kendall, Rank Correlation Methods, 4th edition (1970): exact distribution of the number of inversions.
    """
    pairs = n * (n - 1) // 2
    least = np.where(untied & (n >= 3), (pairs - np.abs(score)) / 2, 0).astype(np.int64)
    exact = untied & (n >= 3) & ((n <= EXACT_TO) | (least <= 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * special.ndtr(-np.abs(score) / np.sqrt(variance))
    for count in np.unique(n[exact]):
        at = exact & (n == count)
        p[at] = _exact_table(int(count))[np.minimum(least[at], comb(int(count), 2) // 2)]
    return np.asarray(p, dtype=np.float64), exact


@cache
def _exact_table(n: int) -> Floats:
    """p of 0, 1, … discordant pairs, up to half of all; only the first two above EXACT_TO points."""
    size = comb(n, 2) // 2 + 1
    if n > EXACT_TO:
        return np.array([2 / factorial(n), 2 / factorial(n - 1)] if n < 171 else [0.0, 0.0])
    ways = [1] + [0] * (size - 1)  # orders of 1, 2, … n things with 0, 1, … inversions
    for things in range(2, n + 1):
        sums = np.cumsum(np.array(ways, dtype=object))
        ways = [int(sums[k] - (sums[k - things] if k >= things else 0)) for k in range(size)]
    total = factorial(n)
    return np.array([min(1.0, 2 * int(c) / total) for c in np.cumsum(np.array(ways, dtype=object))])


def false_discovery(p: Floats) -> Floats:
    """Adjusted p: the smallest false-discovery rate at which each would be called.

    Args:
        p: any shape; NaN are not tested and stay NaN.

    Source:
        Benjamini and Hochberg, J. R. Stat. Soc. B 57 (1995). Holds for independent tests and for those that depend
        positively on each other.
    """
    flat = p.ravel()
    tested = np.flatnonzero(np.isfinite(flat))
    order = tested[np.argsort(flat[tested], kind="stable")]
    ranks = np.arange(1, len(order) + 1)
    stepped = np.minimum.accumulate((flat[order] * len(order) / ranks)[::-1])[::-1] if len(order) else flat[order]
    out = np.full(flat.shape, np.nan)
    out[order] = np.minimum(stepped, 1.0)
    return out.reshape(p.shape)


def discovery_threshold(sorted_p: Floats, tests: int, rate: float) -> float:
    """The largest p that is called at a rate, from the ascending p that are at most `rate`; -1 for none."""
    called = np.flatnonzero(sorted_p <= rate * np.arange(1, len(sorted_p) + 1) / max(tests, 1))
    return float(sorted_p[called[-1]]) if len(called) else -1.0
