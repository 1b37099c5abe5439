"""The app in a real Chromium: a server of its own on a free port, and a tab."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.kit import ROOT, chromium, missing

QUIET = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-sync"


@contextmanager
def served() -> Iterator[str]:
    """The address of the app, served from the stores of this test."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["streamlit", "run", "app.py", "--server.port", str(port), "--server.headless", "true"]
    server = subprocess.Popen(
        [sys.executable, "-m", *words], cwd=ROOT, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()  # it waits for its browsers when it is asked politely
        server.wait(20)


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
            if folder := os.environ.get("SSRL_TEST_SCREENS"):  # what it looked like when a test failed
                page.screenshot(path=os.path.join(folder, "failed.png"))
            raise
        finally:
            browser.close()


def settled(page: Any) -> None:
    """Wait until the server has drawn the page: a click before that may be overtaken by what is still on its way."""
    page.wait_for_timeout(400)  # until it says that it works
    page.locator("[data-testid=stStatusWidget]").wait_for(state="detached")


def _wait_for(url: str) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"{url} did not answer")
