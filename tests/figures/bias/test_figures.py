"""The figures show the numbers of the tables; how they look is seen in the browser."""

import json

import numpy as np
import pandas as pd
import pytest

from ssrl_core.analysis import bias
from ssrl_core.analysis.properties import FAMILIES, against_behaviour
from ssrl_core.errors import DataError
from ssrl_core.figures import bias as figures
from ssrl_core.figures.bias.panels import panels, parameter_name, runs_note, spread_heights, wrapped
from tests.analysis.bias.tables import HUE, classes_table

CURVES = {
    "up": lambda x: 0.5 + 0.2 * x,
    "down": lambda x: 0.7 - 0.2 * x,
    "hill": lambda x: 0.6 - (x - 0.5) ** 2,
    "still": lambda x: 0.4,
}


@pytest.fixture(scope="module")
def table():
    methods = [classes_table(CURVES, method=m, noise=0.01, seed=i) for i, m in enumerate(("byol", "simclr"))]
    return pd.concat(methods, ignore_index=True)


def one(rows):
    return rows[rows["method"] == "simclr"].reset_index(drop=True)


def valid(fig):
    """A figure that a browser can take: JSON without NaN."""
    json.loads(fig.to_json(), parse_constant=lambda name: pytest.fail(f"{name} in the figure"))
    return fig


def texts(fig):
    return [a.text for a in fig.layout.annotations]


def test_curves_are_small_multiples_with_labels_at_line_ends(table):
    found = bias.curves(table, "hue")
    fig = valid(figures.class_curves(found.overall, found.classes, ["up", "down"], title="A finding"))
    assert fig.layout.title.text == "A finding"
    assert {"byol", "simclr", "up", "down", "all classes", "color jitter hue"} <= set(texts(fig))
    assert "mean ± sd, n = 3 seeds" in texts(fig)
    line = next(t for t in fig.data if t.name == "up")
    mine = found.classes[(found.classes["class"] == "up") & (found.classes["method"] == "byol")]
    np.testing.assert_allclose(line.y, mine["accuracy"])


def test_a_missing_value_leaves_a_gap_in_line_and_band(table):
    holes = table.copy()
    holes.loc[(holes["class"] == "up") & (holes[HUE] == table[HUE].unique()[4]), "accuracy"] = np.nan
    holes = holes.assign(correct=np.nan)
    found = bias.curves(holes, "hue")
    fig = valid(figures.class_curves(found.overall, found.classes, ["up"]))
    up = next(t for t in fig.data if t.name == "up")
    assert np.isnan(np.asarray(up.y, dtype=float)[4])
    assert not any(np.isnan(np.asarray(t.y, dtype=float)).any() for t in fig.data if t.fill == "tonexty")


def test_one_seed_is_said_on_the_figure():
    found = bias.curves(classes_table(CURVES, seeds=1), "hue")
    assert "one seed: no sd" in texts(figures.class_curves(found.overall, found.classes, ["up"]))


def test_ratios_stand_beside_their_floors(table):
    found = bias.opposition(table, "hue")
    floors = bias.floor_summary(bias.floors(table, "hue", draws=20), found.ratios)
    fig = valid(figures.floor_ratios(found.ratios, floors))
    points = next(t for t in fig.data if t.type == "scatter")
    assert list(points.y) == ["byol", "simclr"]
    np.testing.assert_allclose(points.x, found.ratios["ratio"])
    assert sum(t.type == "bar" for t in fig.data) == 2
    assert valid(figures.floor_ratios(found.ratios, corrected=True)).data


def test_what_was_found_is_drawn_among_the_draws(table):
    drawn = one(bias.floors(table, "hue", draws=20))
    fig = valid(figures.chance_histogram(drawn, 0.75))
    assert "found 75 %" in texts(fig)
    assert len(fig.data) == 2
    assert valid(figures.chance_histogram(drawn.assign(ratio=np.nan), float("nan"))).data == ()


def test_the_matrix_puts_classes_that_move_alike_together(table):
    fig = valid(figures.pair_matrix(one(bias.opposition(table, "hue").pairs)))
    names = list(fig.data[0].x)
    assert {names[0], names[-1]} == {"up", "down"} or abs(names.index("up") - names.index("down")) > 1
    shown = np.asarray(fig.data[0].z, dtype=float)
    assert shown[names.index("up"), names.index("down")] < -0.9
    assert np.isnan(shown[0, 0])


