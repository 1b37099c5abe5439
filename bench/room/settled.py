"""When a page of the app stands: the last change of its document before it was still, the script being done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

STILL_MS = 700
_WATCH_JS = """() => {
    window.__changed = performance.now();
    window.__watch?.disconnect();
    window.__watch = new MutationObserver(() => { window.__changed = performance.now(); });
    const place = document.querySelector('[data-testid="stMain"]');  // the side bar refreshes itself now and then
    window.__watch.observe(place, {childList: true, subtree: true, characterData: true});
    return window.__changed;
}"""
_STILL_JS = """still => {
    const app = document.querySelector('[data-testid="stApp"]');
    const running = !app || app.getAttribute('data-test-script-state') !== 'notRunning';
    const bare = [...document.querySelectorAll('.js-plotly-plot')].some(plot => !plot.querySelector('.main-svg'));
    return !running && !bare && performance.now() - window.__changed > still;
}"""


def seconds_of(page: Any, act: Callable[[], object]) -> float:
    """Seconds from an action until the page stands: charts drawn, script done, nothing changing any more.

    Args:
        page: a Playwright page of the app, open already.
        act: what the user does there.
    """
    started = page.evaluate(_WATCH_JS)
    act()
    page.wait_for_function(_STILL_JS, arg=STILL_MS, polling=50)
    return float(page.evaluate("window.__changed") - started) / 1000
