"""The app in a real Chromium: a server of its own on a free port, and a tab."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.support.browser import QUIET, served
from tests.kit import chromium, missing

__all__ = ["served", "settled", "tab"]


@contextmanager
def tab(*, width: int = 1440, height: int = 1000, timeout_s: float = 60.0) -> Iterator[Any]:
    """A tab of the system's Chromium."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("Playwright", "pip install playwright")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(), args=QUIET.split())
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(1000 * timeout_s)
        try:
            yield page
        except BaseException:
            print(f"{page.url}\n{page.inner_text('body', timeout=5000)[:3000]}")  # pytest shows it beside the failure
            if folder := os.environ.get("SSRL_TEST_SCREENS"):  # what it looked like when a test failed
                page.screenshot(path=os.path.join(folder, "failed.png"))
            raise
        finally:
            browser.close()


def settled(page: Any) -> None:
    """Wait until the server has drawn the page: a click before that may be overtaken by what is still on its way."""
    page.wait_for_timeout(400)  # until it says that it works
    page.locator("[data-testid=stStatusWidget]").wait_for(state="detached")
