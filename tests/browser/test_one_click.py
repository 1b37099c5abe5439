"""A click counts once, also where a part of the page that draws itself again sends a message at that moment."""

from __future__ import annotations

import re

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg

from tests.browsing import served, settled, tab
from tests.kit import make_imageset

BUSY = "const end = Date.now() + 3500; while (Date.now() < end) {}"  # the sidebar's timer goes off every three seconds


def message(*, auto: bool) -> BackMsg:
    said = BackMsg()
    said.rerun_script.is_auto_rerun = auto
    said.rerun_script.fragment_id = "part"
    for name, value in (("click", True), ("toggle", None), ("picked", '[{"index": 3}]')):
        state = said.rerun_script.widget_states.widgets.add(id=name)
        if name == "click":
            state.trigger_value = value
        elif name == "toggle":
            state.bool_value = True
        else:
            state.json_trigger_value = value
    return said


def test_what_a_timer_sends_holds_values_and_no_click(server):
    clicked = message(auto=False).SerializeToString()
    assert server.looked_at(clicked) == clicked
    timed = BackMsg()
    timed.ParseFromString(server.looked_at(message(auto=True).SerializeToString()))
    assert [state.id for state in timed.rerun_script.widget_states.widgets] == ["toggle"]
    assert timed.rerun_script.fragment_id == "part"
    assert timed.rerun_script.is_auto_rerun
    assert server.looked_at(b"\xff\xff") == b"\xff\xff"
    stop = BackMsg(stop_script=True).SerializeToString()
    assert server.looked_at(stop) == stop


@pytest.fixture
def page():
    make_imageset(60)
    with served() as address, tab(timeout_s=120) as found:
        found.goto(f"{address}/Compose?dataset=kit&composition=mnist-first-set&images=4")
        found.locator(".cell canvas").first.wait_for()
        settled(found)
        found.wait_for_timeout(1500)
        yield found


def step_of(page):
    return page.get_by_role("button", name=re.compile("Inversion"))


def is_open(page, *, wanted: bool) -> None:
    page.wait_for_timeout(1000)
    settled(page)
    page.locator('[class*="st-key-vl-remove-"]').wait_for(state="attached" if wanted else "detached", timeout=10_000)


@pytest.mark.browser
@pytest.mark.slow
def test_a_click_just_before_a_timer_opens_a_card_and_the_next_closes_it(page):
    for wanted in (True, False):
        step_of(page).evaluate(f"(button) => {{ {BUSY}; button.click() }}")
        is_open(page, wanted=wanted)


@pytest.mark.browser
@pytest.mark.slow
def test_a_click_that_a_timer_sends_too_counts_once(page):
    for wanted in (True, False):
        step_of(page).hover()
        page.mouse.down()
        page.evaluate(f"setTimeout(() => {{ {BUSY} }}, 0)")  # the timer is due when the button is let go
        page.mouse.up()
        is_open(page, wanted=wanted)