def test_slopes_are_sorted_and_coloured_by_behaviour(table):
    rows = one(bias.behaviours(table, "hue"))
    fig = valid(figures.behaviour_slopes(rows))
    assert [t.name.split()[0] for t in fig.data] == ["ascending", "descending", "random"]
    assert list(fig.layout.yaxis.categoryarray)[-1] == "up"
    up = rows.set_index("class").loc["up"]
    width = (up["high"] - up["slope"]) * 0.5
    np.testing.assert_allclose(fig.data[0].error_x.array[0], width, rtol=1e-6)
    names = one(bias.behaviours(pd.concat([classes_table(CURVES, values=["a", "b"])]), "hue"))
    assert "4 classes without a slope" in valid(figures.behaviour_slopes(names)).layout.xaxis.title.text


def test_shared_classes_and_methods_have_their_bars(table):
    fig = valid(figures.shared_bars(bias.shared_classes(bias.opposition(table, "hue").classes)))
    assert list(fig.data[0].x) == ["all 2"]
    spread = valid(figures.method_spread(bias.method_summary(table, "hue")))
    assert set(spread.data[0].y) == {"byol", "simclr"}


def test_superclasses_ring_their_own_highest(table):
    mapping = {"up": "a", "hill": "a", "down": "b", "still": "b"}
    grouped = bias.by_superclass(table, mapping)
    highest, curves = bias.own_highest(grouped, "hue"), bias.curves(grouped, "hue")
    fig = valid(figures.highest_curves(curves.classes, highest.highest))
    rings = [t for t in fig.data if t.marker.symbol == "circle-open"]
    assert len(rings) == 4
    assert sorted(float(r.x[0]) for r in rings) == sorted(highest.highest["x"].astype(float))
    matrix = valid(figures.price_matrix(one(highest.prices)))
    assert len(matrix.data[0].y) == 2


def test_a_superclass_without_accuracy_says_so():
    bare = classes_table({**CURVES, "none": lambda x: 0.0})
    bare.loc[bare["class"] == "none", ["n", "correct", "accuracy"]] = [0, 0, np.nan]
    fig = valid(figures.highest_curves(bias.curves(bare, "hue").classes, bias.own_highest(bare, "hue").highest))
    assert "no accuracy" in texts(fig)


def test_two_classes_make_a_plane_and_more_make_lines(table):
    two = bias.tradeoff(table, "hue", {"up": 2, "down": 1})
    fig = valid(figures.trade_off(one(two.values), one(two.changes), title=two.sentences[1]))
    assert fig.layout.xaxis.title.text == "accuracy of up (± sd)"
    shown = next(t for t in fig.data if t.mode == "markers+text")
    assert len(shown.x) == one(two.values)["on_front"].sum()
    three = bias.tradeoff(table, "hue", {"up": 1, "down": 1, "hill": 1})
    lines = valid(figures.trade_off(one(three.values), one(three.changes)))
    assert {"up", "down", "hill"} <= set(texts(lines))
    assert "best" not in fig.to_json() + lines.to_json()


def test_properties_are_shown_by_behaviour(table):
    behaviours = one(bias.behaviours(table, "hue"))
    properties = pd.DataFrame({"class": list(CURVES), "intrinsic_dimension": [1.0, 2, 3, 4]})
    for i, name in enumerate(FAMILIES["texture"]):
        properties[name] = np.arange(4.0) ** (i + 1)
    tests = against_behaviour(properties, behaviours)
    fig = valid(figures.property_groups(properties, behaviours, tests))
    assert len([t for t in texts(fig) if "contrast" in t]) == 1
    assert any("η²" in t for t in texts(fig))


def test_labels_are_moved_apart_as_little_as_possible_and_keep_their_order():
    assert spread_heights([1.0, 5.0, 9.0], 1.0) == [1.0, 5.0, 9.0]
    assert spread_heights([5.0, 5.0], 2.0) == pytest.approx([4.0, 6.0])
    moved = spread_heights([3.0, 0.0, 3.1, 2.9], 1.0)
    assert moved[1] == 0
    assert np.diff(sorted(moved)).min() == pytest.approx(1)
    assert np.argsort(moved).tolist() == [1, 3, 0, 2]
    assert spread_heights([], 1.0) == []


def test_names_are_those_that_people_know(table):
    assert parameter_name(HUE) == "color jitter hue"
    assert parameter_name("vary.epochs") == "epochs"
    assert [label for label, _ in panels(bias.curves(table, "hue").overall)] == ["byol", "simclr"]
    assert wrapped("a " * 100).count("<br>") == 1
    assert runs_note(pd.DataFrame({"seeds": [0]})) == "no results yet"
    with pytest.raises(DataError):
        panels(pd.DataFrame())
