"""Tables 6 and 7 from their definitions."""

import numpy as np
import pandas as pd
import pytest

from ssrl_core.analysis import bias
from ssrl_core.analysis.bias.opposite_pairs import at_least
from ssrl_core.errors import SpecError
from tests.analysis.bias.tables import classes_table

UP, DOWN, STILL = (lambda x: 0.4 + 0.2 * x), (lambda x: 0.8 - 0.2 * x), (lambda x: 0.6 - (x - 0.5) ** 2)
PLANTED = {
    "byol": {"a": UP, "b": DOWN, "c": STILL, "d": STILL},
    "simclr": {"a": UP, "b": DOWN, "c": DOWN, "d": STILL},
    "vicreg": {"a": UP, "b": STILL, "c": DOWN, "d": STILL},
}


def planted(probe="linear", curves=PLANTED, **settings):
    return pd.concat(
        [classes_table(c, method=m, probe=probe, noise=0.001, **settings) for m, c in curves.items()],
        ignore_index=True,
    )


def test_classes_shared_by_methods_are_counted():
    table = planted()
    classes = bias.opposition(table, "hue").classes
    called = classes.pivot(index="class", columns="method", values="opposite")
    found = bias.shared_classes(classes)
    assert found["at_least"].tolist() == [2, 3]
    assert found["of"].tolist() == [3, 3]
    for _, row in found.iterrows():
        expected = called.index[called.sum(axis=1) >= row["at_least"]].tolist()
        assert row["names"] == expected
        assert (row["classes"], row["tested"]) == (len(expected), 4)
    assert found["names"].tolist()[1] == ["a"]


def test_independent_methods_would_share_so_many():
    np.testing.assert_allclose(at_least(np.array([0.5, 0.5])), [1, 0.75, 0.25])
    found = bias.shared_classes(bias.opposition(planted(), "hue").classes)
    assert found["expected"].iloc[1] == pytest.approx(4 * np.prod([0.5, 0.75, 0.5]))


def test_a_class_that_one_method_could_not_test_is_left_out():
    table = planted()
    table.loc[(table["class"] == "a") & (table["method"] == "byol"), "accuracy"] = 0.5
    found = bias.shared_classes(bias.opposition(table, "hue").classes)
    assert (found["tested"] == 3).all()


def test_one_method_shares_with_itself_only():
    found = bias.shared_classes(bias.opposition(classes_table(PLANTED["byol"]), "hue").classes)
    assert found[["at_least", "of", "classes"]].to_numpy().tolist() == [[1, 1, 2]]
    with pytest.raises(SpecError):
        bias.shared_classes(bias.opposition(planted(), "hue").classes, over="colour")


def test_linear_evaluation_and_fine_tuning_are_compared():
    tuned = {"simclr": {"a": UP, "b": UP, "c": DOWN, "d": DOWN}}
    linear = {"simclr": PLANTED["simclr"]}
    table = pd.concat([planted(curves=linear), planted("finetune-1.0", curves=tuned)], ignore_index=True)
    row = bias.compare_probes(table, "hue").iloc[0]
    assert (row["first"], row["second"]) == ("linear", "finetune-1.0")
    assert (row["opposite_first"], row["opposite_second"], row["opposite_both"]) == (3, 4, 3)
    assert (row["compared"], row["same"], row["match"]) == (4, 2, 0.5)  # a and c
    assert row["match_by_chance"] == pytest.approx(0.25 * 0.5 + 0.5 * 0.5)


def test_a_probe_that_was_not_run_is_named():
    with pytest.raises(SpecError, match="exactly one fine-tuning"):
        bias.compare_probes(planted(), "hue")
    with pytest.raises(SpecError, match="one of linear"):
        bias.compare_probes(planted(), "hue", second="knn")
    half = pd.concat([planted(), classes_table(PLANTED["byol"], method="byol", probe="finetune")], ignore_index=True)
    found = bias.compare_probes(half, "hue").set_index("method")
    assert found.loc["byol", "match"] == 1
    assert np.isnan(found.loc["simclr", "match"])
    assert np.isnan(found.loc["simclr", "opposite_second"])
    assert found.loc["simclr", "reason"] == "no results of finetune"


def test_a_class_that_one_method_could_not_test_is_shared_by_the_others():
    table = planted()
    table.loc[(table["class"] == "a") & (table["method"] == "byol"), "accuracy"] = 0.5
    table = table.assign(n=np.nan, correct=np.nan)
    classes = bias.opposition(table, "hue").classes
    found = bias.shared_classes(classes)
    assert "a" in found["names"].iloc[0]
    assert "a" not in found["names"].iloc[1]
    rates = classes.groupby("method")["opposite"].sum() / classes.groupby("method")["tested"].sum()
    byol, simclr, vicreg = rates
    assert found["expected"].iloc[1] == pytest.approx(3 * byol * simclr * vicreg)
    assert (found["all_classes"] == 4).all()
