"""Intervals over wells: they cover the truth as often as they say, however few the wells; and slow twins."""

import numpy as np
import pytest
from scipy import stats

from ssrl_core.analysis.intervals import difference_of_units, freedom, side

TRIALS = 3000


def sums_of(values, counts):
    """(units, trials) sums of units whose means are `values`."""
    return values * counts, counts


def wells(rng, number, law):
    """Means and sizes of `number` wells in each trial; sizes differ by a factor of two or so."""
    sizes = np.maximum(5, np.rint(60 * np.exp(0.5 * rng.normal(size=(number, TRIALS)))))
    return law(rng, number), sizes


def coverage(inside, outside, law_in, law_out, truth, *, shares=False):
    rng = np.random.default_rng(7)
    a, b = wells(rng, inside, law_in), wells(rng, outside, law_out)
    nothing = np.zeros_like(a[0]), np.zeros_like(b[0])
    first = [np.vstack(pair) for pair in zip(sums_of(*a), (nothing[1], nothing[1]), strict=True)]
    second = [np.vstack(pair) for pair in zip((nothing[0], nothing[0]), sums_of(*b), strict=True)]
    _, low, high = difference_of_units(tuple(first), tuple(second), shares=shares)
    return float(((low <= truth) & (truth <= high)).mean()), float(np.median(high - low))


def normal(mean, sd):
    return lambda rng, number: rng.normal(mean, sd, (number, TRIALS))


def cells(share):
    """Shares of wells that differ, of cells that are so or not: a beta law of well, its mean `share`."""
    return lambda rng, number: rng.beta(6 * share, 6 * (1 - share), (number, TRIALS))


def compound(share):
    """Wells that have a compound or have it not."""
    return lambda rng, number: (rng.random((number, TRIALS)) < share).astype(float)


@pytest.mark.parametrize("inside", [2, 3, 4, 8])
@pytest.mark.parametrize("outside", [4, 20])
@pytest.mark.parametrize("wider", [0.5, 1.0, 2.0])
def test_of_numbers_95_percent_are_about_95_percent(inside, outside, wider):
    covered, _ = coverage(inside, outside, normal(1.0, wider), normal(0.0, 1.0), 1.0)
    assert covered >= 0.90
    if wider == 1.0:
        assert 0.94 <= covered <= 0.998


@pytest.mark.parametrize("inside", [2, 3, 4, 8])
@pytest.mark.parametrize("outside", [4, 20])
def test_of_shares_of_cells_95_percent_are_about_95_percent(inside, outside):
    covered, _ = coverage(inside, outside, cells(0.6), cells(0.2), 0.4, shares=True)
    assert 0.92 <= covered <= 0.998


@pytest.mark.parametrize("inside", [2, 3, 4, 8])
def test_wells_that_all_have_the_compound_are_still_few(inside):
    covered, _ = coverage(inside, 20, compound(0.8), compound(0.2), 0.6, shares=True)
    assert covered >= 0.90


def test_the_bootstrap_that_it_replaces_covers_far_less():
    rng = np.random.default_rng(3)
    a, b = rng.normal(1, 1, (2, 500)), rng.normal(0, 1, (20, 500))
    drawn = rng.multinomial(22, np.full(22, 1 / 22), size=300)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = drawn[:, :2] @ a / drawn[:, :2].sum(1, keepdims=True)
        means = means - drawn[:, 2:] @ b / drawn[:, 2:].sum(1, keepdims=True)
    low, high = np.nanpercentile(means, [2.5, 97.5], axis=0)
    assert ((low <= 1) & (high >= 1)).mean() < 0.8


def test_wells_of_one_size_give_welchs_interval_with_its_variance():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(5, 1)), rng.normal(size=(9, 1))
    zero = np.zeros
    inside = np.vstack([10 * a, zero((9, 1))]), np.vstack([np.full((5, 1), 10.0), zero((9, 1))])
    outside = np.vstack([zero((5, 1)), 10 * b]), np.vstack([zero((5, 1)), np.full((9, 1), 10.0)])
    found, low, high = difference_of_units(inside, outside)
    variance = a.var(ddof=1) / 5 + b.var(ddof=1) / 9
    freedom = (1 / 5 + 1 / 9) ** 2 / ((1 / 5) ** 2 / 4 + (1 / 9) ** 2 / 8)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(variance)
    assert found[0] == pytest.approx(a.mean() - b.mean())
    assert (low[0], high[0]) == pytest.approx((found[0] - half, found[0] + half))


