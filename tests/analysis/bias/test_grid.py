"""The classes table is read right, whatever it lacks, and says what it lacks."""

import numpy as np
import pandas as pd
import pytest

from ssrl_core.analysis import bias
from ssrl_core.errors import DataError, SpecError
from tests.analysis.bias.tables import HUE, classes_table
from tests.kit import make_sweep_table

TWO = {"up": lambda x: 0.5 + 0.2 * x, "down": lambda x: 0.7 - 0.2 * x}


def kinds(grid):
    return {row["kind"] for row in grid.reasons}


def test_the_kits_table_is_a_grid_of_classes_values_and_seeds():
    (grid,) = bias.grids(make_sweep_table(), "hue")
    assert grid.classes == ("down", "flat", "up")
    assert grid.accuracy.shape == (3, 20, 5)
    assert grid.setting["transformation"] == "hue"
    assert kinds(grid) == set()


def test_a_column_goes_by_its_name_its_path_or_its_end():
    table = classes_table(TWO)
    for name in (HUE, HUE.removeprefix("vary."), "color_jitter.hue", "hue"):
        assert bias.grids(table, name)[0].axis.column == HUE
    with pytest.raises(SpecError, match="It varies"):
        bias.grids(table, "saturation")


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        ([[0.2, 1.0], [0.5, 1.0], [0.8, 1.0]], [0.2, 0.5, 0.8]),
        ([[0.0, 0.1], [0.0, 0.4]], [0.1, 0.4]),
        ([[0.3, 0.3], [0.6, 0.6]], [0.3, 0.6]),
        ([(-10, 10), (-90, 90)], [10, 90]),
        (["[0.2, 1]", "[0.5, 1]"], [0.2, 0.5]),
        (["0.1", "0.2"], [0.1, 0.2]),
        ([3, 1, 2], [1, 2, 3]),
    ],
)
def test_ranges_and_text_are_read_as_the_number_that_moves(values, numbers):
    (grid,) = bias.grids(classes_table(TWO, values=values), "hue")
    np.testing.assert_allclose(grid.axis.values, numbers)


def test_values_stay_as_they_are_given_and_whole_numbers_are_written_whole():
    thirds = [0.0, 1 / 3, 2 / 3]
    (grid,) = bias.grids(classes_table(TWO, values=thirds), "hue")
    assert grid.axis.cells() == thirds
    (grid,) = bias.grids(classes_table(TWO, values=[0.3, 0.1 + 0.2, 1]), "hue")
    assert len(grid.axis.values) == 2
    (grid,) = bias.grids(classes_table(TWO, values=[10001, 10002, 50000]), "hue")
    assert grid.axis.labels == ("10001", "10002", "50000")


@pytest.mark.parametrize(
    "values", [["b", "a"], [[0.1, 0.5], [0.2, 0.9]], [True, False], [{"name": "x"}, {"name": "y"}]]
)
def test_values_that_are_names_keep_their_curves_but_have_no_slope(values):
    table = classes_table(TWO, values=values)
    (grid,) = bias.grids(table, "hue")
    assert not grid.axis.numeric
    assert list(grid.axis.labels) == sorted(grid.axis.labels)
    assert bias.behaviours(table, "hue")["behaviour"].isna().all()
    assert "names" in kinds(grid)


def test_settings_are_apart_and_what_follows_the_value_goes_along():
    one = classes_table(TWO).assign(**{"vary.lr": 0.1, "vary.crop": 0.2, "vary.follow": lambda t: t[HUE] * 2})
    table = pd.concat([one, one.assign(**{"vary.crop": 0.9, "run": "other"})], ignore_index=True)
    grids = bias.grids(table, "hue")
    assert [grid.setting["vary.crop"] for grid in grids] == ["0.2", "0.9"]
    assert all("vary.lr" not in grid.setting for grid in grids)
    assert [row["reason"] for row in grids[0].reasons if row["kind"] == "moves_along"] == [
        "follow moves together with this parameter: both may be the cause."
    ]


