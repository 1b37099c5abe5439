"""What section 3.1 claims of a sweep, on tables whose truth is planted."""

import numpy as np
import pytest

from ssrl_core.paper import hue_claims
from tests.analysis.bias.tables import classes_table, noise_table


def test_the_variance_that_seeds_share_is_that_of_the_true_curve():
    rng = np.random.default_rng(0)
    curve = 0.1 * np.sin(np.arange(12))
    accuracy = curve + rng.normal(0, 0.05, (400, 5, 12))
    assert hue_claims.shared_variance(accuracy).mean() == pytest.approx(curve.var(ddof=1), rel=0.05)
    noise = hue_claims.shared_variance(accuracy - curve)
    assert abs(noise.mean()) < 3e-5, "seeds alone move nothing"


def test_it_is_the_mean_over_pairs_of_seeds():
    accuracy = np.random.default_rng(1).random((3, 4, 6))
    found = hue_claims.shared_variance(accuracy)
    for c in range(3):
        for s in range(4):
            pairs = [np.cov(accuracy[c, s], accuracy[c, t])[0, 1] for t in range(4) if t != s]
            assert found[c, s] == pytest.approx(np.mean(pairs))


def test_classes_that_move_apart_are_shown_and_noise_and_a_common_trend_are_not():
    apart = {f"c{i}": (lambda x, way=(-1) ** i: 0.5 + 0.1 * way * x) for i in range(10)}
    found, opposed = hue_claims.classes_move_more(classes_table(apart, noise=0.02, seeds=5))
    assert (found.verdict, opposed.verdict) == ("shown", "shown")
    assert "points a class" in found.reason
    together, none = hue_claims.classes_move_more(noise_table(10, trend=0.2, seeds=5))
    assert (together.verdict, none.verdict) == ("not shown", "not shown")


def test_one_seed_or_a_missing_run_is_said():
    table = noise_table(4, seeds=1)
    assert "one seed" in hue_claims.classes_move_more(table)[0].reason
    table = noise_table(4, seeds=3)
    gap = table[~((table["seed"] == 5) & (table.iloc[:, 5] == 0))]
    assert "missing runs" in hue_claims.classes_move_more(gap)[0].reason
