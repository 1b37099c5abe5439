"""Charts say the right numbers; how they look is seen in the browser."""

import json

import numpy as np
import pandas as pd
import pytest

from ssrl_core.analysis.comparison import class_accuracy, compare_classes
from ssrl_core.figures.classes import class_bars, class_differences, class_pairs, confusion_matrix
from ssrl_core.figures.curves import score_over_k, training_curves
from ssrl_core.figures.lpips import lpips_by_class, lpips_by_step, lpips_histogram, summary
from ssrl_core.figures.style import percent, style, three_digits


def metrics(steps=20, terms=1):
    rows = [
        {"kind": "step", "step": s, "epoch": s / 5, "loss": 3 / (s + 1), "terms": [1.0] * terms, "z_std": 0.8}
        for s in range(steps)
    ]
    rows += [{"kind": "eval", "step": 10, "epoch": 2.0, "split": "val", "knn_top1": 0.6}]
    rows += [{"kind": "event", "step": 12, "name": "resume", "message": "from step 12"}]
    return pd.DataFrame(rows)


def test_training_curves_show_what_there_is():
    figures = training_curves(metrics())
    assert list(figures) == ["loss", "knn", "spread"]
    assert figures["loss"].layout.title.text == "Loss 0.150"
    assert "60 %" in figures["knn"].layout.title.text
    assert figures["loss"].layout.annotations[-1].text == "resume"
    assert len({figure.layout.height for figure in figures.values()}) == 1
    assert list(training_curves(metrics()[lambda m: m["kind"] == "step"].drop(columns="z_std"))) == ["loss"]


def test_a_run_that_has_not_begun_has_no_curves():
    assert training_curves(pd.DataFrame()) == {}
    assert training_curves(metrics(0)) == {}


def test_long_trainings_are_thinned_and_several_terms_are_named():
    figures = training_curves(metrics(5000, terms=2))
    assert max(len(trace.x) for trace in figures["loss"].data) <= 800
    assert figures["loss"].data[-1].x[-1] == pytest.approx(4999 / 5)
    assert [a.text for a in figures["loss"].layout.annotations[:3]] == ["term 1", "term 2", "loss"]


def test_a_loss_that_became_nan_is_no_error():
    table = metrics()
    table.loc[table["step"] > 5, "loss"] = np.nan
    assert training_curves(table)["loss"].layout.title.text == "Loss 0.500"


@pytest.fixture
def two_results():
    truth = np.repeat([0, 1, 2], 100)
    first = class_accuracy(truth, np.where(np.arange(300) % 10 < 3, 0, truth), ["a", "b", "c"])
    second = class_accuracy(truth, np.where(np.arange(300) % 10 < 6, 1, truth), ["a", "b", "c"])
    return first, second


def test_class_bars_carry_their_intervals(two_results):
    first, _ = two_results
    bar = class_bars(first["classes"], mean=first["top1"]).data[0]
    assert list(bar.y) == ["a", "b", "c"]
    row = first["classes"]["b"]
    assert bar.x[1] == row["accuracy"]
    assert bar.x[1] + bar.error_x.array[1] == pytest.approx(row["high"])
    assert bar.x[1] - bar.error_x.arrayminus[1] == pytest.approx(row["low"])


def test_raw_pixels_stand_beside_the_bars_of_the_classes_that_are_drawn(two_results):
    first, second = two_results
    figure = class_bars(first["classes"], pixels={**second["classes"], "gone": {"accuracy": 0.5}})
    stroke = next(trace for trace in figure.data if trace.type == "scatter" and trace.marker.symbol == "line-ns-open")
    assert dict(zip(stroke.y, stroke.x, strict=True)) == {n: r["accuracy"] for n, r in second["classes"].items()}


def test_classes_without_images_are_left_out_of_the_bars():
    table = class_accuracy([0], [0], ["a", "empty"])
    assert list(class_bars(table["classes"]).data[0].y) == ["a"]


