"""Figure 3, the price that others pay, and the front."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ssrl_core.analysis import bias
from ssrl_core.analysis.bias.trade_off import on_front
from ssrl_core.errors import DataError, SpecError
from tests.analysis.bias.tables import HUE, classes_table

CURVES = {
    "early": lambda x: 0.8 - 0.3 * x,
    "late": lambda x: 0.5 + 0.3 * x,
    "middle": lambda x: 0.7 - 0.4 * (x - 0.5) ** 2,
}
SUPER = {"early": "ends", "late": "ends", "middle": "centre"}


def slow_front(means):
    return [
        bool(np.isfinite(a).all()) and not any((b >= a).all() and (b > a).any() for b in means if np.isfinite(b).all())
        for a in means
    ]


@given(arrays(float, (7, 3), elements=st.sampled_from([0.1, 0.2, 0.3, 0.4, np.nan])))
def test_the_front_is_what_no_other_value_beats(means):
    assert on_front(means).tolist() == slow_front(means)
    assert on_front(np.stack([means, means[::-1]]))[1].tolist() == slow_front(means[::-1])


def test_superclasses_are_the_share_of_their_images():
    table = classes_table(CURVES, noise=0.02)
    table.loc[table["class"] == "late", ["n", "correct"]] *= 3
    found = bias.by_superclass(table, SUPER)
    ends = table[table["class"] != "middle"].groupby([HUE, "seed"])[["correct", "n"]].sum()
    theirs = (ends["correct"] / ends["n"]).to_numpy()
    ours = found[found["class"] == "ends"].sort_values([HUE, "seed"])["accuracy"].to_numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    assert bias.opposition(found, "hue").ratios["classes"].iloc[0] == 2


def test_a_superclass_that_lacks_a_class_in_a_run_has_no_accuracy_there():
    table = classes_table(CURVES)
    found = bias.by_superclass(table.drop(table.index[0]), SUPER)
    assert found.loc[found["class"] == "ends", "accuracy"].isna().sum() == 1
    assert found.loc[found["class"] == "centre", "accuracy"].notna().all()


def test_a_table_of_superclasses_is_read_and_checked():
    uploaded = pd.DataFrame({"Superclass": ["ends ", "ends", "centre"], "Class": ["early", "late", "middle"]})
    assert bias.read_superclasses(uploaded) == SUPER
    assert bias.read_superclasses(pd.DataFrame({"x": ["early"], "y": ["ends"]})) == {"early": "ends"}
    with pytest.raises(DataError, match="in one superclass"):
        bias.read_superclasses(pd.DataFrame({"class": ["a", "a"], "superclass": ["x", "y"]}))
    with pytest.raises(DataError):
        bias.read_superclasses(pd.DataFrame({"class": ["a"]}))
    with pytest.raises(SpecError, match="given for at least one class"):
        bias.by_superclass(classes_table(CURVES), {"dog": "animal"})


def test_each_class_has_its_own_highest_value_and_others_pay():
    table = classes_table(CURVES, noise=0.004, values=np.linspace(0, 0.5, 9))
    found = bias.own_highest(table, "hue", reference=0.25)
    rows = found.highest.set_index("for")
    assert rows.loc["early", "x"] == 0
    assert rows.loc["late", "x"] == 0.5
    assert abs(rows.loc["middle", "x"] - 0.25) < 0.15
    assert 0.25 in rows.loc["middle", "alike"]
    early = rows.loc["early"]
    assert early["gain"] == pytest.approx(0.15, abs=0.02)
    assert early["low"] < 0.15 < early["high"] + 0.02
    assert (early["worst"], early["winners"], early["losers"]) == ("late", 0, 2)
    means = table.groupby(["class", HUE])["accuracy"].mean()
    prices = found.prices.set_index(["for", "class"])
    assert prices.loc[("early", "late"), "change"] == pytest.approx(means["late", 0.0] - means["late", 0.25])
    assert prices.loc[("early", "late"), "verdict"] == "loses"
    assert prices.loc[("early", "early"), "verdict"] == "gains"
    assert early["others_change"] == pytest.approx(
        np.mean([prices.loc[("early", other), "change"] for other in ("late", "middle")])
    )


def test_the_reference_is_the_highest_overall_unless_another_is_asked_for():
    table = classes_table({"a": lambda x: 0.5 - (x - 0.4) ** 2}, values=[0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert bias.own_highest(table, "hue").highest["reference"].iloc[0] == 0.2
    with pytest.raises(SpecError, match="Choose a value that was run"):
        bias.own_highest(table, "hue", reference=0.7)


def test_a_class_without_accuracy_has_no_highest_and_it_is_said():
    table = classes_table({**CURVES, "none": lambda x: 0.0})
    table.loc[table["class"] == "none", ["n", "correct", "accuracy"]] = [0, 0, np.nan]
    found = bias.own_highest(table, "hue")
    none = found.highest.set_index("for").loc["none"]
    assert none["x"] is None or pd.isna(none["x"])
    assert np.isnan(none["accuracy"])
    assert none["alike"] == []
    assert "no_highest" in set(found.reasons["kind"])
    prices = found.prices.set_index(["for", "class"])
    assert np.isnan(prices.loc[("none", "early"), "change"])
    assert np.isnan(prices.loc[("early", "none"), "change"])


def test_weights_move_the_score_but_not_the_front():
    table = classes_table(CURVES, noise=0.003)
    even = bias.tradeoff(table, "hue", {"early": 1, "late": 1})
    heavy = bias.tradeoff(table, "hue", {"early": 1, "late": 3})
    assert (even.values["on_front"] == heavy.values["on_front"]).all()
    assert heavy.values.loc[heavy.values["score"].idxmax(), "x"] == 0.5
    means = table.groupby(["class", HUE])["accuracy"].mean().unstack()
    np.testing.assert_allclose(heavy.values["score"], (means.loc["early"] + 3 * means.loc["late"]) / 4, rtol=1e-9)
    assert even.values["on_front"].tolist() == slow_front(means.loc[["early", "late"]].to_numpy().round(12).T)


def test_gains_and_losses_stand_against_the_reference_with_intervals():
    table = classes_table(CURVES, noise=0.003)
    found = bias.tradeoff(table, "hue", {"early": 2, "late": 1}, reference=0)
    rows = found.changes.set_index(["class", "x"])
    assert rows.loc[("early", 0.5), "verdict"] == "loses"
    assert rows.loc[("late", 0.5), "verdict"] == "gains"
    assert rows.loc[("late", 0.0), "verdict"] == "unchanged"
    assert rows.loc[("late", 0.5), "low"] < 0.3 < rows.loc[("late", 0.5), "high"] + 0.01
    assert found.reference["reference"].iloc[0] == 0
    assert found.values["front_share"].between(0, 1).all()
    assert found.values["highest_share"].sum() == pytest.approx(1)


def test_a_beaten_value_says_by_which():
    table = classes_table({"a": lambda x: 0.4 + 0.2 * x, "b": lambda x: 0.5 + 0.2 * x}, values=[0, 1, 2])
    found = bias.tradeoff(table, "hue", {"a": 1, "b": 1})
    assert found.values["on_front"].tolist() == [False, False, True]
    assert found.values["beaten_by"].iloc[:2].tolist() == [2, 2]
    assert found.sentences[0].endswith("no other value is better for any of them.")


def test_no_sentence_says_best():
    found = bias.tradeoff(classes_table(CURVES), "hue", {"early": 2, "late": 1})
    (sentence,) = found.sentences
    assert sentence.startswith("For early (×2), late: of 10 values")
    assert "best" not in sentence


def test_one_seed_has_no_resampling_but_intervals_from_the_images():
    found = bias.tradeoff(classes_table(CURVES, seeds=1), "hue", {"early": 1, "late": 1})
    assert found.values["front_share"].isna().all()
    assert set(found.values["basis"]) == {"images"}
    assert found.values["low"].notna().all()


def test_a_value_that_lacks_a_chosen_class_is_not_compared_and_it_is_said():
    table = classes_table(CURVES)
    table = table.drop(table[(table["class"] == "late") & (table[HUE] == 0)].index)
    found = bias.tradeoff(table, "hue", {"early": 1, "late": 1})
    first = found.values.iloc[0]
    assert np.isnan(first["score"])
    assert not first["on_front"]
    assert "0 is not compared: no accuracy of late there." in set(found.reasons["reason"])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, "at least one class"),
        ({"lat": 1}, "Did you mean 'late'"),
        ({"late": 0}, "above 0"),
        ({"late": -1}, "above 0"),
    ],
)
def test_a_choice_that_is_none_is_refused(weights, message):
    with pytest.raises(SpecError, match=message):
        bias.tradeoff(classes_table(CURVES), "hue", weights)


def test_without_seeds_and_images_no_change_is_told_from_chance_and_it_is_said():
    table = classes_table(CURVES, seeds=1).assign(n=np.nan, correct=np.nan)
    highest = bias.own_highest(table, "hue")
    assert highest.prices["verdict"].dropna().isin(["unchanged"]).all()
    assert highest.highest["alike"].tolist() == [[], [], []]
    assert "no_intervals" in set(highest.reasons["kind"])
    front = bias.tradeoff(table, "hue", {"early": 1, "late": 1})
    assert "no_intervals" in set(front.reasons["kind"])
    assert front.values["on_front"].any()
