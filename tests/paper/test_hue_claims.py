"""What section 3.1 claims of a sweep, on tables whose truth is planted."""

import numpy as np
import pandas as pd
import pytest

from ssrl_core.analysis import bias
from ssrl_core.analysis.intervals import false_discovery
from ssrl_core.paper import hue_claims
from tests.analysis.bias.tables import classes_table, noise_table


def test_the_variance_that_seeds_share_is_that_of_the_true_curve():
    rng = np.random.default_rng(0)
    curve = 0.1 * np.sin(np.arange(12))
    accuracy = curve + rng.normal(0, 0.05, (400, 5, 12))
    found = hue_claims.off_diagonal(hue_claims.shared_variance(accuracy).mean(axis=0))
    assert found == pytest.approx(curve.var(ddof=1), rel=0.05)
    noise = hue_claims.off_diagonal(hue_claims.shared_variance(accuracy - curve).mean(axis=0))
    assert abs(noise) < 3e-5, "seeds alone move nothing"


def test_pairs_of_seeds_and_pseudo_values_are_as_defined():
    accuracy = np.random.default_rng(1).random((3, 4, 6))
    pairs = hue_claims.shared_variance(accuracy)
    for c in range(3):
        np.testing.assert_allclose(pairs[c], np.cov(accuracy[c]))
    found = hue_claims.pseudo_values(pairs[0])
    assert found.mean() == pytest.approx(hue_claims.off_diagonal(pairs[0]))
    mean = np.mean([pairs[0][s, t] for s in range(4) for t in range(4) if s != t])
    assert hue_claims.off_diagonal(pairs[0]) == pytest.approx(mean)


def test_the_interval_of_the_claim_holds_what_it_promises():
    rng = np.random.default_rng(2)
    truth = np.linspace(-0.05, 0.05, 10)[:, None] * np.linspace(-1, 1, 8)
    wanted = 1e4 * (truth.var(axis=1, ddof=1).mean() - truth.mean(axis=0).var(ddof=1))
    inside = shown = 0
    for _ in range(200):
        noise = rng.normal(0, 0.03, (10, 5, 8))
        found = hue_claims._more_than_overall([truth[:, None] + noise])
        inside += found.low <= wanted <= found.high
        shown += hue_claims._more_than_overall([noise]).verdict == "shown"
    assert inside >= 180
    assert shown <= 14


def test_p_of_classes_are_welchs():
    from scipy import stats

    a, b = np.random.default_rng(3).normal(size=(2, 6, 5))
    np.testing.assert_allclose(hue_claims.welch_p(a, b), stats.ttest_ind(a, b, axis=1, equal_var=False).pvalue)


def test_classes_that_move_apart_are_shown_and_noise_and_a_common_trend_are_not():
    apart = {f"c{i}": (lambda x, way=(-1) ** i: 0.5 + 0.1 * way * x) for i in range(10)}
    found, opposed = hue_claims.classes_move_more(classes_table(apart, noise=0.02, seeds=5))
    assert (found.verdict, opposed.verdict) == ("shown", "shown")
    assert "points a class" in found.reason
    together, none = hue_claims.classes_move_more(noise_table(100, trend=0.2, seeds=5))
    assert (together.verdict, none.verdict) == ("not shown", "not shown")


def test_a_range_of_sizes_is_a_parameter_like_any_other():
    apart = {f"c{i}": (lambda x, way=(-1) ** i: 0.5 + 0.1 * way * x) for i in range(4)}
    values = [[0.2, 0.2], [0.6, 0.6], [1.0, 1.0]]
    assert hue_claims.classes_move_more(classes_table(apart, values=values, noise=0.01, seeds=4))[0].verdict == "shown"


def test_few_seeds_or_a_missing_run_is_said():
    assert "3 seeds" in hue_claims.classes_move_more(noise_table(4, seeds=2))[0].reason
    table = noise_table(4, seeds=3)
    gap = hue_claims.classes_move_more(table[~((table["seed"] == 5) & (table.iloc[:, 5] == 0))])[0]
    assert (gap.verdict, gap.reason) == ("not run", "runs are missing")


