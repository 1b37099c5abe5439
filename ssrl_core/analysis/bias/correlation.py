"""Pearson, Kendall and Spearman between all pairs of classes at once, over the points that both classes have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core.analysis.bias.axis import Floats, Ints

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
