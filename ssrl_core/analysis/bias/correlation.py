"""Correlation of pairs of classes: three coefficients, their p, and the rule by which a pair is opposite."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import comb, factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ssrl_core.analysis.bias.columns import Bools, Floats, Ints
from ssrl_core.analysis.intervals import false_discovery
from ssrl_core.errors import SpecError

LEAST = 3
"""Two points always lie on a line: below three nothing is correlated, and nothing can be tested."""


@dataclass(frozen=True)
class Coefficients:
    """Matrices over pairs of classes; NaN where undefined (fewer than 3 shared points, or a constant class).

    Args:
        n: (C, C) points that both classes have.
        pearson, spearman, kendall: (…, C, C); Kendall's is tau-b.
        covariance: (…, C, C) over the shared points, n - 1.
        score: (…, C, C) concordant minus discordant pairs of points.
        variance: (…, C, C) of the score without association, ties counted.
        untied: (…, C, C) bool, no ties in either class.
        constant: (…, C, C) bool, class a has one value only over the points shared with b.
    """

    n: Ints
    pearson: Floats
    spearman: Floats
    kendall: Floats
    covariance: Floats
    score: Floats
    variance: Floats
    untied: NDArray[np.bool_]
    constant: NDArray[np.bool_]


def coefficients(y: Floats) -> Coefficients:
    """The three coefficients of every pair of rows.

    Args:
        y: (…, C, P) values of C classes at P points; NaN where a class has none. Over leading dimensions (draws of a
            floor) the same points must be missing.

    Classes that lack the same points share one *context*: ranks, ties and sums are formed once for each class and
    context, (C, P, U) with U contexts, and combined by products of matrices. Without gaps U = 1.

    Source:
        Kendall, Biometrika 33 (1945), tau-b; Noether, Elements of Nonparametric Statistics (1967), variance with ties.
        Both coefficients of ranks are products of the signs of differences: with s_a(i, j) = sign(a_i - a_j), the score
        is the sum of s_a s_b / 2, and the centred mid-rank of point i is the sum over j of s_a(i, j) / 2.
    """
    there = np.isfinite(y[(0,) * (y.ndim - 2)])
    contexts, context = np.unique(there, axis=0, return_inverse=True)
    context = context.reshape(-1)
    mask = contexts.astype(np.float64)  # (U, P)
    n = (there @ mask.T)[:, context].astype(np.int64)
    filled = np.where(there, y, 0.0)
    signs = _signs(filled, there)
    beats = _in_context(signs, mask)
    differs = _in_context(np.abs(signs), mask)
    unequal = differs.sum(axis=-2)[..., context] / 2
    constant = unequal == 0
    undefined = (n < LEAST) | constant | np.swapaxes(constant, -1, -2)
    pearson, covariance = _pearson(filled, there, mask, context, n)
    flat = signs.reshape(*signs.shape[:-2], -1)
    score = (flat @ np.swapaxes(flat, -1, -2)).astype(np.float64) / 2
    variance, untied = _variance(there, mask, context, differs, unequal, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        kendall = score / np.sqrt(unequal * np.swapaxes(unequal, -1, -2))
        spearman = _spearman(beats, context)
    pearson, spearman, kendall = (np.where(undefined, np.nan, _within_one(r)) for r in (pearson, spearman, kendall))
    return Coefficients(n, pearson, spearman, kendall, covariance, score, variance, untied, constant)


def _within_one(r: Floats) -> Floats:
    """Coefficients in -1..1; what rounding alone keeps from -1 or 1 is put there, as the p of a perfect line is 0."""
    return np.where(np.abs(r) > 1 - 1e-14, np.sign(r), r)


def _signs(filled: Floats, there: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(…, C, P, P) sign of each difference; 0 where a point is missing. float32 holds sums to 2^24 exactly."""
    signs = np.sign(filled[..., :, None] - filled[..., None, :]).astype(np.float32)
    if not there.all():
        signs *= there[:, :, None] & there[:, None, :]
    return signs


