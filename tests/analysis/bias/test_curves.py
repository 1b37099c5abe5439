"""Figure 1, table 5, and the classes that move most."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ssrl_core.analysis import bias
from ssrl_core.errors import SpecError
from tests.analysis.bias.tables import HUE, classes_table

CURVES = {"up": lambda x: 0.5 + 0.1 * x, "down": lambda x: 0.7 - 0.3 * x, "still": lambda x: 0.4}


def test_curves_are_mean_sd_and_number_of_seeds():
    table = classes_table(CURVES, noise=0.03, seeds=4)
    found = bias.curves(table, "hue")
    theirs = table.groupby(["class", HUE])["accuracy"].agg(["mean", "std", "count"]).reset_index()
    assert found.classes["class"].tolist() == theirs["class"].tolist()
    np.testing.assert_allclose(found.classes["accuracy"], theirs["mean"], rtol=1e-9)
    np.testing.assert_allclose(found.classes["sd"], theirs["std"], rtol=1e-9)
    assert (found.classes["seeds"] == 4).all()


def test_overall_is_the_share_of_all_images():
    table = classes_table(CURVES, noise=0.03)
    table.loc[table["class"] == "up", ["n", "correct"]] *= 4
    runs = table.groupby([HUE, "seed"])[["correct", "n"]].sum()
    theirs = (runs["correct"] / runs["n"]).groupby(level=0).agg(["mean", "std"])
    found = bias.curves(table, "hue").overall
    np.testing.assert_allclose(found["accuracy"], theirs["mean"], rtol=1e-9)
    np.testing.assert_allclose(found["sd"], theirs["std"], rtol=1e-9)


def test_a_run_that_lacks_a_hard_class_does_not_look_better():
    table = classes_table({"easy": lambda x: 0.9, "hard": lambda x: 0.1})
    whole = bias.curves(table, "hue").overall["accuracy"]
    without = table.drop(table[(table["class"] == "hard") & (table["seed"] == 5)].index)
    found = bias.curves(without, "hue")
    np.testing.assert_allclose(found.overall["accuracy"], whole)
    assert "overall_filled" in set(found.reasons["kind"])
    nowhere = table.drop(table[(table["class"] == "hard") & (table[HUE] == 0)].index)
    lost = bias.curves(nowhere, "hue")
    assert lost.overall["accuracy"].isna().tolist() == [True] + [False] * 9
    assert "overall_missing" in set(lost.reasons["kind"])


def test_one_seed_has_no_sd_and_it_is_said():
    found = bias.curves(classes_table(CURVES, seeds=1), "hue")
    assert found.classes["sd"].isna().all()
    assert found.classes["accuracy"].notna().all()
    assert found.reasons["reason"].str.contains("no sd").any()


def test_methods_are_summed_up_over_the_means_of_their_values():
    tables = [classes_table(CURVES, noise=0.02, method=m, seed=i) for i, m in enumerate(("byol", "simclr"))]
    table = pd.concat(tables, ignore_index=True)
    found = bias.method_summary(table, "hue").set_index("method")
    for name, part in table.groupby("method"):
        runs = part.groupby([HUE, "seed"])["accuracy"].mean()
        means = runs.groupby(level=0).mean()
        row = found.loc[name]
        assert row["mean"] == pytest.approx(means.mean())
        assert row["sd"] == pytest.approx(means.std())
        assert row["sd_seeds"] == pytest.approx(np.sqrt((runs.groupby(level=0).std() ** 2).mean()))
        assert (row["values"], row["seeds_low"], row["seeds_high"]) == (10, 3, 3)
    lone = bias.method_summary(classes_table(CURVES, values=[0.1]), "hue").iloc[0]
    assert np.isnan(lone["sd"])
    assert "Only 1 value" in lone["reason"]


def test_movers_come_with_their_change_and_its_test():
    table = classes_table(CURVES, noise=0.01)
    found = bias.movers(table, "hue")
    assert found["class"].tolist() == ["down", "up", "still"]
    down = found.iloc[0]
    assert (down["highest_at"], down["lowest_at"]) == (0, 0.5)
    assert down["low"] < -0.3 < down["high"] + 0.02
    for _, row in found.iterrows():
        groups = [g["accuracy"] for _, g in table[table["class"] == row["class"]].groupby(HUE)]
        theirs = stats.f_oneway(*groups)
        assert row["f"] == pytest.approx(theirs.statistic, rel=1e-8)
        assert row["p"] == pytest.approx(theirs.pvalue, rel=1e-6)
    assert bias.movers(table, "hue", 1, by="eta2")["class"].tolist() == ["down"]
    with pytest.raises(SpecError):
        bias.movers(table, "hue", by="best")


def test_the_interval_of_a_change_covers_it_95_times_in_100():
    curves = {f"c{i:03d}": lambda x: 0.4 + 0.1 * x for i in range(400)}
    found = bias.movers(classes_table(curves, values=[0, 1, 2], seeds=3, noise=0.02, n=10**6), "hue")
    covered = found["low"].le(0.1) & found["high"].ge(0.1)
    assert 0.92 < covered.mean() < 0.98


def test_one_seed_takes_its_interval_from_the_images():
    row = bias.movers(classes_table({"a": lambda x: 0.5 + 0.3 * x}, seeds=1, n=100), "hue").iloc[0]
    assert row["basis"] == "images"
    assert 0.15 < row["low"] < 0.3 < row["high"] < 0.45
    unknown = classes_table({"a": lambda x: 0.5 + 0.3 * x}, seeds=1).assign(n=np.nan, correct=np.nan)
    row = bias.movers(unknown, "hue").iloc[0]
    assert row["basis"] is None or pd.isna(row["basis"])
    assert np.isnan(row["low"])


def test_winners_and_losers_are_said_in_a_sentence():
    text = bias.winners_and_losers(bias.movers(classes_table(CURVES, noise=0.004), "hue"))
    assert text.startswith("From 0 to 0.5: up +")
    assert "down −" in text
    assert "still" not in text
    still = classes_table({"a": lambda x: 0.5}, noise=0.01)
    assert "no class changes by more" in bias.winners_and_losers(bias.movers(still, "hue"))
    one = classes_table({"a": lambda x: 0.5}, values=[1])
    assert "two values" in bias.winners_and_losers(bias.movers(one, "hue"))
