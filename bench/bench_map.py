"""How fast the map is in a real browser: until it is drawn, a lasso of two fifths of the points, bytes on the wire.

There is no peer: a Plotly scatter in the same kind of page loses its connection at a lasso of 250,000 points.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.support.browser import chromium, served
from bench.support.made_stores import synthetic_run
from bench.support.measuring import Item, Options, item

TITLE = "The map in Chromium: seconds until it is drawn, seconds of a lasso, bytes over the wire."
SIZES = (3_500, 100_000, 1_000_000)
METRICS = {
    "ready_cold_s": "s",
    "ready_warm_s": "s",
    "down_mb": "MB",
    "lasso_s": "s",
    "lasso_up_kb": "kB",
    "lasso_down_kb": "kB",
}


def one_size(n: int, address: str, shots: Path | None) -> dict[str, Any]:
    """One size: seconds until the map is drawn (cold and warm), megabytes down, seconds and kilobytes of a lasso."""
    run = synthetic_run(n)
    found: dict[str, Any] = {"n": n}
    with chromium() as browser:
        for visit in ("cold", "warm"):
            tab = browser.new_page(viewport={"width": 1440, "height": 1000})
            tab.set_default_timeout(180_000)
            wire = _Wire(tab)
            tab.goto(f"{address}/Train")
            tab.get_by_role("heading", name="Train").first.wait_for()
            wire.down = 0
            started = time.perf_counter()
            tab.goto(f"{address}/Clusters?run={run}")
            tab.locator(".map[data-ready]").wait_for()
            found[f"ready_{visit}_s"] = round(time.perf_counter() - started, 2)
            tab.wait_for_load_state("networkidle")
            tab.wait_for_timeout(2500 if n > 200_000 else 1200)
            found["down_mb"] = round(wire.down / 1e6, 2)
            if shots:
                tab.screenshot(path=str(shots / f"map-{n}.png"))
            if visit == "warm":
                found |= _lasso(tab, wire, n)
                if shots:
                    tab.screenshot(path=str(shots / f"map-{n}-lasso.png"))
            tab.close()
    return found


def _lasso(tab: Any, wire: _Wire, n: int) -> dict[str, Any]:
    import math

    box = tab.locator("canvas.over").bounding_box()
    x, y = box["x"] + box["width"] / 2 + 20, box["y"] + box["height"] / 2
    reach = 62 if n >= 1e6 else 90  # px: about two fifths of the points
    corners = [(x - 20 + reach * math.cos(a * math.pi / 40), y + reach * math.sin(a * math.pi / 40)) for a in range(80)]
    tab.mouse.move(*corners[0])
    tab.mouse.down()
    for corner in corners[1:]:
        tab.mouse.move(*corner)
    wire.up = wire.down = 0
    started = time.perf_counter()
    tab.mouse.up()
    tab.get_by_text("inside the outline").wait_for()
    tab.locator(".st-key-selection-grid .tile, .gallery .tile").first.wait_for()
    tab.locator(".vl-counts").first.wait_for()
    took = time.perf_counter() - started
    told = tab.locator("h3", has_text="images").first.inner_text()
    tab.wait_for_timeout(800)
    return {
        "lasso_s": round(took, 2),
        "lasso_up_kb": round(wire.up / 1e3, 2),
        "lasso_down_kb": round(wire.down / 1e3, 1),
        "told": told,
    }


class _Wire:
    """Bytes over the page's WebSocket."""

    def __init__(self, tab: Any) -> None:
        self.down = self.up = 0
        tab.on("websocket", self._listen)

    def _listen(self, socket: Any) -> None:
        socket.on("framereceived", self._received)
        socket.on("framesent", self._sent)

    def _received(self, payload: Any) -> None:
        self.down += len(payload)

    def _sent(self, payload: Any) -> None:
        self.up += len(payload)


def measure(options: Options) -> Iterator[Item]:
    """Every size that was asked for; pictures of the page go into the folder that `MAP_SHOTS` names.

    The store is a folder of its own (`MAP_STORE` keeps one), so that nobody's runs are touched.
    """
    shots = Path(os.environ["MAP_SHOTS"]) if os.environ.get("MAP_SHOTS") else None
    store = Path(os.environ.get("MAP_STORE") or tempfile.mkdtemp(prefix="viewloom-map-"))
    os.environ |= {"SSRL_DATA": str(store / "data"), "SSRL_MODELS": str(store / "models")}
    sizes = [n for n in SIZES if options.wanted(f"map-{n}")]
    for n in sizes:
        synthetic_run(n)
    with served() as address:
        for n in sizes:
            found = one_size(n, address, shots)
            for metric, unit in METRICS.items():
                yield item("map", f"map-{n}", metric, unit, found[metric], images=found["told"])


if __name__ == "__main__":
    from bench.support.measuring import main

    sys.exit(main("map"))
