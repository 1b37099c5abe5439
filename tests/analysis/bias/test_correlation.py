"""Every coefficient and every p agrees with scipy on every pair, with ties and gaps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from ssrl_core.analysis.bias.correlation import coefficients, correlation_p, kendall_p

PEERS = {"pearson": stats.pearsonr, "kendall": stats.kendalltau, "spearman": stats.spearmanr}


def both_ways(y):
    found = coefficients(y)
    kendall, exact = kendall_p(found.score, found.variance, found.n, found.untied)
    p = {"kendall": kendall, **{n: correlation_p(getattr(found, n), found.n) for n in ("pearson", "spearman")}}
    return found, p, exact


def agrees_with_scipy(y):
    found, p, exact = both_ways(y)
    for i in range(len(y)):
        for j in range(i + 1, len(y)):
            both = np.isfinite(y[i]) & np.isfinite(y[j])
            a, b = y[i][both], y[j][both]
            assert found.n[i, j] == both.sum()
            for name, peer in PEERS.items():
                ours = getattr(found, name)[i, j]
                if both.sum() < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
                    assert np.isnan(ours)
                    continue
                theirs = peer(a, b)
                assert ours == pytest.approx(theirs.statistic, abs=1e-10)
                perfect = abs(ours) > 1 - 1e-13  # there rounding alone moves p by 1e-8
                assert p[name][i, j] == pytest.approx(theirs.pvalue, rel=1e-7, abs=1e-7 if perfect else 1e-300)
            if both.sum() >= 3 and exact[i, j]:
                assert len(set(a)) == len(a)
                assert len(set(b)) == len(b)


@pytest.mark.parametrize("points", [3, 4, 5, 8, 20, 33, 34, 60])
@pytest.mark.parametrize("decimals", [9, 1, 0])
@pytest.mark.parametrize("gaps", [0.0, 0.15])
def test_every_coefficient_and_p_agrees_with_scipy_on_every_pair(points, decimals, gaps):
    rng = np.random.default_rng(points)
    y = np.round(rng.normal(size=(7, points)), decimals)
    y[6] = -y[5]
    y[4] = np.arange(points)
    y[rng.random(y.shape) < gaps] = np.nan
    agrees_with_scipy(y)


def test_orders_that_are_out_by_one_pair_have_the_exact_p_above_33_points():
    y = np.stack([np.arange(40.0)] * 4)
    y[1, [3, 4]] = y[1, [4, 3]]
    y[2] = y[2, ::-1]
    y[3, :20] = y[3, :20][::-1]
    agrees_with_scipy(y)
    assert both_ways(y)[2][0].tolist() == [True, True, True, False]


def test_many_draws_at_once_are_as_one_after_the_other():
    rng = np.random.default_rng(1)
    y = rng.normal(size=(5, 6, 12)).round(1)
    y[:, 2, 3:5] = np.nan
    together = coefficients(y)
    for draw in range(5):
        alone = coefficients(y[draw])
        for name in ("pearson", "kendall", "spearman", "score", "variance"):
            np.testing.assert_allclose(getattr(together, name)[draw], getattr(alone, name), rtol=1e-12, atol=1e-14)


@given(
    arrays(float, (4, 9), elements=st.sampled_from([0.1, 0.2, 0.25, 0.3, 0.7, np.nan])),
    st.permutations(range(9)),
    st.permutations(range(4)),
)
def test_the_order_of_points_and_of_classes_does_not_matter(y, points, classes):
    one, two = coefficients(y), coefficients(y[np.ix_(classes, points)])
    for name in ("pearson", "kendall", "spearman", "variance"):
        expected = getattr(one, name)[np.ix_(classes, classes)]
        np.testing.assert_allclose(getattr(two, name), expected, rtol=1e-9, atol=1e-12)


def test_a_class_without_any_point_and_a_constant_one_are_undefined_not_zero():
    y = np.array([[0.1, 0.2, 0.3, 0.4], [np.nan] * 4, [0.5] * 4, [0.4, 0.3, 0.2, 0.1]])
    found = coefficients(y)
    assert found.pearson[0, 3] == -1
    assert np.isnan(found.pearson[1]).all()
    assert np.isnan(found.kendall[2, [0, 3]]).all()
    assert np.isnan(found.spearman[2, [0, 3]]).all()
