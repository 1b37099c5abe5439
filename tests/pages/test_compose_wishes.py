"""Wishes on the Compose page: marks beside bars, a search as a job, what it found, and bad wishes in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.compose import forecasts, wishes, workbench
from pages.ui.compose.forecasts import forecast_worker
from pages.ui.kit import cache
from pages.ui.train.draft import DRAFT as RUN
from ssrl_core.compositions import perceptual
from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.made.strokes import draw_strokes
from ssrl_core.forecast import search
from ssrl_core.forecast.candidates import WISHED, folder_of
from ssrl_core.forecast.searching import Found
from ssrl_core.runs import jobs
from ssrl_core.specs.composition import Composition, load
from ssrl_core.specs.wishes import Wishes, dump_wishes, load_wishes
from tests.paging import opened, text_of

PAGE = "pages/2_Compose.py"
WISHED_FOR = {"classes": "keep", "thickness_px": "ignore"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Small forecasts and searches, none remembered, and no LPIPS."""
    monkeypatch.setattr(perceptual, "missing", lambda net="alex": "no weights here")
    monkeypatch.setattr(forecasts, "FEW", 60)
    monkeypatch.setattr(forecasts, "ALL", 60)
    for name, value in (("_QUICK", 80), ("_AGAIN", 80), ("_FINALISTS", 3), ("_VIEWS", 2), ("DEFAULT", "live")):
        monkeypatch.setattr(f"ssrl_core.forecast.searching.{name}", value)
    forecast_worker.clear()
    cache.SHARED.clear("forecast")
    cache.SHARED.clear("forecast-setting")


def images(count: int = 80, label: str | None = "digit"):
    made, table = draw_strokes(count, seed=5)
    return create("some", made, table if label else table[[]], Metadata(label=label))


def page(**address) -> AppTest:
    asked = {"dataset": "some", "composition": "mnist-first-set", "images": "4", "views": "2"}
    return opened(PAGE, asked | address)


def said(test: AppTest) -> str:
    return text_of(test) + " ".join(warning.value for warning in test.warning)


def test_marks_go_round_and_a_wish_for_several_at_once_becomes_one_for_each():
    one = wishes.marked(None, "area", "keep", "some")
    assert one == Wishes("some", {"area": "keep"})
    assert wishes.marked(one, "area", "", "some") is None
    grouped = Wishes("some", {"shape": "keep", "hue": "ignore"}, seed=7)
    changed = wishes.marked(grouped, "area", "ignore", "some")
    assert changed.wishes == {"elongation": "keep", "symmetry": "keep", "hue": "ignore", "area": "ignore"}
    assert changed.seed == 7
    assert wishes.marks_of(grouped)["elongation"] == "keep"
    assert wishes.marks_of(Wishes("some", {"stroke thickness": "keep"})) == {"stroke_thickness": "keep"}


def test_marks_are_in_the_address_and_come_back_with_it(monkeypatch):
    images()
    started = []
    monkeypatch.setattr(jobs, "start", lambda name, words: started.append((name, words)))
    test = page(keep="classes", ignore="thickness_px", seed="9")
    assert "Keep <b>classes</b>; ignore <b>thickness (px)</b>." in text_of(test)
    now = test.session_state["compose-wishes"]
    assert now == Wishes("some", WISHED_FOR, seed=9)
    test.button(key=f"job-search-{now.key}").click().run()
    assert started == [(f"search-{now.key}", ["search", str(folder_of(now) / WISHED)])]
    assert load_wishes(folder_of(now) / WISHED) == now
    assert "Nothing was searched for" in text_of(test)


def test_without_marks_there_is_nothing_to_search_for_and_the_page_says_what_to_do():
    images()
    test = page()
    assert "Mark beside the bars" in text_of(test)
    assert test.button(key="compose-search-none").disabled


@pytest.mark.parametrize(
    ("label", "address", "words"),
    [
        ("digit", {"keep": ["shape"], "ignore": ["area"]}, "without contradiction"),
        (None, {"keep": "classes"}, "of an image set with labels"),
        ("digit", {"keep": "nuclei"}, "names of what these images tell"),
        ("digit", {"keep": "area", "seed": "x"}, "seed must be"),
    ],
)
def test_wishes_that_cannot_be_are_answered_in_words_and_no_job_is_offered(label, address, words):
    images(label=label)
    test = page(**address)
    for _ in range(200):
        if not forecast_worker().busy:
            break
        test.run()
    test.run()
    assert words in said(test)
    assert not any((button.key or "").startswith("job-search-") for button in test.button)


def test_two_images_are_answered_in_words():
    create("some", np.zeros((2, 1, 16, 16), np.uint8), pd.DataFrame(index=range(2)), Metadata(label=None))
    test = page(keep="area")
    for _ in range(100):
        if any("40 or more" in warning.value for warning in test.warning):
            break
        test.run()
    test.run()
    assert any("40 or more" in warning.value for warning in test.warning)
    assert '<p class="vl-wishes-said">' not in text_of(test)


def test_what_was_found_is_shown_opens_as_a_draft_and_goes_to_train():
    imageset = images()
    wanted = Wishes("some", WISHED_FOR, candidates=4)
    answer = search(imageset, wanted)
    test = page(keep="classes", ignore="thickness_px")
    test.session_state["compose-middle"] = "found"
    test.session_state["compose-candidates"] = 10
    test.run()
    assert not test.exception
    text = text_of(test)
    assert "of 4 compositions tried" in text
    assert "Its price: loses" in text or "It loses nothing else" in text
    assert "best" not in text.replace("Keeps best", "")
    assert any(button.label == "Go on" for button in test.button)
    one = answer.front[0].composition
    test.button(key=f"found-open-{one.name}").click().run()
    assert test.session_state["compose-draft"].composition == one
    assert test.session_state["compose-middle"] == "views"
    assert test.session_state["compose-draft"].past


def test_the_train_page_takes_a_composition_that_was_not_saved_and_what_is_shown():
    from pages.ui.kit.choices import to_token

    images()
    one = load("cells-figure6-right").renamed("for-something-7")
    test = opened("pages/3_Train.py", {"dataset": "some", "draft": to_token(one), "input": "fixed_steps"})
    draft = test.session_state[RUN.name]
    assert Composition.from_mapping(draft["terms"][0]["composition"]) == one
    assert draft["evaluate"]["input"] == "fixed_steps"
    broken = opened("pages/3_Train.py", {"dataset": "some", "draft": "nonsense"})
    assert any("a composition that this page wrote" in warning.value for warning in broken.warning)


def test_a_file_of_wishes_goes_round():
    wanted = Wishes("some", WISHED_FOR, candidates=50, seed=3, input="whole")
    assert load_wishes_text(dump_wishes(wanted)) == wanted


def load_wishes_text(text: str) -> Wishes:
    from ssrl_core.specs.yaml_files import parse_yaml

    return Wishes.from_mapping(parse_yaml(text.encode(), "wishes.yaml"))


def test_what_is_kept_and_lost_stands_in_words():
    one = Found(
        load("identity"), "no steps", "identity", {"classes": 1.2, "area": 0.5}, {"hue": 0.4}, {"k": 2, "ami": 0.5}
    )
    text = workbench.kept_html(one, {"classes": "keep", "area": "ignore", "gone": "keep"})
    assert "120 %" in text
    assert 'width:100%"></i>' in text
    assert "Its price: loses hue 40 %. Groups agree with the classes by AMI 0.50." in text
    assert "gone" not in text
