"""The Classes page for a sweep of the store and for a table that somebody brings."""

import io
import json
from urllib.parse import parse_qs

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.classes import behaviours
from pages.ui.classes.sweep import VIEWS
from pages.ui.kit import choices
from ssrl_core import stores
from ssrl_core.specs.composition import load
from tests.kit import ROOT, make_run, make_sweep_table

HUE = "vary.terms.0.composition.steps.color_jitter.hue"


def opened() -> AppTest:
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=90).run().switch_page("pages/5_Classes.py")


def with_table(table: pd.DataFrame, view: str = "curves", name: str = "sweep.csv") -> AppTest:
    test = opened()
    content = io.BytesIO()
    table.to_csv(content, index=False)
    test.session_state["classes-look"] = "file"
    test.session_state["classes-file"] = (name, content.getvalue())
    test.session_state["classes-view"] = view
    return ran(test)


def ran(test: AppTest) -> AppTest:
    test = test.run()
    assert not test.exception, test.exception[0].value if test.exception else ""
    return test


def text_of(test: AppTest) -> str:
    blocks = [str(block.proto.body) for block in test.get("html")]
    return " ".join([*blocks, *(m.value for m in test.markdown), *(w.value for w in test.warning)])


def reasons(test: AppTest) -> str:
    return " ".join(frame.value.to_string() for frame in test.dataframe)


def sweep_table() -> pd.DataFrame:
    return make_sweep_table({"caterpillar": 0.2, "crocodile": -0.2, "lion": 0.0}, values=8, seeds=3).rename(
        columns={"vary.hue": HUE}
    )


def test_the_winner_and_the_loser_are_named_and_nothing_is_called_best():
    test = with_table(sweep_table())
    text = text_of(test)
    assert "caterpillar +" in text
    assert "crocodile −" in text
    assert "Overall accuracy moves by at most" in text_of(test)
    assert "best" not in text.lower()


@pytest.mark.parametrize("view", list(VIEWS))
def test_every_view_opens(view):
    test = with_table(sweep_table(), view)
    assert not test.error


def test_the_opposite_pair_stands_in_its_table_with_n_and_p():
    test = with_table(sweep_table(), "opposites")
    pairs = next(f.value for f in test.dataframe if "pearson_p" in f.value)
    assert {pairs["first"].iloc[0], pairs["second"].iloc[0]} == {"caterpillar", "crocodile"}
    assert pairs["n"].iloc[0] == 8
    assert "by chance" in text_of(test)


def test_prices_are_told_beside_what_chance_gives():
    many = make_sweep_table({f"c{i}": 0.01 * i for i in range(8)}, values=4, seeds=3)
    many = many.assign(superclass=many["class"])
    assert "by chance about 1 of 56 would seem to gain" in text_of(with_table(many, "highest"))
    few = sweep_table().assign(superclass=lambda t: t["class"].str[0])
    assert "partly luck" in text_of(with_table(few, "highest"))
    assert "by chance" not in text_of(with_table(few, "highest"))


def test_all_pairs_are_sent_when_they_are_asked_for():
    test = with_table(sweep_table(), "opposites")
    assert not [f for f in test.dataframe if "covariance" in f.value]
    test.session_state["classes-all-pairs"] = True
    pairs = next(f.value for f in ran(test).dataframe if "covariance" in f.value)
    assert len(pairs) == 3


def test_several_transformations_stand_side_by_side():
    crop = sweep_table().rename(columns={HUE: "vary.terms.0.composition.steps.resized_crop.scale"})
    both = pd.concat([sweep_table(), crop], ignore_index=True)
    test = with_table(both, "opposites")
    test.session_state["classes-several"] = "all"
    test = ran(test)
    settings = next(box for box in test.selectbox if box.label == "Setting")
    assert settings.options == ["color jitter hue", "resized crop scale"]


def test_a_ratio_says_that_it_is_of_the_classes_that_can_be_tested():
    table = sweep_table()
    assert "of the classes have an opposite partner" in text_of(with_table(table, "opposites"))
    still = table["class"] == "lion"
    table.loc[still, ["correct", "accuracy"]] = [50, 0.5]
    assert "of the classes that can be tested have" in text_of(with_table(table, "opposites"))


def test_two_parameters_of_a_grid_stand_side_by_side():
    grid = pd.concat([sweep_table().assign(**{"vary.epochs": epochs}) for epochs in (1, 2, 3)], ignore_index=True)
    test = with_table(grid, "opposites")
    test.session_state["classes-several"] = "all"
    test = ran(test)
    settings = next(box for box in test.selectbox if box.label == "Setting")
    assert len(settings.options) == 3 + 8
    assert any("epochs 2" in option for option in settings.options)


def test_behaviours_are_counted_in_the_title():
    flat = {"caterpillar": 0.2, "crocodile": -0.2}
    assert "1 ascending, 1 descending, 0 random (n = 8 points)" in text_of(
        with_table(make_sweep_table(flat, values=8), "behaviours")
    )


