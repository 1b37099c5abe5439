"""What it keeps: bars on the Compose page from a forecast made beside it, and what is said where there are none."""

from __future__ import annotations

import threading
import time

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.compose import bars, forecasts, keep
from pages.ui.compose.forecasts import Answer, Question, forecast_worker
from pages.ui.kit import cache
from ssrl_core.compositions import perceptual
from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.made.strokes import draw_strokes
from ssrl_core.forecast import Forecast, Kept
from ssrl_core.forecast.result import ClassKept, PairKept, StepCost
from ssrl_core.specs.composition import load
from tests.paging import opened, text_of

PAGE = "pages/2_Compose.py"
DRAWN = draw_strokes(120, seed=5)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Small forecasts, none remembered, and no LPIPS."""
    monkeypatch.setattr(perceptual, "missing", lambda net="alex": "no weights here")
    monkeypatch.setattr(forecasts, "FEW", 60)
    monkeypatch.setattr(forecasts, "ALL", 120)
    forecast_worker.clear()
    cache.SHARED.clear("forecast")
    cache.SHARED.clear("forecast-setting")


def page(pixels=None, *, label: str | None = "digit", composition: str = "mnist-second-set", **state) -> AppTest:
    made, table = DRAWN
    if pixels is not None:
        made, table = pixels, pd.DataFrame(index=range(len(pixels)))
    create("some", made, table if label else table[[]], Metadata(label=label))
    test = opened(PAGE, {"dataset": "some", "composition": composition, "images": "4", "views": "2"})
    return settled(test, **state)


def settled(test: AppTest, **state) -> AppTest:
    """The page once nothing is worked on any more, with some widgets' state (AppTest forgets which folds are open)."""
    _run(test, state)
    deadline = time.monotonic() + 60
    while forecast_worker().busy and time.monotonic() < deadline:
        time.sleep(0.02)
    return _run(test, state)


def _run(test: AppTest, state) -> AppTest:
    for name, value in state.items():
        test.session_state[name] = value
    test.run()
    assert not test.exception
    return test


def test_bars_stand_in_words_and_change_with_the_composition():
    test = page()
    text = text_of(test)
    for words in ("stroke thickness", "Shape and place", "slant (°)", "Solved, not trained", "k-means finds"):
        assert words in text
    assert "120 images × 8 views" in text
    before = [line for line in text.split('<div class="vl-kept') if "stroke thickness" in line]
    test.query_params["composition"] = "mnist-rotation-crop"
    after = [line for line in text_of(settled(test)).split('<div class="vl-kept') if "stroke thickness" in line]
    assert before != after


def test_without_labels_no_classes_are_spoken_of():
    text = text_of(page(label=None))
    assert "stroke thickness" in text
    assert ">Classes<" not in text
    assert "become harder" not in text
    assert "agree with the classes" not in text


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.random.default_rng(0).integers(0, 255, (20, 1, 16, 16), dtype=np.uint8), "images must be 40 or more"),
        (np.full((60, 1, 16, 16), 9, np.uint8), "different from one another"),
    ],
)
def test_what_cannot_be_forecast_is_said_in_the_column_and_the_page_stays(pixels, said):
    test = page(pixels, label=None)
    assert any(said in warning.value for warning in test.warning)
    assert "vl-sentence" in text_of(test)


def test_steps_are_left_out_only_when_asked():
    test = page()
    assert "<span>without it" not in text_of(test)
    test = settled(test, **{"compose-keep-steps": True})
    told = next(body for block in test.get("html") if "<span>without it" in (body := str(block.proto.body)))
    assert told.count("<span>without it") == len([s for s in load("mnist-second-set").steps if s.enabled])


def test_a_second_composition_stands_beside_the_bars():
    text = text_of(page(**{"compose-split": "mnist-rotation-crop"}))
    assert "<small>B " in text
    assert "Thin bar: composition B" in text


def test_steps_without_chance_may_belong_to_what_is_embedded():
    test = page()
    assert not any("embedded" in group.label for group in test.get("button_group"))
    test.query_params["composition"] = "cells-figure6-right"
    assert any("embedded" in group.label for group in settled(test).get("button_group"))


def test_a_newer_question_ends_the_work_on_an_older_one(monkeypatch):
    begun, may_go, ended = threading.Event(), threading.Event(), []

    class Slow:
        def forecast(self, composition, *, progress, **_):
            if len(composition.steps) == 4:
                begun.set()
                may_go.wait(20)
                try:
                    progress(0.5)
                except Exception as error:
                    ended.append(type(error).__name__)
                    raise
            return _found()

    monkeypatch.setattr(forecasts, "_setting", lambda asked, images: Slow())
    old, new = (Question(load(name), None, "some", "f") for name in ("mnist-first-set", "mnist-rotation-crop"))
    forecast_worker().ask("me", old, None)
    assert begun.wait(20)
    forecast_worker().ask("me", new, None)
    may_go.set()
    deadline = time.monotonic() + 20
    while not forecast_worker().ask("me", new, None).done() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ended == ["_Overtaken"]
    assert forecasts.answer_to(old).found is None
    assert forecasts.answer_to(new).refined


