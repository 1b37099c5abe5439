"""The Paper page: every item, and what it answers where something is missing."""

import json
import re

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.paper import items
from ssrl_core import stores
from ssrl_core.paper import report, running
from ssrl_core.paper.items import IDS, ITEMS
from ssrl_core.runs import jobs
from ssrl_core.runs.queue import registry
from tests.kit import ROOT, make_imageset, make_run
from tests.paper.test_items import planted


def opened(item: str, scale: str = "small") -> AppTest:
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run().switch_page("pages/7_Paper.py")
    test.query_params["item"] = item
    test.query_params["scale"] = scale
    test = test.run()
    assert not test.exception, test.exception[0].value if test.exception else ""
    return test


def html_of(test: AppTest) -> str:
    return " ".join(str(block.proto.body) for block in test.get("html"))


def text_of(test: AppTest) -> str:
    parts = [html_of(test), *(m.value for m in test.markdown), *(c.value for c in test.code)]
    return " ".join(parts).replace("&gt;", ">").replace("&#x27;", "'")


def published_cells(test: AppTest) -> list[str]:
    return re.findall(r'<td class="published">([^<]+)</td>', html_of(test))


def test_every_item_opens_with_its_claim_its_cost_and_its_numbers():
    test = opened("table-1")
    for name in IDS:
        test.query_params["item"] = name
        test = test.run()
        assert not test.exception, (name, test.exception[0].value if test.exception else "")
        text = text_of(test)
        assert ITEMS[name].claim[:40] in text
        if ITEMS[name].plans:
            assert "on this machine" in text or "No training" in text
            assert {b.key for b in test.button} >= {"paper-run-small", "paper-run-full"}
            assert f"python -m ssrl_core paper run {name} --scale small" in text
        assert len(published_cells(test)) == published_in(name) >= len(ITEMS[name].published())


def test_the_end_of_a_run_compares_only_the_items_that_it_belongs_to(monkeypatch):
    planted({"mnist-first-set": [0.9, 0.91], "mnist-second-set": [0.6, 0.62]})
    compared, shown = [], running.shown
    monkeypatch.setattr(running, "shown", lambda name, scale: (compared.append((name, scale)), shown(name, scale))[1])
    test = opened("table-2")
    assert compared[0][0] == "table-2", "the item that is open comes first"
    assert len(compared) == len(set(compared)) > 50
    compared.clear()
    before = items.now()
    make_run(spec={"seed": 77})
    registry.reconcile()
    assert items.now() != before
    test = test.run()
    assert compared == []
    member = next(iter(running.evidence("table-2", "small").runs()))["id"]
    registry.change(member, finished_at=stores.utc_now())
    test.run()
    assert compared == [("table-2", "small")]


def published_in(name: str) -> int:
    """Published numbers beside the results that ship (some stand beside two of ours), and those not measured."""
    rows = (running.shipped(name) or running.compare(name))["rows"]
    blocks = [*report.measured(name, rows, "small"), *report.published_only(rows)]
    return sum(cell.published is not None for block in blocks for cell in block.cells.values())


def test_it_opens_with_the_results_that_ship_and_says_where_they_were_measured():
    text = text_of(opened("table-2"))
    assert "Measured on cpu with Viewloom" in text
    assert "not on this machine" in text
    ami = next(
        row
        for row in running.shipped("table-2")["rows"]
        if row["row"].startswith("first_set") and row["column"] == "ami"
    )
    assert f"{ami['ours']:.3f} ± {ami['sd']:.3f}" in text


def test_data_that_is_missing_is_named_with_the_way_to_get_it():
    text = text_of(opened("table-3", "full"))
    assert "Broad Bioimage Benchmark Collection" in text
    assert "--name bbbc021-nocodazole" in text


