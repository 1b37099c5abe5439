"""The calibration finds planted rank correlations, chooses settings on other image sets, and runs as a command."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from bench import bench_forecast
from bench.calibration import __main__ as command
from bench.calibration import cases, measured, rows
from bench.calibration.statistics import Pair, agreement, better, left_out, spearman, two_by_two, within
from bench.support.measuring import Options
from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.made.strokes import draw_strokes
from ssrl_core.forecast import forecast
from ssrl_core.forecast.result import calibration, calibration_sentence

SETS = 5


def _planted(rho, n, chance, columns=1, changes=False):
    """Pairs of five image sets whose numbers correlate by `rho` (Pearson) within a set."""
    found = {}
    for name in range(SETS):
        a = chance.normal(size=(n, columns))
        b = rho * a + np.sqrt(1 - rho**2) * chance.normal(size=(n, columns))
        found[str(name)] = Pair(a, b, changes)
    return found


def _true(rho):
    """Spearman's of a bivariate normal."""
    return 6 / np.pi * np.arcsin(rho / 2)


def test_spearman_is_scipys_and_what_never_changes_orders_nothing():
    chance = np.random.default_rng(0)
    a, b = chance.integers(0, 5, 40).astype(float), chance.normal(size=40)
    assert spearman(np.stack([a, b]), np.stack([b, b])) == pytest.approx([spearmanr(a, b).statistic, 1.0])
    assert spearman(a[None], np.full((1, 40), 0.3)) == 0


def test_a_planted_correlation_is_found_again():
    chance = np.random.default_rng(1)
    found = np.mean([agreement(_planted(0.8, 40, chance), resamples=1).value for _ in range(40)])
    assert found == pytest.approx(_true(0.8), abs=0.02)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """95 % intervals of eight compositions on each of five sets, with few columns as classes have them."""
    chance = np.random.default_rng(2)
    inside = []
    for trial in range(80):
        found = agreement(_planted(0.85, 8, chance, columns=4), seed=trial, resamples=150)
        inside.append(found.low <= _true(0.85) <= found.high)
    assert 0.85 <= np.mean(inside) < 1


def test_changes_leave_out_what_is_the_same_for_every_composition():
    chance = np.random.default_rng(3)
    levels = 10 * chance.normal(size=(1, 6))
    noise = chance.normal(size=(2, 12, 6))
    pair = Pair(levels + noise[0], levels + noise[1])
    assert within(pair) > 0.9
    assert abs(within(replace(pair, changes=True))) < 0.4
    beside = replace(pair, trained=np.where(np.arange(6) == 2, np.nan, pair.trained))
    alone = Pair(np.delete(pair.trained, 2, axis=1), np.delete(pair.predicted, 2, axis=1))
    assert within(beside) == within(alone)


def test_a_better_predictor_is_better_with_an_interval():
    chance = np.random.default_rng(4)
    good = _planted(0.95, 12, chance)
    poor = {name: Pair(pair.trained, chance.normal(size=pair.trained.shape)) for name, pair in good.items()}
    found = better(good, poor)
    assert found.low > 0.3
    assert found.low < found.value < found.high
    right, clear = two_by_two(good["0"], 0.5)
    assert 0.8 * clear < right <= clear


def test_a_setting_is_chosen_on_the_others_and_tried_on_the_one_left_out():
    scores = {"a": {"x": 1.0, "y": 0.1, "z": 0.1}, "b": {"x": 0.0, "y": 0.5, "z": 0.5}}
    found = left_out(["x", "y", "z"], ["a", "b"], lambda setting, name: scores[setting][name])
    assert found == {"x": ("b", 0.0), "y": ("a", 0.1), "z": ("a", 0.1)}


def _few_strokes():
    pixels, table = draw_strokes(300, seed=5)
    table["split"] = ["train"] * 160 + ["test"] * 140
    return create("few-strokes", pixels, table, Metadata(label="digit"))


def test_the_command_trains_forecasts_and_writes_and_does_nothing_twice(tmp_path, monkeypatch, capsys):
    few = cases.Images(
        "few-strokes", "few strokes", _few_strokes, cases.IMAGES["strokes"].compositions[:3], 28, "simclr", 1, 100, 10
    )
    monkeypatch.setitem(cases.IMAGES, "few-strokes", few)
    monkeypatch.setattr(rows, "MUS", (0.1,))
    monkeypatch.setattr(rows, "BANKS", ("random",))
    monkeypatch.setattr(measured, "SETTINGS", [measured.USUAL])
    shipped = tmp_path / "calibration.json"
    monkeypatch.setattr(command, "SHIPPED", shipped)
    asked = ["--sets", "few-strokes", "--images", "120", "--out", str(tmp_path), "--ship"]
    command.main(asked)
    found = json.loads((tmp_path / "forecast.json").read_bytes())
    assert (found["networks"], len(found["cases"])) == (3, 3)
    assert -1 <= found["agreement"]["ami"]["forecast"]["pooled"]["value"] <= 1
    assert found["agreement"]["ami"]["no change"]["pooled"]["value"] == 0
    text = (tmp_path / "forecast.md").read_text()
    assert "mnist-second-set" in text
    assert "Changes of class accuracy" in text
    said = json.loads(shipped.read_bytes())
    assert set(said["agreement"]) == set(calibration()["agreement"])
    assert 0 <= said["in_order"]["right"] <= said["in_order"]["of"]

    case = found["cases"][0]
    same = forecast("few-strokes", cases.Case(few, 0, 5).composition, images=120)
    assert case["forecast"]["ami"] == pytest.approx(same.clusters["ami"], abs=1e-6)
    told = {row.name: row.value for row in same.kept if row.kind != "classes"}
    assert case["forecast"]["numbers"] == pytest.approx(told, abs=1e-4)

    capsys.readouterr()
    command.main(asked)
    assert "trained" not in capsys.readouterr().out


def test_the_bench_sets_the_solved_run_beside_minutes_of_training(monkeypatch):
    few = cases.Images("few-strokes", "few strokes", _few_strokes, (), 28, "simclr", 1, 100, 10)
    monkeypatch.setitem(cases.IMAGES, "few-strokes", few)
    monkeypatch.setattr(bench_forecast, "SETS", {"few": ("few-strokes", "mnist-first-set", "simclr")})
    monkeypatch.setattr(bench_forecast, "MINUTES", (0.005, 0.01))
    found = list(bench_forecast.measure(Options()))
    told = [(one.case, one.peer_name, one.metric) for one in found]
    assert ("few-references", "raw pixels", "AMI of the solved run") in told
    assert ("few-references", "the bank alone", "kNN of the solved run") in told
    spent = {one.case: one.peer for one in found if one.metric.startswith("seconds") and one.peer}
    assert 0.3 <= spent["few-trained-0.005-minutes"] < spent["few-trained-0.01-minutes"]
    assert all(0 <= one.ours <= 1 for one in found if "kNN" in one.metric)
    assert not list(bench_forecast.measure(Options(only=("nothing",))))


def test_the_package_says_in_one_sentence_how_well_it_ordered_networks():
    found = calibration()
    assert found["networks"] >= 30
    for one in found["agreement"].values():
        assert one["low"] <= one["value"] <= one["high"]
        assert f"{one['value']:.2f}" in calibration_sentence()
    assert f"{found['in_order']['right']} of {found['in_order']['of']} pairs" in calibration_sentence()
