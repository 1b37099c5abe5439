"""Which column of a brought table is the parameter, where several begin with `vary.`."""

import json

import pandas as pd
import pytest

from ssrl_core.analysis.bias import curves, parameters
from tests.analysis.bias.tables import HUE, classes_table

CROP = "vary.terms.0.composition.steps.resized_crop.scale"


def two_methods(**columns: object) -> pd.DataFrame:
    """A sweep over hue and over two methods, with further columns in front as a sweep writes them."""
    both = [
        classes_table({"cat": lambda x: 0.5 + 0.1 * x, "dog": lambda x: 0.5}, method=name)
        for name in ("simclr", "byol")
    ]
    table = pd.concat(both, ignore_index=True)
    for place, (name, make) in enumerate(columns.items()):
        table.insert(place, f"vary.{name}", make(table) if callable(make) else make)
    return table


@pytest.mark.parametrize(
    "method",
    [
        lambda table: table["method"],
        lambda table: table["method"].map(lambda name: json.dumps({"name": name, "temperature": 0.1})),
        lambda table: table["method"].map(lambda name: {"name": name, "temperature": 0.1}),
    ],
)
def test_the_varied_method_is_no_parameter_beside_one_that_moves_within_it(method):
    table = two_methods(method=method)
    assert parameters(table) == [HUE]
    assert set(curves(table, HUE).overall["method"]) == {"simclr", "byol"}


def test_neither_is_a_setting_that_each_method_has_one_value_of():
    table = two_methods(**{"method.temperature": lambda t: t["method"].map({"simclr": 0.2, "byol": None})})
    assert parameters(table) == [HUE]


def test_what_varies_within_a_method_stays_in_the_order_of_the_table():
    table = two_methods(epochs=lambda t: 10 + t[HUE], method=lambda t: t["method"])
    assert parameters(table) == ["vary.epochs", HUE]


def test_settings_that_differ_within_a_method_come_after_what_else_varies():
    table = two_methods(method=lambda t: [{"name": "simclr", "temperature": row % 2} for row in range(len(t))])
    assert parameters(table) == [HUE, "vary.method"]


def test_where_nothing_else_varies_the_method_is_still_offered_and_last():
    table = two_methods(method=lambda t: t["method"])
    still = table[table[HUE] == table[HUE].iloc[0]]
    assert parameters(still) == [HUE, "vary.method"]
    assert parameters(still.drop(columns=HUE)) == ["vary.method"]


def test_transformations_of_several_sweeps_in_one_table_are_all_offered():
    hue = classes_table({"cat": lambda x: 0.5, "dog": lambda x: 0.5})
    both = pd.concat([hue, hue.rename(columns={HUE: CROP})], ignore_index=True)
    assert parameters(both) == [HUE, CROP]


def test_a_seed_among_the_varied_columns_is_no_parameter_and_no_setting():
    table = two_methods(seed=lambda t: t["seed"])
    assert parameters(table) == [HUE]
    assert (curves(table, HUE).overall["seeds"] == 3).all()
