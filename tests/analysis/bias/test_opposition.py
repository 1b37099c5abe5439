"""Planted opposite pairs are found, and what cannot be said is not."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ssrl_core.analysis import bias
from ssrl_core.analysis.bias.correlation import Rule
from ssrl_core.errors import SpecError
from tests.analysis.bias.tables import HUE, big_table, classes_table, noise_table
from tests.kit import make_sweep_table

PLANTED = {
    "up": lambda x: 0.5 + 0.2 * x,
    "up too": lambda x: 0.4 + 0.1 * x,
    "down": lambda x: 0.7 - 0.2 * x,
    "hill": lambda x: 0.6 - (x - 0.5) ** 2,
}


def pair(found, first, second):
    rows = found.pairs
    return rows[(rows["first"] == first) & (rows["second"] == second)].iloc[0]


def test_the_kits_planted_pair_is_opposite():
    found = bias.opposition(make_sweep_table(), "hue")
    row = pair(found, "down", "up")
    assert row["opposite"]
    assert row["opposite_corrected"]
    assert row["n"] == 20
    assert row["pearson"] < -0.95
    assert found.ratios["ratio"].iloc[0] >= 2 / 3
    assert bias.most_opposed(found.pairs, 1)[["first", "second"]].to_numpy().tolist() == [["down", "up"]]


def test_statistics_are_those_of_scipy_on_the_means_over_seeds():
    table = classes_table(PLANTED, noise=0.05, values=np.linspace(0, 0.5, 12))
    found = bias.opposition(table, "hue")
    means = table.groupby(["class", HUE])["accuracy"].mean().unstack()
    runs = table.pivot(index="class", columns=[HUE, "seed"], values="accuracy")
    every = bias.opposition(table, "hue", Rule(points="runs"))
    peers = {"pearson": stats.pearsonr, "kendall": stats.kendalltau, "spearman": stats.spearmanr}
    for wide, rows, n in ((means.round(12), found.pairs, 12), (runs, every.pairs, 36)):
        assert set(rows["n"]) == {n}
        for _, row in rows.iterrows():
            called = False
            for name, peer in peers.items():
                theirs = peer(wide.loc[row["first"]], wide.loc[row["second"]])
                assert row[name] == pytest.approx(theirs.statistic, abs=1e-9)
                assert row[f"{name}_p"] == pytest.approx(theirs.pvalue, rel=1e-6)
                called |= theirs.statistic < -0.3 and theirs.pvalue < 0.05
            assert row["opposite"] == called


def test_ratio_is_the_share_of_classes_with_an_opposite_partner():
    found = bias.opposition(classes_table(PLANTED, noise=0.002), "hue")
    pairs = found.pairs[found.pairs["opposite"]]
    partners = set(pairs["first"]) | set(pairs["second"])
    row = found.ratios.iloc[0]
    assert {"up", "up too", "down"} <= partners
    assert (row["opposite"], row["tested"], row["ratio"]) == (len(partners), 4, len(partners) / 4)
    by_class = found.classes.set_index("class")
    assert set(by_class.index[by_class["opposite"]]) == partners
    assert by_class.loc["down", "partners"] == 2
    assert by_class.loc["up", "strongest"] == "down"


def test_the_correction_is_benjamini_and_hochberg_over_pairs_and_coefficients_with_agreement_at_one():
    found = bias.opposition(noise_table(12, noise=0.02), "hue").pairs
    names = ("pearson", "kendall", "spearman")
    p = np.concatenate([np.where(found[name] >= 0, 1.0, found[f"{name}_p"]) for name in names])
    q = stats.false_discovery_control(p)
    np.testing.assert_allclose(np.concatenate([found[f"{name}_q"] for name in names]), q, rtol=1e-9)
    assert not (found["opposite_corrected"] & ~found["opposite"]).any()


def test_a_common_trend_does_not_make_the_correction_easier():
    alone = bias.opposition(noise_table(16, noise=0.02), "hue").ratios.iloc[0]
    planted = {f"rise {i:02d}": (lambda x, s=i: 0.3 + 0.3 * x + 0.01 * s) for i in range(16)}
    table = pd.concat([noise_table(16, noise=0.02), classes_table(planted, noise=0.001)], ignore_index=True)
    found = bias.opposition(table, "hue")
    noise = found.pairs[found.pairs["first"].str.startswith("c") & found.pairs["second"].str.startswith("c")]
    assert noise["opposite_corrected"].sum() <= alone["pairs_opposite_corrected"]


def test_the_correction_keeps_its_promise_on_noise():
    false_calls = 0
    for seed in range(40):
        ratios = bias.opposition(noise_table(10, noise=0.02, seed=seed), "hue").ratios
        false_calls += int(ratios["pairs_opposite_corrected"].iloc[0] > 0)
    assert false_calls <= 5  # 5 % of 40 are expected at most; 6 or more have a chance below 2 %


def test_constant_accuracy_is_undefined_said_and_not_zero():
    table = classes_table({**PLANTED, "still": lambda x: 0.5})
    found = bias.opposition(table, "hue")
    rows = found.pairs[(found.pairs["first"] == "still") | (found.pairs["second"] == "still")]
    assert rows[["pearson", "pearson_p", "kendall", "spearman"]].isna().all().all()
    assert set(rows["reason"]) == {"the accuracy of still is the same at every point"}
    assert not rows["opposite"].any()
    still = found.classes.set_index("class").loc["still"]
    assert not still["tested"]
    assert pd.isna(still["coefficient"])
    row = found.ratios.iloc[0]
    assert (row["classes"], row["tested"]) == (5, 4)
    assert row["ratio_of_all"] == pytest.approx(row["ratio"] * 4 / 5)
    assert "constant" in set(found.reasons["kind"])


@pytest.mark.parametrize("values", [[0.1], [0.1, 0.2]])
def test_too_few_values_give_no_ratio_but_a_reason(values):
    found = bias.opposition(classes_table(PLANTED, values=values), "hue")
    assert found.ratios["ratio"].isna().all()
    assert found.pairs["pearson"].isna().all()
    assert found.pairs["reason"].str.contains("at least 3 are needed").all()
    assert {"few_values", "few_points", "nothing_tested"} <= set(found.reasons["kind"])


def test_one_seed_is_enough_for_correlations_and_is_said():
    found = bias.opposition(classes_table(PLANTED, seeds=1), "hue")
    assert pair(found, "down", "up")["opposite"]
    assert set(found.reasons["kind"]) == {"one_seed"}


def test_a_class_without_images_is_not_tested_and_is_said():
    table = classes_table({**PLANTED, "none": lambda x: 0.0})
    table.loc[table["class"] == "none", ["n", "correct", "accuracy"]] = [0, 0, np.nan]
    found = bias.opposition(table, "hue")
    assert pair(found, "down", "none")["reason"] == "0 points in common, at least 3 are needed"
    assert {"no_images", "few_points"} == set(found.reasons["kind"])
    assert found.ratios["tested"].iloc[0] == 4


def test_missing_cells_leave_the_points_that_both_classes_have():
    table = classes_table(PLANTED, noise=0.01)
    gone = (table["class"] == "up") & (table[HUE] < 0.1)
    found = bias.opposition(table[~gone], "hue")
    values = sorted(table[HUE].unique())
    kept = [v for v in values if v >= 0.1]
    assert pair(found, "down", "up")["n"] == len(kept)
    means = table.groupby(["class", HUE])["accuracy"].mean().unstack()[kept]
    assert pair(found, "down", "up")["pearson"] == pytest.approx(stats.pearsonr(means.loc["up"], means.loc["down"])[0])
    assert pair(found, "down", "hill")["n"] == len(values)


def test_a_single_class_has_no_pairs():
    found = bias.opposition(classes_table({"only": lambda x: x}), "hue")
    assert found.pairs.empty
    assert np.isnan(found.ratios["ratio"].iloc[0])
    assert bias.most_opposed(found.pairs).empty


@settings(max_examples=12)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(random):
    table = classes_table(PLANTED, noise=0.03, values=[0, 0.1, 0.2, 0.3, 0.4], seeds=2)
    table = pd.concat([table, table.assign(method="byol", accuracy=1 - table["accuracy"])], ignore_index=True)
    order = list(range(len(table)))
    random.shuffle(order)
    one, two = (bias.opposition(t, "hue") for t in (table, table.iloc[order]))
    for name in ("pairs", "classes", "ratios"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize("settings", [{"threshold": 0.3}, {"alpha": 1.5}, {"points": "medians"}])
def test_a_rule_outside_its_range_is_refused(settings):
    with pytest.raises(SpecError):
        Rule(**settings)


def test_big_tables_are_quick(capsys):
    table = big_table()
    assert len(table) == 50_000
    views = {
        "curves": lambda: bias.curves(table, "hue"),
        "opposition, means": lambda: bias.opposition(table, "hue"),
        "opposition, runs": lambda: bias.opposition(table, "hue", Rule(points="runs")),
        "behaviours": lambda: bias.behaviours(table, "hue"),
        "movers": lambda: bias.movers(table, "hue"),
        "methods": lambda: bias.method_summary(table, "hue"),
        "superclasses": lambda: bias.own_highest(bias.by_superclass(table), "hue"),
        "trade-off": lambda: bias.tradeoff(table, "hue", {"class 01": 2, "class 02": 1}),
        "floors, 20 draws": lambda: bias.floors(table, "hue", draws=20),
    }
    lines = []
    for name, view in views.items():
        wall, cpu = time.perf_counter(), time.process_time()
        view()
        lines.append(f"{name}: {time.perf_counter() - wall:.2f} s, {time.process_time() - cpu:.2f} s of CPU")
    with capsys.disabled():
        print("\n50,000 rows: " + "; ".join(lines))