def test_one_value_one_seed_missing_cells_and_constant_accuracy_are_said():
    table = sweep_table()
    one_value = table[table[HUE] == 0]
    assert "No class has an accuracy at two values" in text_of(with_table(one_value))
    one_seed = table[table["seed"] == 5]
    assert "one seed" in text_of(with_table(one_seed)) or "caterpillar" in text_of(with_table(one_seed))
    constant = table.assign(
        accuracy=np.where(table["class"] == "lion", 0.5, table["accuracy"]),
        correct=np.where(table["class"] == "lion", 50, table["correct"]),
    )
    assert "the same at every point" in reasons(with_table(constant))
    empty = table.assign(n=np.where(table["class"] == "lion", 0, table["n"]))
    assert "lion" in reasons(with_table(empty))
    gaps = table.drop(table.index[table["seed"].eq(6) & table[HUE].eq(0.5)])
    assert "Missing or undefined" in " ".join(e.label for e in with_table(gaps).expander)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (pd.DataFrame({"a": [1]}), "Missing: dataset"),
        (sweep_table().drop(columns=HUE), "vary.PATH"),
        (sweep_table().assign(accuracy=90.0, correct=None), "Divide percentages by 100"),
    ],
)
def test_a_bad_table_is_answered_in_words(table, words):
    assert words in text_of(with_table(table)).replace("\\", "")


def test_a_sweep_in_the_address_is_shown_as_far_as_it_is():
    runs = []
    for number, value in enumerate((0.0, 0.25, 0.5)):
        folder = make_run(spec={"seed": number + 1})
        results = stores.read_json(folder / "results.json")
        for k, entry in enumerate(results["linear"]["classes"].values()):
            entry |= {"n": 100, "correct": 50 + 10 * number * (1 - k), "accuracy": 0.5 + 0.1 * number * (1 - k)}
        stores.write_json(folder / "results.json", results)
        runs.append({"id": folder.name, "seed": 5, "values": {HUE.removeprefix("vary."): value}})
    runs.append({"id": "not-there", "seed": 6, "values": {HUE.removeprefix("vary."): 0.0}})
    path = stores.models_root() / "sweeps" / "kit-1.json"
    path.parent.mkdir(exist_ok=True)
    spec = {"dataset": "kit", "backbone": "tiny_cnn", "method": "simclr", "terms": [{"composition": "cifar-base"}]}
    stores.write_json(
        path,
        {"version": 1, "id": "kit-1", "name": "kit", "spec": json.dumps(spec), "created_at": stores.utc_now()}
        | {"runs": runs},
    )
    test = opened()
    test.query_params["sweep"] = "kit-1"
    test = ran(test)
    assert "3 of 4 runs are done" in text_of(test)
    assert "From 0 to 0.5" in text_of(test)
    test.session_state["classes-view"] = "trade-off"
    assert not ran(test).warning


def test_a_value_is_handed_to_compose_inside_its_composition():
    base = behaviours.base_of(None, "cifar-base")
    made = behaviours.with_value(base, HUE.removeprefix("vary."), 0.3)
    assert made.views[0].steps[1]["hue"] == 0.3
    rest = [step for step in made.views[0].steps if step.transform != "color_jitter"]
    assert rest == [step for step in load("cifar-base").views[0].steps if step.transform != "color_jitter"]
    assert choices.from_token(choices.to_token(made)) == made


def test_a_range_of_the_axis_is_handed_on_whole():
    crop = "vary.terms.0.composition.steps.resized_crop.scale"
    table = sweep_table().rename(columns={HUE: crop})
    table[crop] = [[round(0.2 + value, 3), 1.0] for value in table[crop]]
    test = with_table(table, "trade-off")
    (link,) = (link.proto for link in test.get("page_link") if "in Compose" in link.proto.label)
    shown = float(link.label.split()[1])
    token = parse_qs(link.query_string)["draft"][0]
    (step,) = (s for s in choices.from_token(token).views[0].steps if s.transform == "resized_crop")
    assert step["scale"] == pytest.approx((shown, 1.0), abs=1e-3)


def test_a_sweep_over_methods_too_opens_with_what_moves_within_them():
    parts = [sweep_table().assign(method=name) for name in ("simclr", "byol")]
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "vary.method", table["method"].map(lambda name: json.dumps({"name": name})))
    test = with_table(table)
    assert [box.options for box in test.selectbox if box.label == "Parameter"] == [["color jitter hue"]]
    assert "From 0 to 0.5" in text_of(test)


def test_what_is_missing_is_named_without_unfolding_it():
    lacking = sweep_table().assign(superclass=lambda t: t["class"].map({"lion": "cats", "caterpillar": "insects"}))
    lacking = lacking.drop(lacking.index[lacking["seed"].eq(6) & lacking[HUE].eq(0.5)])
    labels = [e.label for e in with_table(lacking, "highest").expander]
    assert "Missing or undefined (1): missing runs" in labels
    assert "Missing or undefined here (1): classes without a superclass" in labels


def test_without_sweeps_the_page_says_so():
    test = opened()
    test.session_state["classes-look"] = "sweep"
    assert "No sweeps yet." in text_of(ran(test))
