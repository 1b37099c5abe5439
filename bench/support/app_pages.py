"""Pages of the app in Chromium until they stand: ten thousand runs, a run that learns, a large sweep, the paper."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.support.browser import seconds_of, seconds_to_open, served, tab
from ssrl_core.runs.folder.run_folder import RunFolder

_LOOKS = 25
_LOOK_S = 0.1
_GAP_JS = """async () => {
    let last = performance.now(), worst = 0;
    const until = last + 1500;
    while (last < until) {
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        worst = Math.max(worst, now - last);
        last = now;
    }
    return worst;
}"""
_LAST_EPOCH_JS = """() => {
    const plots = [...document.querySelectorAll('.js-plotly-plot')];
    const ends = plots.flatMap(plot => (plot._fullData || []).map(line => line.x && line.x[line.x.length - 1]));
    return Math.max(-1, ...ends.filter(Number.isFinite));
}"""

Times = Iterator[tuple[str, str, float]]


def many_runs() -> Times:
    """Seconds until the pages show what they show, the app and its modules being warm; the store is the caller's.

    A page of one sentence says how much of it is Streamlit's own start in a browser.
    """
    with served("bench/support/one_sentence.py") as address, tab() as page:
        for _ in ("cold", "warm"):
            alone = seconds_to_open(page, address, lambda: page.get_by_text("One sentence.").wait_for())
        yield "a Streamlit page of one sentence", "s", alone
    with served() as address, tab() as page:
        table = page.locator('[data-testid="stDataFrame"]')
        for _ in ("cold", "warm"):
            opened = {
                "Home open": seconds_to_open(page, f"{address}/", lambda: page.get_by_text("All runs (").wait_for()),
                "Train open": seconds_to_open(
                    page, f"{address}/Train", lambda: page.get_by_text("All runs (").wait_for()
                ),
                "Classes open": seconds_to_open(page, f"{address}/Classes", lambda: _chosen(page)),
                "list open": seconds_to_open(page, f"{address}/Train?list=all", lambda: _drawn(page, table)),
            }
        for name, seconds in opened.items():
            yield name, "s", seconds
        box = page.get_by_placeholder("Search", exact=False)
        started = time.perf_counter()
        box.fill("seed:3")
        box.press("Enter")
        page.get_by_text("2,000 runs:").wait_for()
        yield "list searched", "s", time.perf_counter() - started
        table.last.hover()  # the one before may still be there
        page.mouse.wheel(0, 40_000)
        yield "worst frame of a scroll", "s", page.evaluate(_GAP_JS) / 1000
        yield "Classes, received", "kB", _received(page, f"{address}/Classes") / 1000


def live_curve(run_id: str) -> Times:
    """Seconds between a line in a run's metrics and its point in the curve, the run being under way."""
    written: dict[float, float] = {}
    over = threading.Event()
    reader = threading.Thread(target=_follow, args=(run_id, written, over), daemon=True)
    reader.start()
    try:
        with served() as address, tab() as page:
            page.goto(f"{address}/Train?run={run_id}")
            page.locator(".js-plotly-plot").first.wait_for()
            lags = list(_lags(page, written))
    finally:
        over.set()
        reader.join()
    yield "mean lag", "s", sum(lags) / len(lags)
    yield "longest lag", "s", max(lags)


def _lags(page: Any, written: dict[float, float]) -> Iterator[float]:
    """How old the first line is that the curve does not show yet: its lag, seen many times a second."""
    seen = 0
    while seen < _LOOKS / _LOOK_S * 0.8:
        shown = page.evaluate(_LAST_EPOCH_JS)
        now = time.monotonic()
        newer = [at for epoch, at in list(written.items()) if epoch > shown + 1e-9]
        yield max(0.0, now - min(newer)) if newer else 0.0
        seen += 1
        time.sleep(_LOOK_S)


def _follow(run_id: str, written: dict[float, float], over: threading.Event) -> None:
    """When each epoch was first there in the metrics file."""
    path = RunFolder.own(run_id).path / "metrics.jsonl"
    at = 0
    while not over.wait(0.02):
        at = _read_on(path, at, written)


def _read_on(path: Path, at: int, written: dict[float, float]) -> int:
    if not path.is_file():
        return at
    with path.open("rb") as file:
        file.seek(at)
        for line in file:
            if not line.endswith(b"\n"):
                break
            at += len(line)
            entry = json.loads(line)
            if entry["kind"] == "step":
                written.setdefault(float(entry["epoch"]), time.monotonic())
    return at


def _received(page: Any, address: str) -> int:
    """Bytes that the server sends until a page stands."""
    sent = [0]
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: sent.append(len(frame))))
    page.goto("about:blank")
    page.goto(address)
    _chosen(page)
    page.wait_for_timeout(1500)
    return sum(sent)


def _chosen(page: Any) -> None:
    """A run is chosen, and one more can be."""
    page.get_by_text("Beside").first.wait_for()
    page.get_by_text("Linear probe, top-1").first.wait_for()


def _drawn(page: Any, table: Any) -> None:
    table.wait_for()
    page.get_by_text("10,000 runs:").wait_for()


_ITEMS = ("Table 2", "Table 6", "Figure 1", "Figure 8", "Table 1")


def classes(sweep: str) -> Times:
    """Every view of a sweep: the first time, and again when its numbers are there."""
    from pages.ui.classes.sweep import VIEWS

    with served() as address, tab() as page:
        for _ in ("cold", "warm"):
            opened, chart = f"{address}/Classes?sweep={sweep}&view=methods", page.locator(".js-plotly-plot .main-svg")
            seconds = seconds_to_open(page, opened, chart.first.wait_for)
        yield "opened", "s", seconds
        page.wait_for_timeout(1500)
        for turn in ("first time", "again"):
            for name, (label, _) in VIEWS.items():
                if (name, turn) == ("methods", "first time"):
                    continue  # the page opened with it
                button = page.get_by_role("radio", name=label, exact=True)
                yield f"{label}, {turn}", "s", seconds_of(page, button.click)


def paper() -> Times:
    """The Paper page opened, and some of its items clicked."""
    with served() as address, tab() as page:
        for _ in ("cold", "warm"):
            seconds = seconds_to_open(
                page, f"{address}/Paper", page.get_by_text("The specs that make it").first.wait_for
            )
        yield "Paper opened", "s", seconds
        page.wait_for_timeout(1500)
        for turn in ("first time", "again"):
            for name in _ITEMS:
                button = page.get_by_role("button", name=f"{name} ·")
                yield f"{name}, {turn}", "s", seconds_of(page, button.click)
