"""What it keeps in a real Chromium: bars come by themselves, are refined by themselves, and follow an edit."""

from __future__ import annotations

import pytest

from tests.browsing import served, tab
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
