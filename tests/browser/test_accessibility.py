"""axe-core on every page, light and dark, wide and narrow: nothing serious; and what the keyboard alone reaches.

axe-core (MPL-2.0) comes unmodified with the package axe-playwright-python; it is a tool of the tests and ships nowhere.
"""

import importlib.util
import json
from pathlib import Path

import pytest

from tests.browsing import served, settled, tab
from tests.kit import make_imageset, make_run, missing

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PAGES = ("", "Data", "Compose", "Train", "Clusters", "Classes", "Compare", "Screen", "Show", "Paper")
SERIOUS = ("serious", "critical")


def axe() -> str:
    """The script."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or not found.origin:
        missing("axe-core", "pip install axe-playwright-python")
    return (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def serious_findings(page) -> list[str]:
    """What axe-core finds now: rule, element."""
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{one['id']}: {json.dumps(node['target'])} {node['html'][:160]}"
        for one in found
        if one["impact"] in SERIOUS
        for node in one["nodes"][:3]
    ]


def opened(page, address: str, name: str) -> None:
    page.goto(f"{address}/{name}" + ("?dataset=kit" if name in ("Data", "Compose", "Train") else ""))
    page.locator("h1, .vl-empty").first.wait_for()
    page.wait_for_timeout(1500)
    if name != "Compose":  # it refines its forecast meanwhile
        settled(page)


def test_no_page_has_a_serious_finding_in_four_ways():
    make_imageset(n=300)
    for epochs in (2, 3):
        make_run(n=40, spec={"epochs": epochs})
    script, found = axe(), {}
    with served() as address, tab(timeout_s=120) as page:
        for name in PAGES:
            opened(page, address, name)
            page.evaluate(script)
            for theme in ("light", "dark"):
                page.emulate_media(color_scheme=theme)
                for width in (1400, 420):
                    page.set_viewport_size({"width": width, "height": 1000})
                    page.wait_for_timeout(600)
                    if told := serious_findings(page):
                        found[f"{name or 'Home'}, {theme}, {width} px"] = told
            page.emulate_media(color_scheme="light")
            page.set_viewport_size({"width": 1400, "height": 1000})
    assert found == {}


def test_the_keyboard_reaches_pages_and_the_primary_action():
    make_imageset(n=60)
    with served() as address, tab(timeout_s=120) as page:
        opened(page, address, "Train")
        assert page.locator("link[rel~=icon]").first.get_attribute("href")
        reached = set()
        for _ in range(60):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.innerText || ''").strip().split("\n")[-1])
        assert {"Clusters", "Compose", "Show"} <= reached
        assert reached & {"Train", "Solve"}
