"""The rule that calls two classes opposite, over all pairs of one setting: plain, and corrected for looking at many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ssrl_core.analysis.bias.axis import Bools, Floats
from ssrl_core.analysis.bias.correlation import Coefficients
from ssrl_core.analysis.bias.significance import (
    correlation_p,
    critical_correlation,
    discovery_threshold,
    false_discovery,
    kendall_p,
)
from ssrl_core.errors import SpecError

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
                raise SpecError(
                    where="Opposite classes", field=name, rule=f"in {low}..{high}", value=getattr(self, name)
                )
        if self.points not in POINTS:
            raise SpecError(
                where="Opposite classes", field="points", rule=f"one of {', '.join(POINTS)}", value=self.points
            )


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
