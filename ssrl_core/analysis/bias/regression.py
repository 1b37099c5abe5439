"""Straight lines through many classes at once: slope, its interval and its test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from ssrl_core.analysis.bias.axis import Floats, Ints


@dataclass(frozen=True)
class Lines:
    """Least-squares lines, one a class, each field (C,).

    Args:
        slope, intercept: NaN without two different values of x.
        se, low, high: standard error and 95 % interval of the slope; NaN with fewer than three points.
        p: two-sided, of a slope of 0; NaN with fewer than three points or a constant class.
        r2: share of the variance that the line explains; NaN as p.
        n: points.
    """

    slope: Floats
    intercept: Floats
    se: Floats
    low: Floats
    high: Floats
    p: Floats
    r2: Floats
    n: Ints


def lines(x: Floats, y: Floats) -> Lines:
    """A line for each row of y over the points that it has.

    Args:
        x: (P,) finite. y: (C, P), NaN where missing.

    Source:
        Ordinary least squares; t = slope / se with n - 2 degrees of freedom. Equal to scipy.stats.linregress, but for
        a constant row, where linregress says p = 1 and nothing can be tested.
    """
    there = np.isfinite(y)
    n = there.sum(axis=1)
    count = np.maximum(n, 1)
    filled = np.where(there, y, 0.0)
    mean_x = (there * x).sum(axis=1) / count
    mean_y = filled.sum(axis=1) / count
    dx = np.where(there, x - mean_x[:, None], 0.0)
    dy = np.where(there, y - mean_y[:, None], 0.0)
    sxx, sxy, syy = (dx * dx).sum(axis=1), (dx * dy).sum(axis=1), (dy * dy).sum(axis=1)
    lowest = np.where(there, y, np.inf).min(axis=1, initial=np.inf)
    highest = np.where(there, y, -np.inf).max(axis=1, initial=-np.inf)
    constant = lowest >= highest
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(sxx > 0, np.where(constant, 0.0, sxy / sxx), np.nan)
        rest = np.where(constant, 0.0, np.maximum(syy - slope * sxy, 0.0))
        rest = np.where(rest < 1e-14 * syy, 0.0, rest)
        se = np.where(n > 2, np.sqrt(rest / np.maximum(n - 2, 1) / sxx), np.nan)
        p = np.where((n > 2) & ~constant, 2 * special.stdtr(np.maximum(n - 2, 1), -np.abs(slope / se)), np.nan)
        r2 = np.where((n > 2) & ~constant, 1 - rest / syy, np.nan)
    half = special.stdtrit(np.maximum(n - 2, 1), 0.975) * se
    p = np.where(np.isfinite(slope), p, np.nan)
    return Lines(slope, mean_y - slope * mean_x, se, slope - half, slope + half, p, r2, n)
