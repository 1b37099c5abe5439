import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ssrl_core.analysis import bias
from ssrl_core.analysis.bias.behaviour import lines
from ssrl_core.errors import SpecError
from tests.analysis.bias.tables import HUE, classes_table
from tests.kit import make_sweep_table

CURVES = {
    "up": lambda x: 0.5 + 0.1 * x,
    "down": lambda x: 0.7 - 0.1 * x,
    "hill": lambda x: 0.6 - (x - 0.5) ** 2,
    "still": lambda x: 0.4,
}


def test_planted_slopes_are_named():
    found = bias.behaviours(make_sweep_table(), "hue", alpha=0.001).set_index("class")
    assert found["behaviour"].to_dict() == {"up": "ascending", "down": "descending", "flat": "random"}
    assert found.loc["up", "slope"] == pytest.approx(0.4, abs=0.02)  # 0.2 over a range of 0.5
    assert found.loc["up", "change"] == pytest.approx(0.2, abs=0.01)
    assert (found["alpha"] == 0.001).all()


@pytest.mark.parametrize("points", ["means", "runs"])
def test_slopes_and_their_tests_are_those_of_scipy(points):
    table = classes_table(CURVES, noise=0.03)
    found = bias.behaviours(table, "hue", points=points).set_index("class")
    rows = table if points == "runs" else table.groupby(["class", HUE], as_index=False)["accuracy"].mean()
    for name, part in rows.groupby("class"):
        theirs = stats.linregress(part[HUE], part["accuracy"])
        ours = found.loc[name]
        assert ours["slope"] == pytest.approx(theirs.slope, rel=1e-8)
        assert ours["intercept"] == pytest.approx(theirs.intercept, rel=1e-8)
        assert ours["p"] == pytest.approx(theirs.pvalue, rel=1e-7)
        assert ours["r2"] == pytest.approx(theirs.rvalue**2, rel=1e-7)
        half = stats.t.ppf(0.975, len(part) - 2) * theirs.stderr
        assert ours["high"] - ours["slope"] == pytest.approx(half, rel=1e-7)
        expected = "random" if theirs.pvalue >= 0.05 else "ascending" if theirs.slope > 0 else "descending"
        assert ours["behaviour"] == expected


def test_a_constant_class_has_slope_zero_and_no_test():
    still = bias.behaviours(classes_table(CURVES), "hue").set_index("class").loc["still"]
    assert (still["slope"], still["behaviour"]) == (0, "random")
    assert np.isnan(still["p"])
    assert still["reason"] == "the accuracy is the same at every point: slope 0, nothing to test"


def test_a_hill_is_random_since_no_line_shows_it():
    assert bias.behaviours(classes_table(CURVES), "hue").set_index("class").loc["hill", "behaviour"] == "random"


@pytest.mark.parametrize(("values", "reason"), [([0.1], "1 points"), ([0.1, 0.4], "2 points")])
def test_without_three_values_no_behaviour_is_known(values, reason):
    found = bias.behaviours(classes_table(CURVES, values=values), "hue")
    assert found["behaviour"].isna().all()
    assert found["reason"].str.startswith(reason).all()


def test_many_runs_of_one_value_are_no_slope():
    found = bias.behaviours(classes_table(CURVES, values=[0.1], seeds=5), "hue", points="runs")
    assert found["behaviour"].isna().all()
    assert found["slope"].isna().all()


def test_missing_points_are_left_out_of_a_line():
    y = np.array([[1.0, 2.0, np.nan, 4.0, 5.1], [np.nan] * 5, [1.0, np.nan, np.nan, np.nan, np.nan]])
    found = lines(np.arange(5.0), y)
    assert found.slope[0] == pytest.approx(stats.linregress([0, 1, 3, 4], [1, 2, 4, 5.1]).slope)
    assert found.n.tolist() == [4, 0, 1]
    assert np.isnan(found.slope[1:]).all()


def test_a_perfect_line_is_certain():
    found = lines(np.arange(4.0), np.array([[0.1, 0.2, 0.3, 0.4]]))
    assert found.p[0] == 0
    assert found.r2[0] == pytest.approx(1)


def test_most_methods_decide_and_a_split_is_mixed():
    up, down = classes_table(CURVES), classes_table({**CURVES, "up": lambda x: 0.7 - 0.1 * x}, method="byol")
    found = bias.most_shared_behaviour(bias.behaviours(pd.concat([up, down]), "hue")).set_index("class")
    assert found.loc["up", "behaviour"] == "mixed"
    assert found.loc["down", ["behaviour", "share", "of"]].tolist() == ["descending", 1.0, 2]


@pytest.mark.parametrize("settings", [{"alpha": 0}, {"points": "all"}])
def test_a_test_without_a_level_is_refused(settings):
    with pytest.raises(SpecError):
        bias.behaviours(classes_table(CURVES), "hue", **settings)