def test_a_value_that_only_looks_highest_costs_nobody():
    rng = np.random.default_rng(4)
    called = sum(
        (false_discovery(hue_claims.choice_costs(rng.normal(0, 0.03, (20, 5, 10)))[1]) < 0.05).any() for _ in range(60)
    )
    assert called <= 9
    apart = np.array([np.linspace(0, 0.2, 10), np.linspace(0.2, 0, 10)])[:, None] + rng.normal(0, 0.01, (2, 5, 10))
    assert (hue_claims.choice_costs(apart)[1] < 0.001).all()


def test_what_a_choice_costs_another_superclass_is_a_row_and_chance_is_none():
    apart = {"up": lambda x: 0.4 + 0.2 * x, "down": lambda x: 0.6 - 0.2 * x, "flat": lambda x: 0.5}
    rows, (claim,) = hue_claims.own_highest(classes_table(apart, noise=0.01, seeds=5), {name: name for name in apart})
    prices = {row.row: row.ours for row in rows if row.column.startswith("price")}
    halves = [row.sd for row in rows if row.column.startswith("price")]
    assert all(0 < half < 0.05 for half in halves)  # half of an interval that leaves 0 out
    assert claim.verdict == "shown"
    assert {"down, where it is chosen for up", "up, where it is chosen for down"} <= {*prices}
    assert not any(name.startswith("flat") for name in prices)
    assert prices["down, where it is chosen for up"] < -0.05


def test_methods_that_call_the_same_classes_share_more_than_independent_ones():
    rng = np.random.default_rng(5)
    same = rng.random(40) < 0.4
    rows = [{"class": f"c{i}", "method": m, "opposite": bool(same[i])} for m in "ab" for i in range(40)]
    assert hue_claims.shared_p(pd.DataFrame(rows)) < 0.01
    apart = [{"class": f"c{i}", "method": m, "opposite": bool(rng.random() < 0.4)} for m in "ab" for i in range(40)]
    assert hue_claims.shared_p(pd.DataFrame(apart)) > 0.05


def test_a_p_that_few_draws_cannot_place_is_taken_from_more(monkeypatch):
    """Of 200 draws, other ones put the p of one sweep at 0.025, 0.030 and 0.055."""
    asked = []

    def floor(table, ratios, kind, draws):
        asked.append((kind, draws))
        p = 0.001 if kind == "trend_kept" else 0.055 if draws == hue_claims.DRAWS else 0.041
        return pd.DataFrame([{"method": "kit", "floor": kind, "draws": draws, "ratio_mean": 0.9, "ratio_p": p}])

    monkeypatch.setattr(hue_claims, "_floor", floor)
    rows, (found,) = hue_claims.ratio_rows(noise_table(6, seeds=3))
    assert asked == [("permuted", 200), ("permuted", 1000), ("trend_kept", 200)]
    assert found.verdict == "shown"
    assert "p 0.041 (values permuted, 1,000 draws), p 0.001 (common trend kept, 200 draws)" in found.reason
    assert {row.n for row in rows if row.column.startswith("chance")} == {200, 1000}
    clear = pd.DataFrame({"ratio_p": [0.1, 0.001, float("nan")], "draws": [200, 200, 200]})
    assert not hue_claims._undecided(clear)


def test_a_floor_is_the_same_alone_and_with_the_other_and_is_drawn_once(monkeypatch):
    table = noise_table(6, seeds=3)
    both = bias.floors(table, hue_claims.parameter(table), draws=20)
    alone = bias.floors(table, hue_claims.parameter(table), draws=20, kinds=("trend_kept",))
    kept = both[both["floor"] == "trend_kept"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.reset_index(drop=True), kept)
    ratios = bias.opposition(table, hue_claims.parameter(table)).ratios
    first = hue_claims.chance(table, ratios)
    monkeypatch.setattr(bias, "floors", None)
    pd.testing.assert_frame_equal(hue_claims.chance(table.copy(), ratios), first)
    sizes = [table.assign(size=[[0.2, end]] * len(table)) for end in (1.0, 1.0, 0.5)]
    first, same, other = map(hue_claims._Table.of, sizes)
    assert first == same != other
