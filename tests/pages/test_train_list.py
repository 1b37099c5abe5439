"""All runs as a list on the Train page: searching, choosing, acting on many; runs beside each other."""

from __future__ import annotations

import pandas as pd
import pytest

from pages.ui.train import run_list
from pages.ui.train import run_list as run_tables
from ssrl_core.errors import SpecError
from ssrl_core.runs.queue import registry, submitting, tables
from tests.browsing import served, settled, tab
from tests.kit import make_imageset, make_run
from tests.pages.test_train_page import page, started, text_of  # noqa: F401 (a fixture)
from tests.pages.test_train_sweep import swept  # noqa: F401 (a fixture)
from tests.runs.conftest import spec
from tests.runs.test_finding import ROWS, row


def test_the_table_has_a_row_a_run_and_no_empty_column():
    table = run_tables.table(ROWS)
    assert list(table["State"]) == ["Done", "Failed", "Lost", "Running"]
    assert list(table["Seed"]) == [5, 6, 5, 15]
    assert list(table["Values"]) == ["", "", "", "lr 0.1"]
    assert table["Queued"][0] == pd.Timestamp("2026-01-01T00:00:00Z")
    assert not {"AMI", "Took"} & {*table}
    assert len(run_tables.table([])) == 0
    assert run_tables.counted(ROWS) == {"running": 1, "lost": 1, "done": 1, "failed": 1}


def test_the_queue_leads_to_the_list_and_the_list_to_a_run(swept):  # noqa: F811
    test = page(dataset="kit")
    assert test.button(key="train-all-runs").label == "All runs (6)"
    test.button(key="train-all-runs").click().run()
    assert test.query_params["list"] == "all"
    assert list(test.dataframe[0].value["Values"]) == 3 * ["lr 0.001"] + 3 * ["lr 0.01"]
    assert test.button(key="train-list-open").disabled
    test.session_state["train-list-chosen"] = [swept["runs"][2]]
    test.run()
    assert "1 chosen" in text_of(test)
    test.button(key="train-list-open").click().run()
    assert test.query_params["run"] == swept["runs"][2]
    assert "list" not in test.query_params
    assert not test.exception


def test_a_search_is_in_the_address_and_what_is_not_found_is_said(swept):  # noqa: F811
    test = page(list="all", find="seed:6")
    assert len(test.dataframe[0].value) == 2
    test.text_input(key="train-list-find").set_value("nothing like this").run()
    assert "No run matches" in text_of(test)
    assert test.query_params["find"] == "nothing like this"
    test.text_input(key="train-list-find").set_value("").run()
    assert "find" not in test.query_params
    assert "6 runs: 6 waiting." in text_of(test)


def test_ticks_of_a_table_that_is_gone_choose_nothing(swept):  # noqa: F811
    test = page(list="all")
    test.session_state["train-list-chosen"] = swept["runs"][:2]
    test.run()
    assert "2 chosen" in text_of(test)
    submitting.submit(spec(seed=77), start=False)
    test.run()
    assert "0 chosen" in text_of(test)
    assert test.button(key="train-list-stop").disabled


def test_many_runs_are_stopped_resumed_put_first_and_deleted_at_once(swept, started):  # noqa: F811
    test = page(list="all")
    test.session_state["train-list-chosen"] = swept["runs"][:4]
    test.run()
    assert test.button(key="train-list-resume").disabled
    test.button(key="train-list-first").click().run()
    assert [registry.require(run_id)["priority"] for run_id in swept["runs"]] == [1, 1, 1, 1, 0, 0]
    test.button(key="train-list-stop").click().run()
    assert registry.counts() == {"stopped": 4, "queued": 2}
    test.button(key="train-list-resume").click().run()
    assert registry.counts() == {"queued": 6}
    test.button(key="train-sheet-delete-yes").click().run()
    assert registry.counts() == {"queued": 2}
    assert "0 chosen" in text_of(test)
    assert test.button(key="train-list-stop").disabled
    assert not test.exception


