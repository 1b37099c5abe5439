"""What it keeps in a real Chromium: bars come by themselves, follow an edit, and are marked for a search.

The search is a real job: it is stopped, outlives a reload, goes on, and what it finds becomes the draft or a run.
"""

from __future__ import annotations

import pytest

from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.made.strokes import draw_strokes
from tests.browsing import served, settled, tab
from tests.kit import make_imageset

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_bars_come_are_refined_and_follow_an_edit():
    make_imageset(120, c=1, side=24)
    with served() as address, tab(timeout_s=180) as page:
        page.goto(f"{address}/Compose?dataset=kit&composition=mnist-first-set&images=4&views=2")
        page.locator(".vl-kept-all:not(.old) .vl-kept .bar i").first.wait_for()
        page.get_by_text("120 images × 8 views").wait_for()
        page.locator(".st-key-vl-groups .tile").first.wait_for()
        before = page.locator(".vl-kept-all").inner_text()
        page.locator("[class*=st-key-vl-on-] label").nth(2).click()
        page.get_by_text("Edited, not saved").wait_for()
        page.wait_for_function(
            "before => { const bars = document.querySelector('.vl-kept-all:not(.old)');"
            " return bars && bars.innerText !== before; }",
            arg=before,
        )
        page.get_by_text("120 images × 8 views").wait_for()


def test_a_search_from_marks_is_stopped_outlives_a_reload_goes_on_and_its_front_is_taken():
    pixels, table = draw_strokes(80, seed=5)
    create("few", pixels, table, Metadata(label="digit"))
    with served() as address, tab(timeout_s=240) as page:
        page.goto(f"{address}/Compose?dataset=few&composition=mnist-first-set&images=4&views=2")
        mark = page.locator(".vl-mark[data-name=classes]").first
        mark.click()
        page.locator("[data-wish=keep][data-name=classes][title*='digit: keep']").first.wait_for()
        thick = page.locator(".vl-mark[data-name=thickness_px]").first
        thick.click()
        page.get_by_text("Keep classes, thickness (px).").wait_for()
        thick.click()
        page.get_by_text("Keep classes; ignore thickness (px).").wait_for()
        _try(page, 200)  # many, so that it does not end before it is stopped
        page.get_by_role("button", name="Search").click()
        page.locator("[class*=st-key-vl-found-]").first.wait_for()
        page.get_by_text("Stop", exact=True).click()
        page.get_by_role("button", name="Go on").wait_for()
        page.reload()
        page.get_by_text("Keep classes; ignore thickness (px).").wait_for()
        _try(page, 40)
        page.get_by_role("button", name="Go on").click()
        page.get_by_text("of 40 compositions tried").wait_for()
        page.get_by_role("button", name="Open as draft").first.click()
        page.get_by_text("Edited, not saved").wait_for()
        page.get_by_text("Found for your wishes").click()
        page.get_by_role("link", name="Train with it").first.click()
        page.get_by_role("heading", name="Train").wait_for()
        page.get_by_text("for-classes-not-thickness_px").first.wait_for()


def _try(page, candidates: int) -> None:
    """So many compositions shall be tried."""
    page.get_by_role("button", name="Wishes").click()
    count = page.get_by_role("spinbutton", name="Compositions that are tried")
    count.fill(str(candidates))
    count.press("Enter")
    settled(page)
    page.keyboard.press("Escape")
