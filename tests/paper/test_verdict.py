"""Verdicts from intervals."""

import numpy as np
import pytest
from scipy import stats

from ssrl_core.analysis.scores import eta2, mean_sd
from ssrl_core.paper.evidence import PUBLISHED, _against
from ssrl_core.paper.item import NOT_RUN, NOT_SHOWN, REVERSED, SHOWN, contrast, mean_above, overall, plain_claim


def test_the_interval_is_welch_s():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 1, 5), rng.normal(0, 3, 7)
    found = contrast("a above b", a, b)
    theirs = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    assert found.n == (5, 7)


def test_above_is_the_one_sample_interval():
    a = np.array([1.0, 1.2, 0.9, 1.4])
    theirs = stats.ttest_1samp(a, 1.0).confidence_interval(0.95)
    found = mean_above("a above 1", a, 1.0)
    assert (found.low, found.high) == pytest.approx((theirs.low - 1, theirs.high - 1))


@pytest.mark.parametrize(("n", "sd"), [((5, 5), (1, 1)), ((5, 5), (1, 4)), ((5, 3), (1, 3))])
def test_intervals_of_few_seeds_hold_the_truth_about_as_often_as_they_promise(n, sd):
    rng = np.random.default_rng(0)
    sides = [(rng.normal(0.5, sd[0], n[0]), rng.normal(0, sd[1], n[1])) for _ in range(1000)]
    found = [contrast("a above b", a, b) for a, b in sides]
    assert 0.92 <= np.mean([c.low <= 0.5 <= c.high for c in found]) <= 0.975
    alone = [mean_above("a above 0", a) for a, _ in sides]
    assert 0.92 <= np.mean([c.low <= 0.5 <= c.high for c in alone]) <= 0.975


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ([2, 2.1, 2.2], [1, 1.1, 0.9], SHOWN),
        ([1, 1.1, 0.9], [2, 2.1, 2.2], REVERSED),
        ([1, 2, 3], [1, 2, 3.1], NOT_SHOWN),
        ([], [1, 2], NOT_RUN),
        ([1], [1, 2], NOT_SHOWN),
        ([1, 1], [1, 1], NOT_SHOWN),
        ([float("nan"), 2, 2.1], [1, 1.1, float("nan")], SHOWN),
    ],
)
def test_the_verdict_follows_from_the_interval(a, b, verdict):
    assert contrast("a above b", a, b).verdict == verdict


def test_an_item_is_shown_only_where_every_claim_is():
    yes, no, back, none = (
        plain_claim("a", True),
        plain_claim("b", False),
        plain_claim("c", False, against=True),
        plain_claim("d", None),
    )
    assert overall([yes, yes]) == SHOWN
    assert overall([yes, no]) == overall([yes, back]) == overall([yes, none]) == NOT_SHOWN
    assert overall([back, no]) == REVERSED
    assert overall([none]) == overall([]) == NOT_RUN


def test_means_leave_out_what_is_missing():
    assert mean_sd([1.0, None, 3.0]) == (2.0, pytest.approx(np.sqrt(2)), 2)
    assert mean_sd([]) == (None, None, 0)
    assert mean_sd([1.0]) == (1.0, None, 1)


def test_eta2_is_the_share_between_groups():
    values, groups = np.array([0.0, 0, 1, 1, 9]), np.array([0, 0, 1, 1, -1])
    assert eta2(values, groups) == 1.0
    assert eta2(np.array([0.0, 1, 0, 1]), np.array([0, 0, 1, 1])) == 0.0
    assert np.isnan(eta2(np.ones(4), np.array([0, 0, 1, 1])))


def test_a_reading_knows_how_far_it_is_from_the_published_values():
    assert _against(PUBLISHED) == {"distance": 0.0, "in_order": True}
    other = {name: value + 0.1 for name, value in PUBLISHED.items()}
    assert _against(other)["distance"] == pytest.approx(0.1)
    assert not _against(PUBLISHED | {"mnist-second-set": 0.1})["in_order"]
