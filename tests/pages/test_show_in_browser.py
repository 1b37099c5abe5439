"""The Show page in a real Chromium, as one who studies cells uses it: stains, doses, wells, files, a phone, paper."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ssrl_core.datasets import store
from tests.browsing import served, settled, tab
from tests.screen_kit import make_screen_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SHEET = "getComputedStyle(document.querySelector('.vl-wall')).getPropertyValue('--sheet')"


@pytest.fixture(scope="module")
def show(tmp_path_factory):
    """The address of the page with a run of a small screen, which all tests here only look at."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SSRL_DATA", "SSRL_MODELS"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        folder = make_screen_run()
        table = store.load("kit").table.query("split == 'test'")  # what a run looks at
        with served() as address:
            yield f"{address}/Show?run={folder.name}", table


def opened(page, address):
    """The page, once its last part stands; what went wrong in the browser."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    page.get_by_text("How this was made (methods)").wait_for()
    page.locator(".st-key-show-plate .plot-container").wait_for()
    return errors


def test_a_click_on_a_well_shows_its_cells_and_the_address_keeps_it(show):
    address, cells = show
    with tab() as page:
        errors = opened(page, f"{address}&plate=plate-2")
        assert page.get_by_text("Click a well to see its cells.").is_visible()
        point = page.locator(".st-key-show-plate .scatterlayer .point")
        table = cells.query("plate == 'plate-2'")
        wells = sorted(table["well"].unique())
        assert point.count() == len(wells)
        place = middle(point.nth(wells.index("B04")))
        page.mouse.move(*place)
        page.locator(".st-key-show-plate .hoverlayer .hovertext").first.wait_for()
        page.mouse.click(*place)
        name = page.locator(".vl-name", has_text="B04")
        name.wait_for()
        assert f"active, 0.03 µM, {(table['well'] == 'B04').sum()} cells" in name.inner_text()
        tips = page.locator(".vl-wall").first.locator("i").evaluate_all("every => every.map(i => i.title)")
        assert tips
        assert all("plate-2 B04" in tip for tip in tips)
        assert "well=B04" in page.url
        assert errors == []


def test_stains_colours_and_contrast_change_every_picture_alike(show):
    address, _ = show
    with tab() as page:
        opened(page, address)
        before, green = page.evaluate(SHEET), sheet(page)[..., 1].mean()
        words = page.get_by_text("Brightness is the same in all pictures").inner_text()
        assert all(name in words for name in ("DNA", "actin", "tubulin"))
        page.get_by_role("button", name="Change what is shown").click()
        page.locator(".st-key-show-stains input").press("Backspace")  # takes the last one away
        page.wait_for_function(f"old => {SHEET} !== old", arg=before)
        settled(page)
        assert "tubulin" not in page.get_by_text("Brightness is the same in all pictures").inner_text()
        assert sheet(page)[..., 1].mean() < 0.9 * green, "tubulin is green"
        assert "stains=DNA&stains=actin" in page.url
        before = page.evaluate(SHEET)
        page.goto(f"{page.url}&full=75")
        page.wait_for_function(f"old => document.querySelector('.vl-wall') && {SHEET} !== old", arg=before)
        assert "percentiles 0.5 and 75" in page.get_by_text("Brightness is the same in all pictures").inner_text()
        assert "actin" in page.get_by_text("Brightness is the same in all pictures").inner_text()


def test_one_compound_alone_and_two_beside_each_other(show):
    address, cells = show
    with tab() as page:
        opened(page, f"{address}&compounds=idle")
        lead = page.locator(".vl-lead").inner_text()
        expected = int(cells["compound"].isin(["idle", "DMSO"]).sum())
        assert lead.startswith(f"{expected} cells")
        assert page.locator("[class*=st-key-show-dose]").count() >= 1
        assert page.get_by_text("active", exact=False).count() == 0
        page.goto(f"{address}&first=active&second=untreated")
        table = page.locator(".vl-two")
        table.wait_for()
        rows = table.locator("tr").all_inner_texts()
        assert rows[0].split("\t")[1:3] == ["active", "untreated"]
        change = [int(re.search(r"([+−]\d+) points", row).group(1).replace("−", "-")) for row in rows[1:]]
        assert sorted(change)[0] < -15
        assert sorted(change)[1] > 15


def test_figures_galleries_and_the_table_can_be_downloaded(show):
    address, cells = show
    with tab() as page:
        opened(page, address)
        begun = {"SVG": b"<?xml", "PDF": b"%PDF-", "PNG": b"\x89PNG"}
        for kind, head in begun.items():
            assert download(page, page.get_by_role("button", name=kind, exact=True).first)[:5].startswith(head)
        picture = Image.open(io.BytesIO(download(page, page.get_by_role("button", name="Group 1 (PNG)"))))
        assert min(picture.size) > 100
        table = pd.read_csv(io.BytesIO(download(page, page.get_by_role("button", name="Table of all cells"))))
        assert len(table) == len(cells)
        assert set(table["group"]) == {"Group 1", "Group 2"}


@pytest.mark.parametrize(("width", "height"), [(420, 900), (1920, 1080)])
def test_nothing_hangs_over_the_edge_of_a_phone_or_a_projector(show, width, height):
    address, _ = show
    with tab(width=width, height=height) as page:
        errors = opened(page, f"{address}&well=B04")
        settled(page)
        wider = page.evaluate(
            """() => [...document.querySelectorAll('[data-testid=stMain] *')]
              .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
              .map(e => e.className?.baseVal ?? e.className ?? e.tagName)"""
        )
        assert wider == []
        assert page.locator(".vl-wall").last.bounding_box()["width"] > 0.8 * min(width, 900) - 60
        assert errors == []


def test_on_paper_there_are_the_figures_and_no_buttons(show):
    address, _ = show
    with tab() as page:
        opened(page, address)
        page.emulate_media(media="print")
        assert page.locator(".vl-wall").first.is_visible()
        figures = page.locator("img.vl-paper")
        figures.nth(2).wait_for()
        assert figures.count() == 3  # two compounds and the plate
        assert all(figures.nth(n).evaluate("e => e.complete && e.naturalWidth > 0") for n in range(3))
        assert not page.locator(".st-key-show-plate").is_visible()  # a chart that is printed may be blank
        for gone in (".stDownloadButton", "[data-testid=stSidebar]", ".st-key-show-choices"):
            assert not any(place.is_visible() for place in page.locator(gone).all()), gone


def middle(place):
    """Where the pointer goes."""
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def download(page, button) -> bytes:
    """What a button gives."""
    with page.expect_download() as held:
        button.click()
    return held.value.path().read_bytes()


def sheet(page):
    """(H, W, 3) the pixels of the first gallery."""
    import base64

    data = re.search(r"base64,([^)\"']+)", page.evaluate(SHEET)).group(1)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
