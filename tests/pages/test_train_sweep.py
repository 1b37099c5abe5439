"""Sweeps on the Train page: varying a field, launching, the matrix, the table, the order of the queue."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from pages.ui.runs import choosing as run_sweeps
from pages.ui.train import draft as drafts
from pages.ui.train import sweep
from ssrl_core.errors import SpecError
from ssrl_core.figures.curves import mean_band, sweep_curves
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import ordering, registry, sweeps
from ssrl_core.runs.queue.tables import results_table
from ssrl_core.specs.sweep import SweepSpec
from tests.kit import make_imageset
from tests.pages.test_train_page import (  # noqa: F401 (fixtures)
    kit_page,
    page,
    started,
    starts_from_the_quick_look,
    text_of,
)
from tests.runs.conftest import spec


@pytest.fixture
def swept():
    make_imageset()
    plain = spec().to_mapping() | {"seeds": [5, 6, 7], "vary": {"optimizer.lr": [0.001, 0.01]}}
    return sweeps.submit(SweepSpec.from_mapping(plain), start=False)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.1, 0.2", [0.1, 0.2]),
        ("1e-4", [1e-4]),
        ("adam, sgd", ["adam", "sgd"]),
        ("[0.2, 1], [0.5, 1]", [[0.2, 1], [0.5, 1]]),
        ("0 to 0.5 in 6", {"from": 0, "to": 0.5, "count": 6, "log": False}),
        ("1e-4 to 1e-2 in 5 log", {"from": 1e-4, "to": 1e-2, "count": 5, "log": True}),
    ],
)
def test_values_are_read_as_people_write_them(text, values):
    assert sweep.read_values(text) == values


@pytest.mark.parametrize("text", ["", "  ", "[1, 2", "a: b: c"])
def test_bad_values_are_refused(text):
    with pytest.raises(SpecError, match=r"values|YAML"):
        sweep.read_values(text)


def test_every_field_that_is_offered_can_vary():
    make_imageset()
    draft = drafts.fresh({"dataset": "kit", "method": "moco_v2_plus", "terms": "cells-first-set"})
    paths = sweep.vary_paths(draft)
    names = {"terms.0.composition": ["identity"], "method": ["byol", "simclr"], "backbone.name": ["resnet18"]}
    plain = {**drafts.spec_of(draft).to_mapping(), "vary": names}
    assert [run.spec.method.name for run in SweepSpec.from_mapping(plain).runs()] == ["byol", "simclr"]
    assert {"optimizer.lr", "epochs", "method.temperature", "terms.0.weight"} <= set(paths)
    assert any("color_jitter hue" in label for label in paths.values())
    for path in paths:
        value = drafts.value_at(draft, path)
        plain = {**drafts.spec_of(draft).to_mapping(), "vary": {path: [value]}}
        assert SweepSpec.from_mapping(plain).runs()[0].spec == drafts.spec_of(draft), path


def test_field_is_varied_with_a_click_launched_and_shown_as_a_matrix(started):  # noqa: F811
    test = kit_page()
    test.number_input(key="train-batch_size").set_value(8).run()
    test.text_input(key="train-seeds").set_value("5–6").run()
    test.session_state["train-vary"] = True
    test.run()
    test.selectbox(key="train-vary-path").set_value("optimizer.lr")
    test.text_input(key="train-vary-values").set_value("0.001 to 0.003 in 3")
    test.button(key="train-vary-add").click().run()
    assert not test.exception
    assert test.button(key="train-launch").label == "Train 6 runs"
    assert "for all 6" in text_of(test)
    test.button(key="train-launch").click().run()
    assert not test.exception
    assert registry.counts() == {"queued": 6}
    assert started == [1]
    text = text_of(test)
    assert text.count("sweep-queued") == 6
    assert "0 of 6 runs done, 6 wait" in text
    test.button(key="sweep-copy").click().run()
    assert not test.exception
    assert test.button(key="train-launch").label == "Train 6 runs"
    test.button(key="train-unvary-0").click().run()
    assert test.button(key="train-launch").label == "Train 2 runs"


def test_value_that_cannot_be_is_said_and_the_draft_stays():
    test = kit_page()
    test.session_state["train-vary"] = True
    test.run()
    test.selectbox(key="train-vary-path").set_value("optimizer.lr")
    test.text_input(key="train-vary-values").set_value("0.001, fast")
    test.button(key="train-vary-add").click().run()
    assert "the learning rate must be" in text_of(test)
    assert test.button(key="train-launch").label == "Train"


def test_sweep_is_stopped_and_what_is_missing_is_run_again(swept, started):  # noqa: F811
    test = page(sweep=swept["id"])
    test.button(key="sweep-stop").click().run()
    assert registry.counts() == {"stopped": 6}
    assert test.button(key="sweep-resume").label == "Run what is missing (6)"
    test.button(key="sweep-resume").click().run()
    assert registry.counts() == {"queued": 6}
    test.button(key="train-sheet-delete-yes").click().run()
    assert registry.counts() == {}
    assert not test.exception


def test_sweep_that_is_not_there_is_said():
    assert "a sweep of this store" in text_of(page(sweep="nothing"))


def test_queue_is_paused_and_a_run_put_first(swept, started):  # noqa: F811
    test = kit_page()
    last = swept["runs"][5]
    test.button(key=f"train-first-{last}").click().run()
    assert registry.require(last)["priority"] == 1
    test.button(key="train-pause").click().run()
    assert ordering.is_paused()
    assert "Paused (6)" in text_of(test)
    test.button(key="train-pause").click().run()
    assert not ordering.is_paused()
    assert not test.exception


def test_table_has_mean_and_sd_over_seeds_and_files(swept):
    for number, run_id in enumerate(swept["runs"]):
        RunFolder(run_id).require()
        results = {"linear": {"top1": number / 10}, "knn": None, "clusters": {}}
        registry.change(run_id, state="done", results=json.dumps(results))
    table = results_table(swept["id"])
    means = run_sweeps.results(table, every=False)
    assert means["top1"].tolist() == pytest.approx([0.1, 0.4])
    assert means["top1_sd"].tolist() == pytest.approx([0.1, 0.1])
    assert len(run_sweeps.results(table, "lr=0.01, seed=5")) == 1
    with pytest.raises(SpecError, match="column=value"):
        run_sweeps.results(table, "lr 0.01")
    assert run_sweeps.file_of(swept["id"], "csv").count(b"\n") == 7
    html = sweep.matrix_html(run_sweeps.status_of(swept["id"]))
    assert html.count('class="sweep-done"') == 7  # six runs and the key
    assert "lr 0.01" in html


def test_band_is_mean_and_sd_over_the_epochs_that_all_reached():
    runs = [
        pd.DataFrame({"epoch": [0.0, 1.0, 2.0], "loss": [2.0, 1.0, 0.0]}),
        pd.DataFrame({"epoch": [0.0, 1.0], "loss": [4.0, 3.0]}),
    ]
    epochs, mean, sd = mean_band(runs, "loss")
    assert (epochs[0], epochs[-1]) == (0.0, 1.0)
    assert (mean[0], mean[-1]) == (3.0, 2.0)
    assert sd[0] == pytest.approx(2**0.5)
    lines = pd.concat([run.assign(run=str(i), group="a", knn_top1=None) for i, run in enumerate(runs)])
    assert list(sweep_curves(lines)) == ["loss"]
    assert sweep_curves(pd.DataFrame()) == {}


def test_where_runs_go_is_kept_from_the_page_and_bad_settings_are_said(swept, started):  # noqa: F811
    from ssrl_core.runs.worker.engines.settings import load_settings, save_settings

    save_settings(load_settings({"slurm": {"prologue": ["module load cuda"]}}))  # on the server only
    test = kit_page()
    test.session_state["train-where"] = True
    test.run()
    test.selectbox(key="train-where-engine").set_value("slurm").run()
    test.text_input(key="train-where-partition").set_value("gpu; rm")
    test.button(key="train-where-save").click().run()
    assert "partition must be a name of SLURM" in text_of(test)
    assert load_settings().engine == "local"
    test.text_input(key="train-where-partition").set_value("gpu")
    test.number_input(key="train-where-nodes").set_value(3)
    test.number_input(key="train-where-gpus").set_value(2)
    test.button(key="train-where-save").click().run()
    assert not test.exception
    kept = load_settings()
    assert (kept.engine, kept.slurm.partition, kept.slurm.nodes, kept.slurm.gpus) == ("slurm", "gpu", 3, 2)
    assert kept.slurm.prologue == ("module load cuda",)


def test_table_of_values_that_are_lists_is_grouped_too():
    make_imageset()
    plain = spec(terms="cells-first-set").to_mapping()
    plain |= {"seeds": [5, 6], "vary": {"terms.0.composition": ["identity", "mnist-first-set"], "batch_size": [8, 16]}}
    asked = sweeps.submit(SweepSpec.from_mapping(plain), start=False)
    assert len(run_sweeps.results(results_table(asked["id"]), every=False)) == 4
    assert run_sweeps.file_of(asked["id"], "parquet")[:4] == b"PAR1"
    assert sweep.matrix_html(run_sweeps.status_of(asked["id"])).count("sweep-queued") == 8


def test_choices_are_drawn_by_mechanism_kept_and_plate_forgotten(swept):
    for number, run_id in enumerate(swept["runs"]):
        scores = {"nsc": {"value": number / 10}, "nscb": {"value": number / 20}, "plate": {"value": 0.9 - number / 10}}
        agree = {"map": {"activity": {"value": 0.5}, "consistency": {"value": None}}}
        entry = {"screen": {"corrected": scores | agree}}
        registry.change(run_id, state="done", results=json.dumps(entry))
    test = page(sweep=swept["id"])
    assert "Which choices keep mechanism and forget the plate?" in text_of(test)
    assert test.selectbox(key="sweep-screen-axis").options == [
        "mechanism kept (NSCB)",
        "mechanism kept (NSC)",
        "replicates agree (mAP)",
    ]
    drawn = _chart(test, f"sweep-screen-{swept['id']}")
    assert len(drawn["data"]) == 2  # a mark a choice
    means = sorted((round(trace["x"][0], 3), round(trace["y"][0], 3)) for trace in drawn["data"])
    assert means == [(0.5, 0.2), (0.8, 0.05)]
    test.selectbox(key="sweep-screen-axis").select("nsc").run()
    again = _chart(test, f"sweep-screen-{swept['id']}")
    assert sorted(round(trace["y"][0], 3) for trace in again["data"]) == [0.1, 0.4]


def _chart(test, key):
    """A figure of the page, as plain data."""
    return next(json.loads(one.proto.spec) for one in test.get("plotly_chart") if key in one.proto.id)