def test_differences_are_sorted_and_grey_where_unclear(two_results):
    rows = compare_classes(two_results[0]["classes"], two_results[1]["classes"])
    figure = class_differences(rows)
    assert list(figure.data[0].x) == sorted(figure.data[0].x, reverse=True)
    colours = dict(zip(figure.data[0].y, figure.data[0].marker.color, strict=True))
    assert len(set(colours.values())) == 2
    pairs = class_pairs(rows, "one", "two")
    assert [trace.name for trace in pairs.data if trace.mode == "markers"] == ["one", "two"]


def test_confusion_rows_sum_to_one(two_results):
    figure = confusion_matrix(two_results[0]["confusion"], ["a", "b", "c"])
    np.testing.assert_allclose(np.sum(figure.data[0].z, axis=1), 1)
    assert confusion_matrix(np.zeros((2, 2), dtype=int), ["a", "b"]).data[0].z.sum() == 0


def test_score_over_k_names_the_largest_and_leaves_out_what_is_undefined():
    figure = score_over_k({2: {"ami": None, "silhouette": 0.4}, 5: {"ami": None, "silhouette": 0.6}}, chosen=5)
    assert figure.layout.title.text == "silhouette is largest at k = 5 (0.600)"
    assert len(figure.data) == 1


def test_lpips_histogram_shows_shares_of_each_composition():
    values = {"mine": np.linspace(0.1, 0.5, 64), "identity": np.zeros(64), "empty": [np.nan]}
    figure = lpips_histogram(values)
    assert len(figure.data) == 2
    assert figure.layout.title.text == "LPIPS 0.300 ± 0.118, n = 64"
    for trace in figure.data:
        assert np.sum(trace.y[1:-1:2]) == pytest.approx(1)
    assert lpips_histogram({}).layout.title.text == "No LPIPS yet"
    assert summary([0.25]) == "LPIPS 0.250, n = 1"


def test_lpips_by_class_puts_the_largest_on_top():
    figure = lpips_by_class([0.1, 0.2, 0.8, 0.9], ["low", "low", "high", "high"])
    assert list(figure.layout.yaxis.ticktext) == ["low", "high"]


def test_lpips_by_step_keeps_the_recipes_order_and_names_what_adds_most():
    rows = [
        ("flip, always", 0.0, -0.01, 0.01),
        ("crop, always", 0.2, 0.15, 0.25),
        ("blur, in 50 %", -0.1, -0.12, -0.08),
    ]
    figure = lpips_by_step(rows)
    assert [text.partition(",")[0] for text in figure.layout.yaxis.ticktext] == ["blur", "crop", "flip"]
    assert figure.layout.title.text == "Adds most: crop"
    middle = figure.data[1]
    assert (middle.x[0] - middle.error_x.arrayminus[0], middle.x[0] + middle.error_x.array[0]) == pytest.approx(
        (0.15, 0.25)
    )
    assert lpips_by_step(rows[:1]).layout.title.text == "No step adds to LPIPS by itself"


def test_numbers_are_written_with_three_digits():
    assert [three_digits(v) for v in (0.12345, 1.2345, 12.345, 123.45, -0.5, 0, None)] == [
        "0.123", "1.23", "12.3", "123", "−0.500", "0.000", "–",
    ]  # fmt: skip
    assert [percent(v) for v in (0.931, 0.05, 0.0512, 0.998, 1.0, 0, None)] == [
        "93 %", "5 %", "5.1 %", "99.8 %", "100 %", "0 %", "–",
    ]  # fmt: skip


def test_figures_for_files_fix_their_colours_and_are_plain_json():
    figure = style(lpips_histogram({"a": [0.1, 0.2]}), title="t", theme="dark")
    assert figure.layout.font.color == "#e8ebef"
    assert json.loads(figure.to_json())["layout"]["title"]["text"] == "t"
