"""The Classes page of a large sweep and the Paper page in Chromium: each view from its click until it stands."""

from __future__ import annotations

from collections.abc import Iterator

from bench.room.browser import seconds_to_open, served, tab
from bench.room.settled import seconds_of

Found = Iterator[tuple[str, str, float]]
_ITEMS = ("Table 2", "Table 6", "Figure 1", "Figure 8", "Table 1")


def classes(sweep: str) -> Found:
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


def paper() -> Found:
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
