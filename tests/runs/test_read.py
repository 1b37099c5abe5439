"""What can be read from a run beside raw pixels and the forecast made for its composition, and the verdict in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.figures.curves import shares_figure
from ssrl_core.forecast.reading import read_numbers
from ssrl_core.runs.evaluation.parts import missing_parts
from ssrl_core.runs.folder.results import Results
from ssrl_core.runs.folder.run_folder import RunFolder, imageset_of
from ssrl_core.runs.folder.verdict import shares, shares_table, verdict
from ssrl_core.runs.queue import registry, submitting
from ssrl_core.specs.run import RunSpec
from tests.kit import make_imageset
from tests.runs.test_phases import work

BOTH = {"read": True, "forecast": True}


def _spec(dataset="kit", steps=({"transform": "horizontal_flip", "p": 0.5},), **asked):
    evaluate = {"clusters": [3], "layouts": [], "linear": None, "knn": {"k": 5}, **asked}
    return RunSpec.from_mapping(
        {
            "dataset": dataset,
            "method": {"name": "spectral", "bank": "live", "views": 3, "dim": 6},
            "terms": [{"composition": {"version": 1, "name": "some", "steps": list(steps)}}],
            "device": "cpu",
            "evaluate": evaluate,
        }
    )


def _run(spec):
    run = RunFolder(submitting.submit(spec, start=False)["id"])
    return run, work(run)


def _bright(n=240, seed=0):
    """Squares on grey whose brightness is the label's and a column's; a constant column is of no use to anybody."""
    rng = np.random.default_rng(seed)
    labels, level = np.arange(n) % 3, rng.uniform(0, 1, n)
    images = np.full((n, 1, 16, 16), 0.2) + 0.5 * level[:, None, None, None]
    for i, label in enumerate(labels):
        images[i, 0, 2 + 4 * label : 6 + 4 * label, 4:12] = 0.95
    pixels = np.round(255 * np.clip(images + rng.normal(0, 0.02, images.shape), 0, 1)).astype(np.uint8)
    table = pd.DataFrame({"kind": [f"k{v}" for v in labels], "level": level, "same": 1.0})
    return create("bright", pixels, table, Metadata(label="kind"))


def test_what_was_hidden_from_the_network_cannot_be_read_and_the_verdict_says_so():
    _bright()
    strong = {"transform": "color_jitter", "p": 1.0, "brightness": 0.95, "contrast": 0.9}
    run, told = _run(_spec("bright", [strong], **BOTH))
    assert told.said[0].endswith("references, read, forecast, view")
    results = run.results()
    read = {row["name"]: row for row in results.entry("read")["rows"]}
    assert read["level"]["kind"] == "column"
    assert read["kind"]["kind"] == "classes"
    assert read["level"]["pixels"]["value"] > 0.95 > read["level"]["value"] + 0.05
    assert read["level"]["low"] <= read["level"]["value"] <= read["level"]["high"]
    assert "level" in verdict(results).partition("This network does worse than raw pixels at ")[2]
    before = {row["name"]: row for row in results.entry("forecast")["rows"]}
    assert before["level"]["value"] < before["level"]["plain"]
    assert results.entry("forecast")["input"] == "whole"
    assert results.columns()["read"] == pytest.approx(
        np.mean([row["value"] for row in read.values() if row["kind"] != "classes"])
    )
    assert missing_parts(run, run.spec(), imageset_of(run.spec())) == []


def test_several_numbers_are_read_as_each_alone():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 5)), rng.normal(size=(60, 5))
    w = rng.normal(size=(5, 3))
    here, there = x @ w + rng.normal(size=(80, 3)), y @ w + rng.normal(size=(60, 3))
    here[:7, 1] = np.nan
    there[3:9, 2] = np.nan
    numbers = {name: (here[:, i], there[:, i]) for i, name in enumerate("abc")} | {"flat": (np.ones(80), np.ones(60))}
    found = read_numbers(x, y, numbers, seed=3)
    assert found["flat"] is None
    for name in "abc":
        alone = read_numbers(x, y, {"": numbers[name]}, seed=3)[""]
        assert (found[name].value, found[name].low, found[name].high) == pytest.approx(
            (alone.value, alone.low, alone.high)
        )


def test_both_are_off_unless_asked_for_and_are_added_to_a_finished_run():
    make_imageset(90, side=20)
    run, _ = _run(_spec())
    assert run.results().entry("read") is None
    assert run.results().entry("forecast") is None
    registry.change(run.id, state="done")
    submitting.ask_more(run.id, BOTH)
    assert registry.require(run.id)["state"] == "queued"
    assert work(run).said[0] == "to do: read, forecast"
    assert {row["source"] for _, row in shares_table(run.results()).iterrows()} == {"own", "pixels", "forecast"}
    assert run.spec().evaluate.clusters == (3,)


def test_a_run_that_was_made_again_is_asked_itself():
    make_imageset(90, side=20)
    _run(_spec())
    again = RunFolder(submitting.submit(_spec(), again=True, start=False)["id"])
    work(again)
    registry.change(again.id, state="done")
    submitting.ask_more(again.id, {"read": True})
    assert work(again).said[0] == "to do: read"


@pytest.mark.parametrize("split", ["train", "val"])
def test_images_that_are_asked_about_were_not_fitted_on(split):
    make_imageset(120, side=16)
    run, _ = _run(_spec(split=split, read=True))
    entry = run.results().entry("read")
    from ssrl_core.runs.evaluation.images import EvaluationImages
    from ssrl_core.runs.evaluation.parts.read import halves

    fit, ask = halves(EvaluationImages(run.spec(), imageset_of(run.spec())))
    assert not set(fit) & set(ask)
    assert (entry["fitted"], entry["n"]) == (len(fit), len(ask))


def test_too_few_images_are_said():
    make_imageset(24, side=16)
    run, _ = _run(_spec(**BOTH))
    assert run.results().entry("read") is None
    assert "images" in run.results().missing["read"]
    assert "40 or more" in run.results().missing["forecast"]
    assert verdict(run.results())


def test_without_labels_descriptors_are_read_all_the_same():
    make_imageset(90, side=20, classes=0)
    run, _ = _run(_spec(read=True))
    assert {row["kind"] for row in run.results().entry("read")["rows"]} <= {"descriptor", "column"}
    assert verdict(run.results()).startswith("There are no labels to judge it by.")


def test_the_picture_has_all_three_on_one_axis():
    span = {"value": 0.5, "low": 0.4, "high": 0.6}
    row = {"name": "stroke_thickness", "kind": "descriptor", **span}
    results = Results({"read": {"rows": [{**row, "pixels": span}]}, "forecast": {"rows": [row]}})
    figure = shares_figure(shares_table(results))
    assert [trace.name for trace in figure.data] == ["Forecast", "Raw pixels", "This network"]
    assert len({trace.y[0] for trace in figure.data}) == 3
    assert figure.layout.yaxis.ticktext == ("stroke thickness",)
    assert not shares(results)[0].below_pixels


def test_what_pixels_tell_more_of_is_named_beyond_both_intervals():
    def told(own, pixels):
        rows = [{"name": "slant", "kind": "descriptor", **own, "pixels": pixels}]
        return verdict(
            Results({"n": 9, "knn": {"top1": 0.9}, "references": {"pixels": {"knn": 0.9}}, "read": {"rows": rows}})
        )

    low, high = {"value": 0.3, "low": 0.2, "high": 0.4}, {"value": 0.8, "low": 0.7, "high": 0.9}
    assert told(low, high).endswith("This network does worse than raw pixels at slant.")
    assert "slant" not in told(high, low)
    assert "slant" not in told(low, {"value": 0.45, "low": 0.25, "high": 0.6})