def test_wells_that_hold_both_are_paired():
    """A well's own level, which both groups share, does not widen the interval."""
    rng = np.random.default_rng(2)
    level, away = rng.normal(0, 50, (8, 1)), rng.normal(1, 0.1, (8, 1))
    counts = np.full((8, 1), 20.0)
    _, low, high = difference_of_units((counts * (level + away), counts), (counts * level, counts))
    half = float(stats.t.ppf(0.975, 7) * away.std(ddof=1) / np.sqrt(8))
    assert high[0] - low[0] == pytest.approx(2 * half)


@pytest.mark.parametrize("number", [5, 8])
def test_clusters_that_lie_in_all_wells_are_covered(number):
    rng = np.random.default_rng(6)
    level, away = rng.normal(0, 3, (number, TRIALS)), rng.normal(1, 1, (number, TRIALS))
    counts = np.maximum(5, np.rint(60 * np.exp(0.5 * rng.normal(size=(2, number, TRIALS)))))
    _, low, high = difference_of_units((counts[0] * (level + away), counts[0]), (counts[1] * level, counts[1]))
    assert ((low <= 1) & (high >= 1)).mean() >= 0.93


def test_variance_and_freedom_agree_with_their_slow_twin():
    """The variance of a difference as a quadratic form of wells, its mean and its variance by matrices and by draws."""
    rng = np.random.default_rng(4)
    counts = rng.integers(0, 40, (2, 7, 1)).astype(float)
    counts[:, 0], counts[:, 6] = [[0.0], [9.0]], [[12.0], [0.0]]
    centres, scales, spreads = [], [], []
    for weights in (counts / counts.sum(axis=1, keepdims=True))[..., 0]:
        spread = (weights**2).sum()
        centres.append(np.eye(7) - np.outer(np.ones(7), weights))
        scales.append(np.diag(weights / np.sqrt(1 - 2 * weights + spread)))
        spreads.append(spread)
    errors = np.hstack([scales[0] @ centres[0], -scales[1] @ centres[1]])  # of the 14 means, inside then outside
    form = errors.T @ errors
    values = rng.normal(size=(14, 200_000))
    drawn = np.square(errors @ values).sum(axis=0)
    assert drawn.mean() == pytest.approx(sum(spreads), rel=0.02)  # the variance of the difference of weighted means
    a, b = side(counts[0] * values[:7, :1], counts[0]), side(counts[1] * values[7:, :1], counts[1])
    assert np.square(a.errors - b.errors).sum() == pytest.approx(drawn[0])
    assert freedom(a, b)[0] == pytest.approx(np.trace(form) ** 2 / np.trace(form @ form))
    assert freedom(a, b)[0] == pytest.approx(2 * drawn.mean() ** 2 / drawn.var(), rel=0.05)


def test_one_well_on_a_side_has_no_interval():
    counts = np.array([[5.0], [0.0], [0.0]])
    rest = np.array([[0.0], [5.0], [5.0]])
    _, low, high = difference_of_units((counts, counts), (rest, rest))
    assert np.isnan([low[0], high[0]]).all()
    _, low, high = difference_of_units((rest, rest), (counts, counts))
    assert np.isnan([low[0], high[0]]).all()
    _, low, _ = difference_of_units((0 * rest, 0 * rest), (rest, rest))
    assert np.isnan(low[0])


def test_of_one_huge_well_and_a_small_one_the_interval_is_that_of_two():
    counts = np.array([[1000.0], [10.0], [0.0], [0.0], [0.0]])
    rest = np.array([[0.0], [0.0], [50.0], [50.0], [50.0]])
    level = np.array([[1.0], [0.4], [0.0], [0.1], [0.2]])
    _, low, high = difference_of_units((counts * level, counts), (rest * level, rest))
    assert high[0] - low[0] > 4
