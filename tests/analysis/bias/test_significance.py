import numpy as np
import pytest
from scipy import stats

from ssrl_core.analysis.bias.correlation import (
    correlation_p,
    critical_correlation,
    discovery_threshold,
    kendall_p,
)
from ssrl_core.analysis.intervals import false_discovery


@pytest.mark.parametrize("n", [3, 4, 7, 12, 20, 33])
def test_exact_p_of_kendall_is_that_of_scipy_for_every_count(n):
    pairs = n * (n - 1) // 2
    score = np.arange(-pairs, pairs + 1, 2)
    p, exact = kendall_p(score.astype(float), np.ones(len(score)), np.full(len(score), n), np.ones(len(score), bool))
    theirs = [stats._mstats_basic._kendall_p_exact(n, (pairs + s) // 2) for s in score]
    assert exact.all()
    np.testing.assert_allclose(p, theirs, rtol=1e-12)


def test_false_discovery_is_that_of_scipy_and_leaves_out_what_was_not_tested():
    p = np.random.default_rng(0).uniform(size=50) ** 3
    np.testing.assert_allclose(false_discovery(p), stats.false_discovery_control(p), rtol=1e-12)
    gaps = np.insert(p, [0, 10, 50], np.nan)
    np.testing.assert_allclose(false_discovery(gaps)[np.isfinite(gaps)], false_discovery(p), rtol=1e-12)
    assert np.isnan(false_discovery(np.array([np.nan]))).all()


def test_the_threshold_calls_what_the_adjusted_p_call():
    rng = np.random.default_rng(1)
    for _ in range(200):
        p = rng.uniform(size=40) ** rng.integers(1, 6)
        small = np.sort(p[p < 0.05])
        assert ((p <= discovery_threshold(small, 40, 0.05)) == (false_discovery(p) <= 0.05)).all()


def test_critical_correlation_is_where_p_crosses_alpha():
    n = np.array([3, 5, 20, 100, 2])
    limit = critical_correlation(n, 0.05)
    np.testing.assert_allclose(correlation_p(limit[:4], n[:4]), 0.05, rtol=1e-9)
    assert np.isnan(limit[4])
