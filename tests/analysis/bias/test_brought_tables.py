"""Tables as strangers bring them: odd names, gaps, text for numbers. What cannot be used is refused or said."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ssrl_core.analysis import bias
from ssrl_core.analysis.bias import as_given, read_classes, statistics
from ssrl_core.analysis.bias.correlation import correlation_p
from ssrl_core.analysis.bias.reading import read_table
from ssrl_core.errors import DataError
from tests.analysis.bias.tables import HUE, classes_table

CURVES = {
    "up": lambda x: 0.5 + 0.3 * x,
    "down": lambda x: 0.8 - 0.3 * x,
    "bend": lambda x: 0.6 - 0.3 * (x - 0.4) ** 2,
}
CROP = "vary.terms.0.composition.steps.resized_crop.scale"


def planted(**settings: object) -> pd.DataFrame:
    return classes_table(CURVES, noise=0.004, **settings)


def with_cell(column: str, value: object, row: int = 3) -> pd.DataFrame:
    table = planted().astype({column: object})
    table.loc[row, column] = value
    return table


def reasons(found: dict) -> dict[str, str]:
    return dict(zip(found["reasons"]["kind"], found["reasons"]["reason"], strict=True))


def test_classes_called_na_null_and_007_keep_their_names_in_a_file():
    names = {"up": "NA", "down": "null", "bend": "007"}
    table = planted().assign(**{"class": lambda t: t["class"].map(names)})
    back = read_classes(table.to_csv(index=False).encode(), "t.csv")
    assert set(bias.opposition(back, HUE).classes["class"]) == {"NA", "null", "007"}


@pytest.mark.parametrize("head", ["class,superclass", "Class,Superclass", "fine,coarse"])
def test_superclasses_of_a_file_keep_the_names_of_classes(head):
    table = read_table(f"{head}\n007,agents\nNA,salts\n".encode(), "t.csv")
    assert bias.read_superclasses(table) == {"007": "agents", "NA": "salts"}


def test_names_with_commas_quotes_and_other_scripts_come_back():
    names = {"up": 'pick-up, "truck"', "down": "Zürich 猫", "bend": "a\nb"}
    table = planted().assign(**{"class": lambda t: t["class"].map(names)})
    back = read_classes(table.to_csv(index=False).encode(), "t.csv")
    assert set(back["class"]) == set(names.values())


def test_a_table_with_semicolons_and_decimal_commas_is_read_as_numbers():
    back = read_classes(planted().to_csv(index=False, sep=";", decimal=",").encode(), "t.csv")
    found, ours = bias.behaviours(back, HUE), bias.behaviours(planted(), HUE)
    np.testing.assert_allclose(found["slope"], ours["slope"], rtol=1e-12)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (with_cell("method", None), "row 3: method must be given, got None"),
        (with_cell("class", None), "row 3: class must be given, got None"),
        (with_cell("dataset", ""), "row 3: dataset must be given"),
        (with_cell("accuracy", "oops"), "row 3: accuracy must be a number, got 'oops'"),
        (with_cell("n", "many"), "row 3: n must be a number, got 'many'"),
        (with_cell("seed", 5.5), "row 3: seed must be a whole number, got 5.5"),
        (with_cell("seed", None), "row 3: seed must be a whole number, got None"),
    ],
)
def test_a_cell_that_means_nothing_is_refused_with_its_row(table, words):
    with pytest.raises(DataError) as caught:
        bias.curves(table, HUE)
    assert words in str(caught.value)


def test_rows_without_a_value_of_the_parameter_are_said():
    table = planted().assign(**{HUE: lambda t: t[HUE].where(t[HUE] > 0), "vary.method": lambda t: t["method"]})
    found = statistics(table, HUE, draws=0)
    assert reasons(found)["no_value"] == f"9 rows have no value of {HUE[5:]}: left out of everything."
    assert (found["pairs"]["n"] == 9).all()


def test_rows_of_another_transformation_are_not_called_missing():
    both = pd.concat([planted(), planted().rename(columns={HUE: CROP})], ignore_index=True)
    assert "no_value" not in reasons(statistics(both, HUE, draws=0))


def test_among_names_nothing_is_a_name_too():
    table = planted(values=["imagenet", "own", None, "other"], column="vary.backbone.weights")
    (grid,) = bias.grids(table, "weights")
    assert grid.axis.labels == ("imagenet", "none", "other", "own")


def test_an_infinite_value_makes_names_of_all_and_says_so():
    (grid,) = bias.grids(planted(values=[1.0, 2.0, float("inf")]), "hue")
    assert grid.axis.labels == ("1", "2", "inf")
    assert "names" in {row["kind"] for row in grid.reasons}


def test_accuracies_that_are_not_the_counts_are_said():
    table = planted()
    table.loc[:4, "accuracy"] = 0.1
    told = reasons(statistics(table, HUE, draws=0))
    assert told["counts_differ"] == "In 5 of 90 rows the accuracy is not correct / n: the accuracy is taken."
    assert "counts_differ" not in reasons(statistics(planted().round({"accuracy": 2}), HUE, draws=0))


def test_a_point_of_another_sweep_is_no_setting_of_its_own():
    crop = planted(values=np.linspace(0.2, 1, 5), column=CROP)
    both = pd.concat([planted().assign(**{CROP: 0.6}), crop.assign(**{HUE: 0.25})], ignore_index=True)
    grids = bias.grids(both, HUE)
    assert [grid.setting[CROP] for grid in grids] == ["0.6"]
    assert [row["kind"] for row in grids[0].reasons].count("one_value") == 1
    assert grids[0].reasons[0]["reason"].startswith("4 settings of the other parameters have one value")


def test_two_parameters_on_a_grid_are_looked_at_together():
    grid = pd.concat([planted().assign(**{CROP: crop}) for crop in (0.2, 0.6, 1.0)], ignore_index=True)
    found = statistics(grid, [HUE, CROP], draws=2)
    settings = list(found["ratios"].columns[: found["ratios"].columns.get_loc("points")])
    assert len(found["ratios"]) == 3 + 10
    assert found["ratios"][settings].notna().all(axis=None)
    assert len(found["floors"]) == 2 * 13
    alone = statistics(grid, HUE, draws=2)
    assert found["opposed"].groupby(settings).ngroups >= alone["opposed"].groupby(CROP).ngroups == 3
    pd.testing.assert_series_equal(found["floors"]["ratio_mean"].head(6), alone["floors"]["ratio_mean"])


def test_a_parameter_without_the_prefix_has_superclasses_too():
    table = planted().rename(columns={HUE: "hue"}).assign(superclass=lambda t: t["class"].eq("up").map(str))
    found = statistics(table, "hue", draws=0, weights={"True": 2, "False": 1})
    assert dict(zip(found["superclasses"]["for"], found["superclasses"]["x"], strict=True))["True"] == 0.5
    assert found["trade_off"]["on_front"].any()


def test_a_superclass_named_in_some_rows_only_is_that_of_the_class():
    whole = planted().assign(superclass=lambda t: t["class"].eq("up").map(str))
    holes = whole.assign(superclass=whole["superclass"].where(np.arange(len(whole)) % 7 < 4))
    pd.testing.assert_frame_equal(
        bias.by_superclass(holes)["accuracy"].to_frame(), bias.by_superclass(whole)["accuracy"].to_frame()
    )


def test_classes_without_a_superclass_are_said_and_one_in_two_is_refused():
    table = planted().assign(superclass=lambda t: t["class"].map({"up": "a", "down": "b"}))
    told = reasons(statistics(table, HUE, draws=0))
    assert told["no_superclass"] == "bend has no superclass: left out of the superclasses."
    table.loc[0, "superclass"] = "b"
    with pytest.raises(DataError, match="class up: superclass must be one and the same"):
        bias.by_superclass(table)


def test_p_of_a_correlation_near_0_keeps_its_digits():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 10))
    b -= a * ((a - a.mean()) @ (b - b.mean())) / ((a - a.mean()) ** 2).sum()
    for mixed in (b, b + 1e-7 * a, b + 3e-3 * a):
        r, p = stats.pearsonr(a, mixed)
        assert correlation_p(np.array([r]), np.array([10]))[0] == pytest.approx(p, rel=1e-12)


@pytest.mark.parametrize(
    ("values", "cell", "given"),
    [
        ([[0.2, 1.0], [0.6, 1.0]], 0.6, [0.6, 1.0]),
        (["[0.08, 0.4]", "[0.08, 0.9]"], 0.4, [0.08, 0.4]),
        ([(-10, 10), (-90, 90)], 90.0, (-90, 90)),
        ([0.1, 0.2], 0.2, 0.2),
        (["low", "high"], "low", "low"),
        ([1, 2], 3.0, None),
        (["[0.1 0.5]", "[0.3 0.9]"], "[0.3, 0.9]", [0.3, 0.9]),
        (['{"name": "a"}', '{"name": "b"}'], "b", {"name": "b"}),
    ],
)
def test_the_value_that_is_handed_on_is_the_sweeps_own(values, cell, given):
    assert as_given(pd.Series(values), cell) == given


def through_parquet(table: pd.DataFrame) -> pd.DataFrame:
    content = io.BytesIO()
    table.to_parquet(content)
    return read_classes(content.getvalue(), "t.parquet")


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.astype(dict.fromkeys(["dataset", "method", "probe", "class", "superclass"], "category")),
        lambda t: t.astype({"accuracy": "float32"}),
        lambda t: t.astype({"n": "Int64", "correct": "Int64", "seed": "uint8"}),
        lambda t: t.set_index(["method", "seed"]),
        lambda t: t.assign(**{HUE: t[HUE].map(lambda v: [v, v])}),
        lambda t: t.assign(**{HUE: t[HUE].map(lambda v: f"[{v} {v}]")}),
    ],
)
def test_other_types_and_an_index_change_nothing(change):
    table = planted(seeds=4).assign(superclass="all", probe="finetune-1")
    ours, theirs = statistics(table, HUE, draws=0), statistics(through_parquet(change(table)), HUE, draws=0)
    pd.testing.assert_frame_equal(theirs["pairs"], ours["pairs"], check_dtype=False)
    pd.testing.assert_frame_equal(theirs["superclasses"], ours["superclasses"], check_dtype=False)


@pytest.mark.parametrize("written", [dict, json.dumps])
def test_mappings_go_by_their_names_only_where_these_tell_them_apart(written):
    named = [{"name": "a", "p": 1}, {"name": "b", "p": 1}, {"name": "c", "p": 1}]
    alike = [{"name": "a", "p": 1}, {"name": "a", "p": 2}, {"name": "a", "p": 3}]
    (grid,) = bias.grids(planted(values=[written(value) for value in named]), "hue")
    assert grid.axis.labels == ("a", "b", "c")
    (grid,) = bias.grids(planted(values=[written(value) for value in alike]), "hue")
    assert len(grid.axis.labels) == 3


def test_the_number_of_the_row_is_no_parameter():
    table = planted().rename(columns={HUE: "hue"})
    assert bias.parameters(read_classes(table.to_csv().encode(), "t.csv")) == ["hue"]
