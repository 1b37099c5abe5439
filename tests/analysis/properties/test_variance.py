import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ssrl_core.analysis.properties import anova, manova

X = np.array(
    [
        [4.1, 2.2, 7.1],
        [3.9, 2.8, 6.4],
        [5.0, 2.5, 6.9],
        [4.4, 3.1, 7.7],
        [6.2, 2.9, 5.8],
        [5.8, 3.6, 5.1],
        [6.6, 3.3, 6.3],
        [5.1, 4.1, 5.5],
        [7.0, 3.0, 6.0],
        [4.9, 2.0, 8.1],
        [5.2, 2.6, 7.4],
    ]
)
G = list("aaaabbbbbcc")


def test_anova_is_that_of_scipy_with_its_share_of_the_variance():
    for column in X.T:
        theirs = stats.f_oneway(column[:4], column[4:9], column[9:])
        found = anova(column, G)
        assert (found.f, found.p) == (pytest.approx(theirs.statistic), pytest.approx(theirs.pvalue))
        assert (found.df_between, found.df_within) == (2, 8)
        assert found.eta2 == pytest.approx(found.f * 2 / (found.f * 2 + 8))
        assert found.omega2 < found.eta2
    assert found.groups["b"][0] == 5


def test_manova_agrees_with_statsmodels():
    """Values of statsmodels 0.15.0, MANOVA.from_formula("u+v+w ~ C(g)").mv_test()."""
    found = manova(pd.DataFrame(X, columns=["u", "v", "w"]), G)
    assert found.wilks == pytest.approx(0.04626056581849143, rel=1e-10)
    assert found.wilks_df == pytest.approx((6, 12))
    assert found.wilks_f == pytest.approx(7.298749009952739, rel=1e-10)
    assert found.wilks_p == pytest.approx(0.0018460926591054034, rel=1e-9)
    assert found.pillai == pytest.approx(1.2164203747855873, rel=1e-10)
    assert found.pillai_df == pytest.approx((6, 14))
    assert found.pillai_f == pytest.approx(3.622240952291712, rel=1e-10)
    assert found.pillai_p == pytest.approx(0.02212687639250685, rel=1e-9)
    assert found.eta2 == pytest.approx(1.2164203747855873 / 2)
    assert found.groups == {"a": 4, "b": 5, "c": 2}


def test_manova_from_the_definition_by_determinants():
    means = {g: X[[k == g for k in G]].mean(axis=0) for g in "abc"}
    within = sum(np.outer(x - means[g], x - means[g]) for x, g in zip(X, G, strict=True))
    total = (X - X.mean(axis=0)).T @ (X - X.mean(axis=0))
    found = manova(X, G)
    assert found.wilks == pytest.approx(np.linalg.det(within) / np.linalg.det(total))
    assert found.pillai == pytest.approx(np.trace((total - within) @ np.linalg.inv(total)))


def test_manova_of_one_property_is_anova():
    one, two = anova(X[:, 0], G), manova(X[:, :1], G)
    assert two.wilks_f == pytest.approx(one.f)
    assert two.pillai_f == pytest.approx(one.f)
    assert two.eta2 == pytest.approx(one.eta2)


def test_units_do_not_matter():
    assert manova(X * [1e-6, 1, 1e6] + 5, G).wilks == pytest.approx(manova(X, G).wilks, rel=1e-6)


def test_properties_that_follow_from_others_are_left_out_and_named():
    table = pd.DataFrame(X, columns=["u", "v", "w"]).assign(sum=lambda t: t["u"] + t["v"], one=1.0)
    found = manova(table, G)
    assert found.dropped == ("sum", "one")
    assert found.wilks == pytest.approx(manova(X, G).wilks)


def test_unknown_values_and_groups_are_left_out():
    x, groups = np.append(X[:, 0], [np.nan, 9.0]), [*G, "a", None]
    assert anova(x, groups).f == pytest.approx(anova(X[:, 0], G).f)
    assert manova(np.vstack([X, [np.nan, 1, 2], [1, 2, 3]]), groups).n == 11


@pytest.mark.parametrize(
    ("values", "groups", "reason"),
    [
        ([1.0, 2, 3], ["a", "a", "a"], "1 groups"),
        ([1.0, 2], ["a", "b"], "more classes than groups"),
        ([2.0, 2, 2, 2], ["a", "a", "b", "b"], "the same for every class"),
        ([], [], "0 groups"),
    ],
)
def test_what_cannot_be_tested_is_said(values, groups, reason):
    found = anova(values, groups)
    assert np.isnan(found.f)
    assert reason in found.reason
    several = manova(np.array([values, values]).T.reshape(-1, 2), groups)
    assert np.isnan(several.pillai)
    assert several.reason


def test_groups_without_spread_are_told_apart_for_certain():
    found = anova([1.0, 1, 2, 2], ["a", "a", "b", "b"])
    assert (found.f, found.p, found.eta2) == (np.inf, 0, 1)


def test_the_tests_keep_their_level_on_noise():
    rng = np.random.default_rng(0)
    groups = list("aaaaaaaabbbbbbbbbbcccccc")
    p = np.array([(m.pillai_p, m.wilks_p) for m in (manova(rng.normal(size=(24, 4)), groups) for _ in range(400))])
    assert ((p < 0.05).mean(axis=0) < 0.08).all()
    assert ((p < 0.05).mean(axis=0) > 0.02).all()