def _in_context(pairs: NDArray[np.float32], mask: Floats) -> Floats:
    """(…, C, P, U): sums over the points of each context, for the points of that context."""
    return np.asarray((pairs @ mask.T.astype(np.float32)).astype(np.float64) * mask.T)


def _pearson(filled: Floats, there: NDArray[np.bool_], mask: Floats, context: Ints, n: Ints) -> tuple[Floats, Floats]:
    own = np.maximum(there.sum(axis=-1), 1)
    centred = np.where(there, filled - (filled.sum(axis=-1) / own)[..., None], 0.0)
    total = (centred @ mask.T)[..., context]
    squares = (centred**2 @ mask.T)[..., context]
    shared = np.maximum(n, 1)
    other = np.swapaxes(total, -1, -2)
    products = centred @ np.swapaxes(centred, -1, -2) - total * other / shared
    spread = squares - total**2 / shared
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = np.where(n > 1, products / (n - 1), np.nan)
        return products / np.sqrt(spread * np.swapaxes(spread, -1, -2)), covariance


def _spearman(beats: Floats, context: Ints) -> Floats:
    """Pearson's coefficient of the mid-ranks, from the centred ranks of each class in each context."""
    squares = (beats**2).sum(axis=-2)[..., context]
    if beats.shape[-1] == 1:
        products: Any = beats[..., 0] @ np.swapaxes(beats[..., 0], -1, -2)
    else:
        pairs = beats[..., context]
        products = np.einsum("...aib,...bia->...ab", pairs, pairs)
    return np.asarray(products / np.sqrt(squares * np.swapaxes(squares, -1, -2)))


def _variance(
    there: NDArray[np.bool_], mask: Floats, context: Ints, differs: Floats, unequal: Floats, n: Ints
) -> tuple[Floats, NDArray[np.bool_]]:
    """Variance of Kendall's score without association, and where there are no ties at all.

    A point that is equal to t - 1 others belongs to a group of t; sums over groups are sums over points.
    """
    counts = there @ mask.T  # (C, U)
    joint = there[:, :, None] & (mask.T > 0)[None]
    others = np.where(joint, counts[:, None, :] - differs, 1.0) - 1.0  # points equal to each point, (…, C, P, U)
    triples = (others * (others - 1)).sum(axis=-2)[..., context]
    weighted = (others * (2 * others + 7)).sum(axis=-2)[..., context]
    ordered = n * (n - 1.0)
    tied = ordered / 2 - unequal
    swapped = [np.swapaxes(a, -1, -2) for a in (triples, weighted, tied)]
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (
            (ordered * (2 * n + 5) - weighted - swapped[1]) / 18
            + 2 * tied * swapped[2] / ordered
            + triples * swapped[0] / (9 * ordered * (n - 2))
        )
    return variance, (tied == 0) & (swapped[2] == 0)


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


def discovery_threshold(sorted_p: Floats, tests: int, rate: float) -> float:
    """The largest p that is called at a rate, from the ascending p that are at most `rate`; -1 for none."""
    called = np.flatnonzero(sorted_p <= rate * np.arange(1, len(sorted_p) + 1) / max(tests, 1))
    return float(sorted_p[called[-1]]) if len(called) else -1.0


NAMES = ("pearson", "kendall", "spearman")
POINTS = ("means", "runs")