def test_the_full_button_without_data_says_what_is_missing_and_queues_nothing():
    from ssrl_core.runs.queue import registry

    test = opened("figure-1")
    test = test.button(key="paper-run-full").click().run()
    (said,) = [w.value for w in test.warning]
    assert "ImageNet100" in said
    assert "Nothing was queued" in said
    assert test.query_params["scale"] in ("full", ["full"])
    assert registry.counts() == {}
    assert not (stores.models_root() / "sweeps").exists()
    test = test.button(key="paper-go-table-1").click().run()
    assert not test.warning  # of another item


def test_what_each_transformation_costs_opens_on_the_page_and_its_button_starts_a_job(monkeypatch):
    started = []
    monkeypatch.setattr("ssrl_core.runs.jobs.start", lambda name, words: started.append(words))
    test = opened("curves")
    assert not test.exception
    next(button for button in test.button if button.label == "Solve it here").click().run()
    assert started == [["paper", "curves", "strokes"]]
    assert not test.exception


def test_curves_that_were_stopped_on_their_way_do_not_hide_those_that_ship():
    from ssrl_core.datasets import store as image_sets
    from ssrl_core.paper import curves

    strokes = image_sets.load("strokes")
    every = {point: {"digit": 0.8} for point in curves.points(strokes)}
    curves._write(strokes, 5, {point: every[point] for point in list(every)[:2]})
    assert "not on this machine, not trained" in text_of(opened("curves"))
    curves._write(strokes, 5, every)
    text = text_of(opened("curves"))
    assert "not on this machine" not in text
    assert "1 seed, so no intervals" in text


def test_the_full_button_runs_what_has_its_images_and_says_what_is_left_out(monkeypatch):
    from ssrl_core.runs.queue import processes

    monkeypatch.setattr(processes, "start_coordinator", lambda **_: None)
    make_imageset(240, 3, 64, name="simulated-nocodazole")
    test = opened("figure-6")
    test = test.button(key="paper-run-full").click().run()
    assert not test.exception
    text = text_of(test)
    assert "12 runs were queued. Left out, as its images are not here: BBBC021, nocodazole." in text
    assert "0 of 22 runs are done; 12 wait" in text


def test_an_unknown_item_in_the_address_opens_a_known_one():
    test = opened("table-99")
    assert "Table 2" in next(s.value for s in test.subheader)
    assert any("table-99" in caption.value for caption in test.caption)


def test_what_was_measured_stands_first_beside_what_was_published():
    planted({"mnist-first-set": [0.9, 0.91, 0.92, 0.9, 0.91], "mnist-second-set": [0.6, 0.62, 0.61, 0.6, 0.63]})
    test = opened("table-2")
    first_row = re.search(r"<tbody><tr>(.*?)</tr>", html_of(test)).group(1)
    assert "First set" in first_row
    assert "99.6 %" in first_row
    assert "90.8 ± 0.8 %" in first_row
    assert "n = 5 seeds" in first_row
    text = text_of(test)
    assert "Difference +29.6 points (95 % interval" in text
    assert "shown" in text
    assert "Highest mean top-1 of linear evaluation: First set, 90.8 %" in text
    rings = [trace for chart in test.get("plotly_chart") for trace in json.loads(chart.proto.spec)["data"]]
    assert [0.996, 0.621] in [trace["x"] for trace in rings if "published" in trace["hovertemplate"]]


