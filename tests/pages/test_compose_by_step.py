"""LPIPS on the Compose page: by step, by class, with its interval, its network and its size."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.compose import lpips
from pages.ui.compose.lpips import Answer, lpips_worker
from ssrl_core.compositions import perceptual
from ssrl_core.compositions.lpips import left_out, summary
from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import load
from tests.kit import ROOT, make_imageset

EACH = {"pad": 0.3, "invert": 0.2, "rotation": 0.1, "resized_crop": -0.05}


@pytest.fixture
def asked(monkeypatch) -> list[dict]:
    """LPIPS without a network: each step that is on adds its part; what was asked for is kept."""
    calls: list[dict] = []

    def measure(imageset, composition, image_ids, **settings):
        calls.append(settings | {"on": sum(step.enabled for step in composition.steps)})
        if any(step.transform == "invert" and not step.enabled for step in composition.steps):
            raise SpecError("without it these views cannot be compared")
        value = 0.2 + sum(EACH[step.transform] for step in composition.steps if step.enabled)
        return SimpleNamespace(values=np.full(len(image_ids), value), size_px=settings["smallest_px"])

    monkeypatch.setattr(perceptual, "measure", measure)
    monkeypatch.setattr(perceptual, "missing", lambda net="alex": None)
    lpips_worker.clear()
    return calls


def page(**state) -> AppTest:
    make_imageset(40, c=3)
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    test.run().switch_page("pages/2_Compose.py")
    for name, value in {"dataset": "kit", "composition": "mnist-first-set"}.items():
        test.query_params[name] = value
    return settled(test, **state)


def settled(test: AppTest, **state) -> AppTest:
    """The page once the thread has answered, with some widgets' state (AppTest forgets what segments were chosen)."""
    _run(test, state)
    deadline = time.monotonic() + 20
    while lpips_worker()._thread is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    return _run(test, state)


def _run(test: AppTest, state: dict) -> AppTest:
    for name, value in state.items():
        test.session_state[name] = value
    test.run()
    assert not test.exception
    return test


def text_of(test: AppTest) -> str:
    return " ".join(str(block.proto.body) for block in test.get("html"))


def test_each_step_says_how_much_lower_lpips_is_without_it(asked):
    test = page()
    assert "0.750" in text_of(test)
    assert "vl-row step" not in text_of(test)
    assert {call["on"] for call in asked} == {0, 4}  # identity and the draft: nothing is measured for a folded part
    settled(test, **{"compose-by-step": True})
    text = text_of(test)
    for sentence, drop in (("margin of 10 to 40 %", "0.300"), ("rotation up to 25°", "0.100")):
        assert sentence in text
        assert f"{drop} ({drop} to {drop})" in text
    assert "−0.050 (−0.050 to −0.050)" in text
    assert "vl-row step less" in text
    assert "without it these views cannot be compared" in text  # a step that cannot be left out says why
    assert "do not add up" in text


def test_network_and_size_are_what_lpips_is_asked_with(asked):
    test = page()
    assert {(call["net"], call["smallest_px"]) for call in asked} == {("alex", 64)}
    settled(test, **{"compose-lpips-net": "vgg", "compose-lpips-size": 128})
    assert (asked[-1]["net"], asked[-1]["smallest_px"]) == ("vgg", 128)
    assert "VGG16 · seen at 128 px (enlarged from 32 px)" in text_of(test)


def test_only_networks_whose_weights_are_here_are_offered(asked, monkeypatch):
    monkeypatch.setattr(perceptual, "missing", lambda net="alex": "lay it" if net == "alex" else None)
    test = page()
    assert "VGG16" in text_of(test)
    assert {call["net"] for call in asked} == {"vgg"}


def test_a_bar_holds_the_interval_of_its_mean_and_a_negative_one_too():
    found = summary(np.array([0.1, 0.2, 0.3, 0.2]))
    assert f'style="left:{100 * found.low:.1f}%' in lpips.bar(found.mean, 1.0, found)
    less = summary(-np.array([0.1, 0.2, 0.3, 0.2]))
    drawn = lpips.bar(less.mean, 1.0, less)
    assert f'<i style="width:{-100 * less.mean:.1f}%">' in drawn
    assert f'style="left:{-100 * less.high:.1f}%' in drawn
    assert 'width:0.0%"></i>' in lpips.bar(0.2, 0.0)


def test_a_drop_takes_the_images_that_are_measured_both_ways():
    own, without = Answer(4, [0.5, 0.5, 0.9, 0.9]), Answer(4, [0.4, 0.3])
    assert lpips.drop(own, without).mean == pytest.approx(0.15)
    assert lpips.drop(own, Answer(4)) is None
    left = left_out(load("mnist-first-set"))
    assert len(lpips.drops(left, own, [without, *[Answer(4)] * (len(left) - 1)])) == 1