@dataclass(frozen=True)
class Rule:
    """When two classes are opposite: at least one coefficient below `threshold` whose own two-sided p is below `alpha`.

    Corrected: the same with the p adjusted by Benjamini and Hochberg over every pair × coefficient of the setting (of
    100 classes 14,850 tests). The statement tested is "these two move in opposite directions", so a coefficient of 0 or
    more enters with p = 1: a trend that all classes share, which makes thousands of pairs agree, must not make
    it easier to call the few that disagree. A pair that is opposite when corrected is so without correction. `bh` is
    Benjamini and Hochberg over the same p as they are, for comparison with tools that adjust all of them.

    Args:
        threshold: in -1..0. alpha: in 0..1, level of one test, and the false-discovery rate of the corrected variant.
        points: `means` (over the seeds of each value, as in the paper), or `runs` (every run is a point; runs of one
            value are not independent of each other's value, so this sees more points than it has evidence).

    Raises:
        SpecError: a value outside.

    Source:
        Section 3.1 of the paper.
    """

    threshold: float = -0.3
    alpha: float = 0.05
    points: str = "means"

    def __post_init__(self) -> None:
        for name, low, high in (("threshold", -1, 0), ("alpha", 0, 1)):
            if not low <= getattr(self, name) <= high:
                raise SpecError.at("Opposite classes", name, f"in {low}..{high}", getattr(self, name))
        if self.points not in POINTS:
            raise SpecError.at("Opposite classes", "points", f"one of {', '.join(POINTS)}", self.points)


@dataclass(frozen=True)
class Verdict:
    """The tests of the pairs of one setting, each field (3, M): rows as NAMES, columns the pairs i < j, row by row.

    Args:
        r, p, q: coefficient, its own two-sided p, its adjusted p.
        opposite, corrected, bh: (M,) bool, see `Rule`.
        exact: (M,) bool, Kendall's p is the exact one.
    """

    r: Floats
    p: Floats
    q: Floats
    opposite: Bools
    corrected: Bools
    bh: Bools
    exact: Bools


def judge(c: Coefficients, rule: Rule) -> Verdict:
    """The rule applied to every pair of one setting."""
    at = np.triu_indices(c.n.shape[0], 1)
    n = c.n[at]
    r = np.stack([getattr(c, name)[at] for name in NAMES])
    kendall, exact = kendall_p(c.score[at], c.variance[at], n, c.untied[at])
    p = np.stack([correlation_p(r[0], n), np.where(np.isnan(r[1]), np.nan, kendall), correlation_p(r[2], n)])
    q = false_discovery(np.where(r >= 0, 1.0, p))
    low = r < rule.threshold
    called, kept, bh = (_any(low & (a < rule.alpha), 0) for a in (p, q, false_discovery(p)))
    return Verdict(r, p, q, called, kept, bh, exact & ~np.isnan(r[1]))


def judge_draws(c: Coefficients, rule: Rule) -> tuple[Bools, Bools]:
    """`opposite` and `corrected` of `judge` for (B, C, C) coefficients, without the p that change nothing.

    Only coefficients below 0 with p < alpha can be called, with or without correction: others get no p.

    Returns:
        (B, M) bool each.
    """
    i, j = np.triu_indices(c.n.shape[0], 1)
    n = c.n[i, j]
    r = np.stack([getattr(c, name)[:, i, j] for name in NAMES], axis=1)  # (B, 3, M)
    tests = np.isfinite(r).sum(axis=(1, 2))
    p = np.ones(r.shape)
    limit = critical_correlation(n, rule.alpha) - 1e-9  # p decides; the limit only spares the rest
    for row in (0, 2):
        draw, pair = np.nonzero(r[:, row] < -limit)
        p[draw, row, pair] = correlation_p(r[draw, row, pair], n[pair])
    draw, pair = np.nonzero(r[:, 1] < 0)
    a, b = i[pair], j[pair]
    p[draw, 1, pair], _ = kendall_p(c.score[draw, a, b], c.variance[draw, a, b], n[pair], c.untied[draw, a, b])
    small = [np.sort(one[one < rule.alpha]) for one in p]
    cut = np.array([discovery_threshold(one, int(m), rule.alpha) for one, m in zip(small, tests, strict=True)])
    low = r < rule.threshold
    return _any(low & (p < rule.alpha), 1), _any(low & (p <= cut[:, None, None]), 1)


def _any(called: Bools, axis: int) -> Bools:
    """Whether one of the coefficients calls the pair."""
    return np.asarray(called.any(axis=axis))
