"""The Paper page in a real Chromium: choosing on a wide and on a narrow screen, the address, a press without data."""

import re

import pytest

from tests.browsing import served, settled, tab

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def address():
    with served() as found:
        yield found


def test_the_address_keeps_item_and_scale_and_a_press_without_data_says_how_to_obtain_it(address):
    with tab() as page:
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{address}/Paper?item=figure-1")
        page.get_by_role("button", name="Table 3 · Cells").click()
        page.get_by_role("heading", name="Table 3: Cells").wait_for()
        settled(page)
        page.get_by_role("button", name="Run it in full").click()
        page.get_by_text("Nothing was queued").wait_for()
        page.wait_for_url(re.compile(r"item=table-3&scale=full"))
        page.get_by_text("data subset bbbc021 --preset taxol").wait_for()
        page.reload()
        page.get_by_role("heading", name="Table 3: Cells").wait_for()
        page.get_by_text("BBBC021, cytochalasin B").wait_for()
        page.get_by_text("18 claims, not run yet").wait_for()
        assert not errors


def test_on_a_narrow_screen_the_list_unfolds_and_nothing_is_wider_than_the_screen(address):
    with tab(width=420, height=900) as page:
        page.goto(f"{address}/Paper?item=table-4")
        page.get_by_role("heading", name="Table 4: Cells").wait_for()
        settled(page)
        assert not page.get_by_role("button", name="Table 3 · Cells").is_visible()
        page.locator(".st-key-paper-narrow input").click()
        page.get_by_role("option", name=re.compile("^Figure 8")).click()
        page.get_by_role("heading", name="Figure 8: Cells").wait_for()
        assert "item=figure-8" in page.url
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 420
