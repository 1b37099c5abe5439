"""How fast the Compose page answers an edit in a real browser, while a network is trained beside it.

An edit switches one step off: seconds until the views are new, until the first bars of *What it keeps* are (256 images
of 8 views), until they are refined (1,000 images), and the processor seconds that the app took for the first bars,
which other processes on the machine disturb less. There is no peer.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from bench.support.browser import served, tab
from bench.support.made_stores import own_stores
from bench.support.measuring import Item, Options, item

TITLE = "Compose in Chromium beside a training: seconds after an edit until views, first and refined bars are there."
SIDES = {32: 1, 196: 3}  # px -> channels
COMPOSITION = "mnist-second-set"
_IMAGES = 1200
_STEPS = (0, 1, 3)  # switched off one after another
_VIEWS_JS = "before => document.querySelector('.stBidiComponent') && window.__stamps() !== before"
_STAMPS_JS = """() => {
  const found = [];
  const look = root => root.querySelectorAll('*').forEach(node => {
    if (node.classList.contains('grid') && node.dataset.ready) found.push(node.dataset.ready + node.dataset.painted);
    if (node.shadowRoot) look(node.shadowRoot);
  });
  window.__stamps = () => { found.length = 0; look(document); return found[0] || ''; };
}"""
_BARS_JS = """before => {
  const bars = document.querySelector('.vl-kept-all:not(.old)');
  return bars && bars.innerText !== before;
}"""


def measure(options: Options) -> Iterator[Item]:
    """Both sizes, in stores of their own."""
    sides = [side for side in SIDES if options.wanted(f"compose-{side}")]
    if not sides:
        return
    with own_stores():
        for side in sides:
            _make(side, SIDES[side])
        with served() as address, _training(sides[0]), tab() as page:
            for side in sides:
                for metric, value in _edits(page, address, side).items():
                    images = f"{_IMAGES} of {side} px, {SIDES[side]} channels"
                    yield item("compose", f"compose-{side}", metric, "s", value, images=images, threads=2)


def _edits(page: Any, address: str, side: int) -> dict[str, float]:
    """Medians over some edits."""
    page.goto(f"{address}/Compose?dataset=edits-{side}&composition={COMPOSITION}&images=8&views=4")
    _refined(page)
    found: dict[str, list[float]] = {}
    for step in _STEPS:
        page.evaluate(_STAMPS_JS)
        stamps = page.evaluate("window.__stamps()")
        bars = page.locator(".vl-kept-all").inner_text()
        began, spent = time.perf_counter(), _app_seconds()
        page.locator("[class*=st-key-vl-on-] label").nth(step).click()
        page.wait_for_function(_VIEWS_JS, arg=stamps, polling=10)
        found.setdefault("views_s", []).append(time.perf_counter() - began)
        page.wait_for_function(_BARS_JS, arg=bars, polling=20)
        found.setdefault("first_bars_s", []).append(time.perf_counter() - began)
        found.setdefault("first_bars_processor_s", []).append(_app_seconds() - spent)
        _refined(page)
        found.setdefault("refined_s", []).append(time.perf_counter() - began)
    return {metric: round(statistics.median(values), 3) for metric, values in found.items()}


def _refined(page: Any) -> None:
    page.get_by_text("solved on one half").wait_for()


def _app_seconds() -> float:
    """Processor seconds of the app that this process serves, until now."""
    import psutil

    served_here = [p for p in psutil.Process().children() if "streamlit" in " ".join(p.cmdline())]
    return sum(sum(p.cpu_times()[:2]) for p in served_here)


def _make(side: int, channels: int) -> None:
    """Strokes at a side, channels that differ in brightness."""
    from ssrl_core.datasets.creation import Metadata, create
    from ssrl_core.datasets.made.strokes import draw_strokes

    pixels, table = draw_strokes(_IMAGES, seed=5)
    times, rest = divmod(side, pixels.shape[-1])
    large = np.kron(pixels, np.ones((1, 1, times, times), np.uint8))
    large = np.pad(large, ((0, 0), (0, 0), (rest // 2, rest - rest // 2), (rest // 2, rest - rest // 2)))
    bright = np.linspace(1.0, 0.4, channels)[None, :, None, None]
    create(f"edits-{side}", (large * bright).astype(np.uint8), table, Metadata(label="digit"))


@contextmanager
def _training(side: int) -> Iterator[None]:
    """A network that is trained meanwhile, by the worker, as a user would have it."""
    from ssrl_core.runs.queue import processes, stopping, submitting
    from ssrl_core.specs.run import RunSpec

    backbone, method = "tiny_cnn", "simclr"
    spec = {"dataset": f"edits-{side}", "backbone": backbone, "method": method, "epochs": 10_000}
    run = submitting.submit(RunSpec.from_mapping(spec | {"terms": [{"composition": COMPOSITION}]}))["id"]
    try:
        yield
    finally:
        stopping.stop(run)
        processes.ask_to_end()


if __name__ == "__main__":
    from bench.support.measuring import main

    sys.exit(main("compose"))
