"""The floors say what chance gives."""

import numpy as np
import pandas as pd
import pytest

from ssrl_core.analysis import bias
from ssrl_core.analysis.bias.correlation import Rule, coefficients, judge, judge_draws
from ssrl_core.analysis.bias.opposite_pairs import common_trend, permuted
from ssrl_core.errors import SpecError
from tests.analysis.bias.tables import classes_table, noise_table

RISE = {f"c{i:02d}": (lambda x, s=i: 0.3 + 0.3 * x + 0.01 * s) for i in range(20)}


def by_floor(drawn, name="ratio"):
    return drawn.groupby("floor")[name].mean()


@pytest.mark.parametrize("points", [8, 20])
@pytest.mark.parametrize("decimals", [6, 1])
def test_draws_are_judged_as_pairs_are(points, decimals):
    rng = np.random.default_rng(points)
    y = rng.normal(size=(30, 9, points)).round(decimals)
    y[:, 4, :2] = np.nan
    rule = Rule(alpha=0.2)
    plain, corrected = judge_draws(coefficients(y), rule)
    for draw in range(len(y)):
        verdict = judge(coefficients(y[draw]), rule)
        assert (plain[draw] == verdict.opposite).all()
        assert (corrected[draw] == verdict.corrected).all()
    assert plain.any()


def test_noise_lies_at_its_floor():
    ratios, floors = [], []
    for seed in range(6):
        table = noise_table(20, noise=0.02, seed=seed, values=np.linspace(0, 1, 12))
        ratios.append(bias.opposition(table, "hue").ratios["ratio"].iloc[0])
        floors.append(by_floor(bias.floors(table, "hue", draws=40))["permuted"])
    assert np.mean(ratios) == pytest.approx(np.mean(floors), abs=0.12)
    assert np.mean(floors) > 0.5  # with 19 partners most classes have an "opposite" one by chance


def test_the_floor_is_what_uniform_permutations_give():
    """A pair is called at n = 12 with the chance of any of three tests; pairs of 12 classes nearly independent."""
    table = noise_table(12, noise=0.02, values=np.linspace(0, 1, 12))
    drawn = bias.floors(table, "hue", draws=300)
    rate = drawn[drawn["floor"] == "permuted"]["pairs_opposite"].mean() / 66
    assert 0.02 < rate < 0.05  # 2.5 % for one test; somewhat more for the best of three that go together


def test_a_common_trend_raises_no_floor_of_its_own():
    table = classes_table(RISE, noise=0.01, values=np.linspace(0, 1, 12))
    found = by_floor(bias.floors(table, "hue", draws=60))
    assert bias.opposition(table, "hue").ratios["ratio"].iloc[0] == 0
    assert found["trend_kept"] < 0.05
    assert found["permuted"] > 0.4


def test_planted_classes_stand_above_their_floor():
    half = {f"up {i}": (lambda x, s=i: 0.4 + 0.2 * x + 0.01 * s) for i in range(4)}
    other = {f"down {i}": (lambda x, s=i: 0.7 - 0.2 * x + 0.01 * s) for i in range(4)}
    table = classes_table(half | other, noise=0.01)
    found = bias.opposition(table, "hue")
    summary = bias.floor_summary(bias.floors(table, "hue", draws=99), found.ratios).set_index("floor")
    assert (summary["ratio_corrected"] == 1).all()
    assert (summary["ratio_corrected_p"] == 0.01).all()
    assert (summary["ratio_corrected_high"] < 1).all()
    assert (summary["draws"] == 99).all()


def test_floors_are_the_same_again_whatever_else_is_in_the_table():
    table = noise_table(8)
    alone = bias.floors(table, "hue", draws=5, seed=3)
    other = pd.concat([noise_table(8, method="byol"), table.sample(frac=1, random_state=0)], ignore_index=True)
    again = bias.floors(other, "hue", draws=5, seed=3)
    pd.testing.assert_frame_equal(alone, again[again["method"] == "simclr"].reset_index(drop=True))
    assert not bias.floors(table, "hue", draws=5, seed=4)["pairs_opposite"].equals(alone["pairs_opposite"])


def test_progress_is_reported_to_the_end():
    seen = []
    bias.floors(noise_table(5), "hue", draws=7, report=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (14, 14)


def test_permuting_keeps_each_class_its_values_and_its_gaps():
    y = np.random.default_rng(0).normal(size=(6, 10))
    y[2, [1, 5]] = np.nan
    y[3] = np.nan
    drawn = permuted(y, 50, np.random.default_rng(1))
    assert (np.isnan(drawn) == np.isnan(y)).all()
    np.testing.assert_array_equal(np.sort(drawn, axis=-1), np.broadcast_to(np.sort(y, axis=-1), drawn.shape))
    assert len({tuple(row) for row in drawn[:, 0]}) == 50
    first = np.bincount((drawn[:, 0] == y[0, 0]).argmax(axis=1), minlength=10)
    assert first.max() < 16  # 5 are expected at each place


def test_the_common_trend_is_the_mean_curve_around_each_classs_own_mean():
    y = np.array([[0.1, 0.2, 0.3], [0.5, 0.7, 0.9]])
    np.testing.assert_allclose(common_trend(y), [-0.15, 0.0, 0.15], atol=1e-12)


def test_undefined_ratios_have_no_floor():
    table = classes_table({"still": lambda x: 0.5, "too": lambda x: 0.6})
    drawn = bias.floors(table, "hue", draws=4)
    assert drawn["ratio"].isna().all()
    summary = bias.floor_summary(drawn, bias.opposition(table, "hue").ratios)
    assert summary[["ratio", "ratio_mean", "ratio_p"]].isna().all().all()


def test_no_draws_are_refused():
    with pytest.raises(SpecError):
        bias.floors(noise_table(4), "hue", draws=0)