def test_a_second_press_queues_nothing_twice_and_a_deleted_run_is_made_again_alone(monkeypatch):
    from ssrl_core.runs.queue import processes, registry, stopping, sweeps

    monkeypatch.setattr(processes, "start_coordinator", lambda **_: None)
    make_imageset(300, name="mnist", classes=10)
    test = opened("figure-4")
    test = test.button(key="paper-run-small").click().run()
    assert "10 runs were queued" in text_of(test)
    assert "0 of 10 runs are done; 10 wait" in text_of(test)
    test = test.button(key="paper-run-small").click().run()
    assert "Nothing was queued: all 10 runs are here or waiting already" in text_of(test)
    (sweep,) = running.evidence("figure-4", "small").sweep_ids().values()
    stopping.delete(sweeps.members(sweep)[0]["id"])
    assert "1 deleted" in text_of(test.run())
    test = test.button(key="paper-run-small").click().run()
    assert "1 run was queued; 9 were here or waiting already" in text_of(test)
    failed = sweeps.members(sweep)[3]["id"]
    registry.change(failed, state="failed", reason="no memory")
    assert "0 of 10 runs are done; 9 wait, 1 failed. The button runs these again." in text_of(test.run())
    test = test.button(key="paper-run-small").click().run()
    assert "1 that had stopped or failed goes on; 9 were here or waiting already" in text_of(test)
    test = test.button(key="paper-stop").click().run()
    assert "10 stopped" in text_of(test)
    test = test.button(key="paper-run-small").click().run()
    assert "10 that had stopped or failed go on" in text_of(test)


@pytest.mark.parametrize("item", ["table-2", "figure-4", "figure-6"])
def test_the_spec_that_is_shown_is_a_sweep_that_can_be_run(item):
    from ssrl_core.runs.queue import sweeps
    from ssrl_core.specs.sweep import SweepSpec
    from ssrl_core.specs.yaml_files import parse_yaml

    test = opened(item)
    (text,) = [c.value for c in test.code if c.value.startswith(("dataset", "backbone"))]
    spec = SweepSpec.from_mapping(parse_yaml(text, "page"), "page")
    assert sweeps.id_of(spec) == sweeps.id_of(next(iter(running.evidence(item, "small").specs.values())))


def test_charts_of_sweeps_over_classes_can_be_drawn(monkeypatch):
    from ssrl_core.library.paper import charts
    from ssrl_core.paper.evidence import Evidence
    from tests.kit import make_sweep_table

    table = make_sweep_table()
    table = pd.concat([table, table.assign(method="byol")], ignore_index=True)  # table 6 compares methods
    monkeypatch.setattr(Evidence, "classes", lambda self, name: table)
    for name in ("table-5", "table-6", "figure-1", "figure-2", "figure-11"):
        figures = charts(name, running.evidence(name, "full"))
        assert figures, name
        assert all(len(figure.data) for figure in figures), name


def test_every_reading_of_the_lpips_column_stands_under_the_published_values():
    from pages.ui.paper.results import readings_table
    from ssrl_core.paper.evidence import PUBLISHED

    values = {name: value + 0.01 for name, value in PUBLISHED.items()}
    row = {"size_px": 64, "range": "0..1", "pairs": "views", "values": values, "distance": 0.01, "in_order": True}
    shown = readings_table([row])
    assert shown["First set"].tolist() == [0.33, 0.34]
    assert shown["pairs"].tolist() == ["published", "two views"]
    assert shown["mean difference"].tolist()[1] == 0.01


def test_solved_results_say_what_they_are_and_both_buttons_start_a_job(monkeypatch):
    started = []
    monkeypatch.setattr(jobs, "start", lambda name, asked: started.append((name, asked)))
    test = opened("figure-4", "instant")
    assert "not a training" in text_of(test)
    assert "Solved on cpu" in text_of(test)
    test.button(key="paper-all").click().run()
    test.button(key="paper-run-instant").click().run()
    assert started == [
        ("paper-all", ["paper", "run", "all", "--scale", "instant"]),
        ("paper-figure-4-instant", ["paper", "run", "figure-4", "--scale", "instant"]),
    ]


def test_while_everything_is_solved_the_results_stay_and_one_button_stops_it(monkeypatch):
    now = {"state": "running", "progress": 0.3, "message": ""}
    monkeypatch.setattr(jobs, "state_of", lambda name: now if name == "paper-all" else None)
    test = opened("figure-4", "instant")
    assert not test.exception
    assert "Does it show?" in [heading.value for heading in test.subheader]
    assert [button.label for button in test.button].count("Stop") == 1