def test_several_transformations_are_read_from_one_table_of_two_sweeps():
    crop = classes_table(TWO, column="vary.crop", values=[0.2, 0.6, 1.0])
    table = pd.concat([classes_table(TWO), crop], ignore_index=True)
    grids = bias.grids(table, ["hue", "crop"])
    assert [(g.setting["transformation"].split(".")[-1], len(g.axis.values)) for g in grids] == [
        ("hue", 10),
        ("crop", 3),
    ]


def test_what_is_missing_is_said():
    table = classes_table(TWO, seeds=3)
    lost_run = table.drop(table[(table["seed"] == 6) & (table[HUE] == table[HUE].max())].index)
    (grid,) = bias.grids(lost_run, "hue")
    (row,) = grid.reasons
    assert row["kind"] == "missing_runs"
    assert row["reason"] == "No result of seed 6 at 0.5."
    lost_class = table.drop(table.index[:1])
    assert "up has no row in 1 of 30 runs." in [r["reason"] for r in bias.grids(lost_class, "hue")[0].reasons]
    assert kinds(bias.grids(table[table["seed"] == 5], "hue")[0]) == {"one_seed"}
    assert kinds(bias.grids(table[table[HUE] == 0], "hue")[0]) == {"few_values"}


def test_a_value_that_only_another_method_has_is_missing_here():
    other = classes_table(TWO, method="byol")
    table = pd.concat([classes_table(TWO), other[other[HUE] < 0.4]], ignore_index=True)
    byol, simclr = bias.grids(table, "hue")
    assert byol.accuracy.shape == simclr.accuracy.shape
    assert [row["value"] for row in byol.reasons] == pytest.approx([0.444444, 0.5], abs=1e-5)


def test_a_class_without_images_has_no_accuracy_even_where_the_table_says_zero():
    table = classes_table({**TWO, "none": lambda x: 0.0})
    table.loc[table["class"] == "none", ["n", "correct", "accuracy"]] = [0, 0, 0.0]
    (grid,) = bias.grids(table, "hue")
    assert np.isnan(grid.mean[grid.classes.index("none")]).all()
    assert [row["reason"] for row in grid.reasons] == ["none has no images in 30 of 30 runs."]


def test_means_that_are_equal_but_for_rounding_are_ties():
    table = classes_table({"a": lambda x: 0.5}, values=[1, 2], seeds=3)
    table["accuracy"] = [0.1, 0.2, 0.3, 0.3, 0.2, 0.1]
    table = table.assign(n=np.nan, correct=np.nan)
    (grid,) = bias.grids(table, "hue")
    assert grid.mean[0, 0] == grid.mean[0, 1]


def test_a_run_that_was_made_twice_counts_once():
    table = classes_table(TWO, seeds=2)
    (grid,) = bias.grids(pd.concat([table, table], ignore_index=True), "hue")
    assert grid.counts.max() == 2
    assert "repeated" in kinds(grid)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="accuracy"), "Missing: accuracy"),
        (lambda t: t.iloc[:0], "at least one"),
        (lambda t: t.assign(accuracy=70.0), "Divide percentages by 100"),
        (lambda t: t.assign(seed=None), "Every run of a sweep has a seed"),
        (lambda t: t.assign(**{HUE: None}), "given in at least one row"),
    ],
)
def test_a_table_that_is_none_is_refused(change, message):
    with pytest.raises(DataError, match=message):
        bias.grids(change(classes_table(TWO)), HUE)


def test_superclass_probe_and_counts_may_be_left_out():
    table = classes_table(TWO).drop(columns=["superclass", "probe", "n", "correct", "run"])
    (grid,) = bias.grids(table, "hue")
    assert grid.setting["probe"] == "linear"
    assert bias.curves(table, "hue").overall["accuracy"].iloc[0] == pytest.approx(0.6)
