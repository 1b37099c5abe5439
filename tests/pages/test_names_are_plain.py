"""Names that users give never become formatting, nor an image that a browser would fetch from elsewhere."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.runs.folder import annotations
from ssrl_core.runs.folder.run_folder import RunFolder
from tests.browsing import served, settled, tab
from tests.kit import make_run
from tests.paging import opened

NAME = "![i](http://e.x) *b* $x$ :red[c] <img src=//e.x onerror=hit=1><a href=//e.x>a"
SIGNS = ("![i](", " *b* ", "$x$", " :red[c]", " <img")  # of formatting that was not disarmed
READ = ("label", "body", "help", "text", "caption", "title", "content")  # what Streamlit reads as Markdown
PAGES = ("", "Data", "Compose", "Train", "Clusters", "Classes", "Compare", "Screen", "Show", "Paper")
MADE = """() => {
  const roots = [document], made = [];
  for (const root of roots) {
    for (const one of root.querySelectorAll('*')) if (one.shadowRoot) roots.push(one.shadowRoot);
    for (const one of root.querySelectorAll('[onerror], [src*="//e.x"], [href*="//e.x"], [*|href*="//e.x"]'))
      made.push(one.outerHTML.slice(0, 300));
  }
  return [...made, ...(typeof hit !== 'undefined' ? ['a script ran'] : [])];
}"""
NOT_READ = ("html", "plotly_chart", "arrow_data_frame", "bidi_component", "code", "text_area")


def read_as_markdown(test: AppTest) -> list[tuple[str, str]]:
    """(kind of element, text) of all bodies, labels, help and the buttons' options of a page."""
    nodes, found = [test._tree], []
    while nodes:
        node = nodes.pop()
        nodes += getattr(node, "children", {}).values()
        if getattr(node, "proto", None) is not None and node.type not in NOT_READ:
            found += [(node.type, text) for text in _texts(node.proto)]
    return found


def _texts(message: Any) -> Iterator[str]:
    """The texts of a message and of those inside of it."""
    for field, value in message.ListFields():
        for one in value if field.is_repeated else [value]:
            if hasattr(one, "ListFields"):
                yield from _texts(one)
            elif field.name in READ and isinstance(one, str):
                yield one


@pytest.fixture
def run() -> str:
    """A run, its images, their classes, channel, plates and compounds, a cluster and a tag, all of that name."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (300, 1, 16, 16)).astype(np.uint8)
    table = pd.DataFrame({"kind": [f"{NAME} {n % 3}" for n in range(300)], NAME: [NAME, "other"] * 150})
    wells = [f"{'BCDE'[n % 4]}{2 + n // 4 % 6:02d}" for n in range(300)]
    compounds = [NAME if n % 4 == 1 else f"{NAME} 2" if n % 4 == 2 else "DMSO" for n in range(300)]
    doses = [0.0 if name == "DMSO" else 1.0 for name in compounds]
    table = table.assign(plate=[f"{NAME} {n % 2}" for n in range(300)], well=wells, compound=compounds, dose=doses)
    create("kit", pixels, table, Metadata(title=NAME, label="kind", channels=(NAME,)))
    run = make_run(spec={"name": NAME, "notes": NAME, "tags": {"by": NAME}, "terms": "mnist-first-set"}).name
    make_run(spec={"name": NAME, "seed": 6})
    make_run(state="queued", spec={"name": NAME, "seed": 7})
    folder = RunFolder(run)
    annotations.mark(folder, 0, "clusters_kmeans_k3", 0, name=NAME, colour=None, note=NAME, excluded=False)
    annotations.tag(folder, 1, NAME, [int(n) for n in folder.embedding()[1][:4]])
    return run


@pytest.mark.parametrize(
    ("page", "address", "session"),
    [
        ("app.py", {}, {}),
        ("pages/1_Data.py", {"dataset": "kit"}, {}),
        ("pages/2_Compose.py", {"dataset": "kit"}, {}),
        ("pages/2_Compose.py", {"dataset": "kit", "composition": NAME}, {}),
        ("pages/3_Train.py", {"dataset": NAME}, {}),
        ("pages/3_Train.py", {"run": ""}, {}),
        ("pages/4_Clusters.py", {"run": "", "k": "3"}, {"search-run": True}),
        ("pages/5_Classes.py", {"run": ""}, {}),
        ("pages/5_Classes.py", {"run": NAME}, {}),
        ("pages/6_Compare.py", {"run": ""}, {}),
        ("pages/7_Paper.py", {"item": NAME}, {}),
        ("pages/8_Show.py", {"run": ""}, {}),
        ("pages/9_Screen.py", {"run": ""}, {}),
    ],
)
def test_no_page_reads_a_name_as_markdown(run, page, address, session):
    test = opened(page, {key: value or run for key, value in address.items()}, **session)
    texts = read_as_markdown(test)
    assert texts
    for sign in SIGNS:
        assert not [(kind, text) for kind, text in texts if sign in text]


@pytest.mark.browser
@pytest.mark.slow
def test_no_page_fetches_or_makes_what_a_name_says(run):
    asked: list[str] = []
    with served() as address, tab(timeout_s=120) as page:
        page.on("request", lambda request: asked.append(request.url))
        for name in PAGES:
            query = "dataset=kit" if name in ("Data", "Compose") else f"run={run}&k=3"
            page.goto(f"{address}/{name}?{query}")
            page.locator("h1, .vl-empty").first.wait_for()
            page.wait_for_timeout(1500)
            if name != "Compose":  # it refines its forecast meanwhile
                settled(page)
            assert (name, page.evaluate(MADE)) == (name, [])
    assert {urlsplit(url).hostname for url in asked if url.startswith("http")} == {urlsplit(address).hostname}
