"""The app in a real Chromium: a server on a free port, tabs of the system's browser. The browser tests use it too."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
QUIET = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-sync"


@contextmanager
def served(script: str = "pages/ui/kit/server.py", port: int | None = None) -> Iterator[str]:
    """The address of the app, served from the stores that the environment names.

    Args:
        script: what to serve, from the project's folder.
        port: where; left out, a free one.

    Raises:
        RuntimeError: it did not answer within a minute.
    """
    port = port or free_port()
    words = ["-m", "streamlit", "run", script, "--server.port", str(port), "--server.headless", "true"]
    server = subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/_stcore/health")
        yield address
    finally:
        server.kill()  # it waits for its browsers when it is asked politely
        server.wait(20)


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(url: str) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"{url} did not answer")


@contextmanager
def chromium() -> Iterator[Any]:
    """Playwright's handle of the system's Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=QUIET.split())
        yield browser
        browser.close()


@contextmanager
def tab() -> Iterator[Any]:
    """One wide tab that waits up to three minutes for what it is told to wait for."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(180_000)
        yield page


def seconds_to_open(page: Any, address: str, seen: Callable[[], object]) -> float:
    """Seconds from an empty tab until what is waited for is there."""
    page.goto("about:blank")
    started = time.perf_counter()
    page.goto(address)
    seen()
    return time.perf_counter() - started


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