def test_runs_are_compared_by_curves_scores_and_settings():
    ids = [make_run().name, make_run(spec={"optimizer": {"name": "adam", "lr": 0.01}, "seed": 8}, seed=1).name]
    registry.list_runs()
    test = page(list="all")
    test.session_state["train-list-chosen"] = ids
    test.run()
    test.button(key="train-list-compare").click().run()
    assert test.query_params["compare"] == ",".join(ids)
    text = text_of(test)
    assert "2 runs compared" in text
    assert "<td>seed</td><td>5</td><td>8</td>" in text
    assert "<td>optimizer.name</td><td>lars</td><td>adam</td>" in text
    assert "<td>kNN</td><td>0.950</td><td>0.950</td>" in text
    assert len(test.get("plotly_chart")) == 2
    test.button(key="train-compare-list").click().run()
    assert test.query_params["list"] == "all"
    assert not test.exception


def test_what_cannot_be_compared_is_said():
    run = make_run()
    text = text_of(page(compare=f"{run.name},nothing"))
    assert "no run “nothing”" in text
    assert "Comparing takes two runs or more" in text
    (run / "results.json").write_text("{", encoding="utf-8")
    found = run_tables.compared([run.name, run.name], run_list.MOST)
    assert (found.ids, found.letters, run_tables.scores(found)) == ([run.name], "A", {})


def test_names_are_text_in_the_comparison():
    rows = [row(id="a", name="<b>bold</b>"), row(id="b")]
    assert "<b>bold" not in run_list.who_html(run_tables.Compared(rows, []))
    assert "<i>" not in run_list.table_html({"<i>": ["<i>", "x"]}, "AB")


def test_differences_of_specs_are_those_between_any_two():
    make_imageset()
    ids = [submitting.submit(spec(**more), start=False)["id"] for more in ({}, {"seed": 6}, {"seed": 6, "epochs": 3})]
    assert tables.spec_differences(ids) == {"epochs": [2, 2, 3], "seed": [5, 6, 6]}
    assert tables.spec_differences(ids[:1]) == {}
    assert tables.differences(ids[:2]) == [{"path": "seed", "first": 5, "second": 6}]
    with pytest.raises(SpecError, match="a run of this store"):
        tables.spec_differences(["nothing"])


@pytest.mark.browser
@pytest.mark.slow
def test_ticked_rows_are_the_runs_that_are_compared():
    """The table is drawn on a canvas: only a browser shows that a tick means the run that stands there."""
    ids = [make_run(spec={"seed": seed}).name for seed in range(5, 11)]
    registry.list_runs()
    with served() as address, tab(timeout_s=180) as browser:
        browser.goto(f"{address}/Train?list=all")
        table = browser.locator('[data-testid="stDataFrame"]')
        table.wait_for()
        browser.get_by_text("0 chosen").wait_for()
        box = table.bounding_box()
        listed = [one["id"] for one in registry.list_runs() if one["id"] in ids]
        settled(browser)
        for number in (1, 3):
            browser.mouse.click(box["x"] + 22, box["y"] + 36 * (number + 1) + 15)
            browser.get_by_text(f"{1 + number // 2} chosen").wait_for()
        browser.get_by_role("button", name="Compare").click()
        browser.get_by_text("2 runs compared").wait_for()
        browser.locator(".train-beside").first.wait_for()
        assert browser.locator(".train-who small").all_inner_texts() == [listed[1], listed[3]]
        settled(browser)
        browser.get_by_role("button", name="New run").click()
        browser.get_by_role("button", name="All runs (6)").wait_for()
        settled(browser)
        browser.locator(f".st-key-train-open-{listed[0]} button").click()  # in the queue, which draws itself
        browser.get_by_role("button", name="Start from this").wait_for()
        assert f"run={listed[0]}" in browser.url