def _found(kept=(), classes=(), pairs=()) -> Forecast:
    nothing = np.zeros((0, 2))
    arrays = {"shares": nothing, "image_ids": np.arange(100), "embedding": nothing, "cluster_ids": nothing}
    return Forecast(
        *(
            "some",
            "any",
            None,
            "live",
            100,
            8,
            tuple(kept),
            tuple(classes),
            tuple(pairs),
            {"k": 2, "ami": None},
            (),
            (),
        ),
        missing={},
        seconds=1.0,
        **arrays,
    )


def test_a_bar_says_share_interval_outline_and_icc_and_what_is_hardly_told_is_no_bar():
    kept = [
        Kept("stroke_thickness", "descriptor", 0.4, 0.3, 0.5, 0.6, 0.8),
        Kept("x_px", "column", 0.01, 0.0, 0.1, None, 0.05),
    ]
    text = bars.bars_html(_found(kept), icc=True)
    assert "50 %" in text
    assert '<s style="width:80.0%">' in text
    assert '<u style="left:30.0%;width:20.0%">' in text
    assert '<b style="left:60.0%">' in text
    assert "Loses most: <b>stroke thickness</b>" in text
    assert "Hardly told even without steps: x (px)" in text
    assert "vl-kept twice" not in text


def test_more_than_all_is_said_and_columns_of_bookkeeping_are_hidden_unless_wanted():
    kept = [Kept(*row) for row in (("area", "descriptor", 0.9, 0.8, 1.0, 0.6, 0.6), ("field", "column", *[0.5] * 5))]
    text = bars.bars_html(_found(kept), hidden=["field"])
    assert "150 %" in text
    assert "More than 100 %: the views show more" in text
    assert ">field<" not in text
    assert ">field<" in bars.bars_html(_found(kept))
    assert "vl-mark" not in text
    marked = bars.bars_html(_found(kept), marks={"area": "ignore"})
    assert 'data-name="area" data-wish="ignore"' in marked
    assert 'data-name="field" data-wish=""' in marked


def test_classes_that_become_harder_are_ranked_and_chance_is_left_out():
    labels = np.repeat([0, 1, 2, 3], 25)
    classes = [ClassKept(*row) for row in (("a", 0.9, 0.92), ("b", 0.5, 0.9), ("c", 0.2, 0.9), ("d", 0.9, 0.5))]
    text = bars.harder_html(_found(classes=classes), labels)
    assert text.index(">c<") < text.index(">b<")
    assert "−70 points" in text
    assert ">a<" not in text
    assert ">d<" not in text
    assert bars.harder_html(_found(), labels) == ""
    assert "None by more than chance" in bars.harder_html(_found(classes=classes[:1]), labels)


def test_pairs_that_are_taken_for_one_another_more_often_are_ranked_and_chance_is_left_out():
    labels = np.repeat([0, 1, 2, 3], 25)
    classes = [ClassKept(name, 0.5, 0.9) for name in "abcd"]
    pairs = [PairKept("a", "b", 0.4, 0.1), PairKept("c", "d", 0.3, 0.1, 0.2), PairKept("a", "d", 0.04, 0.02)]
    text = bars.pairs_html(_found(classes=classes, pairs=pairs), labels)
    assert text.index("a and b") < text.index("c and d")
    assert "+30 points" in text
    assert "a and d" not in text
    assert bars.pairs_html(_found(), labels) == ""


def test_what_a_step_costs_is_told_in_points():
    kept = [Kept("slant", "descriptor", 0.4, 0.3, 0.5, None, 0.8), Kept("area", "descriptor", 0.4, 0.3, 0.5, None, 0.8)]
    text = bars.steps_html(_found(kept), [StepCost("view", 1, "flip <i>", {"slant": 0.61, "area": 0.41})])
    assert "Flip &lt;i&gt;" in text
    assert "slant <b>+21</b>" in text
    assert "area" not in text


def test_typical_images_are_those_nearest_to_the_middle_of_their_group():
    embedding = np.array([[0.0], [1.0], [5.0], [9.0], [2.0]])
    ids = np.array([0, 0, 1, 1, 0])
    assert keep.nearest(embedding, ids, 0, 2).tolist() == [1, 0]
    assert keep.flattened(embedding).shape == (5, 2)
    assert Answer().done() is False
