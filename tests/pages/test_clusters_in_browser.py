"""The map in a real Chromium: hover shows the image, a click picks it, a lasso selects, the legend hides."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from ssrl_core.analysis.layouts import in_polygon
from ssrl_core.datasets import store
from ssrl_core.runs.evaluation.clustering import stored_clusters
from ssrl_core.runs.folder.run_folder import RunFolder
from tests.browsing import served, tab
from tests.kit import make_imageset, make_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def address():
    with served() as found:
        yield found


@pytest.fixture
def page():
    with tab() as found:
        yield found


def open_map(page, address, folder):
    """The canvas, and a function from the layout's units to the screen."""
    page.goto(f"{address}/Clusters?run={folder.name}")
    page.locator(".map[data-ready]").wait_for()
    points = np.load(next(folder.glob("layout_pca_*.npy"))).astype(float)
    box = page.locator("canvas.over").bounding_box()
    low, span = points.min(0), np.ptp(points, axis=0)
    left, edge = 44, 36
    scale = min((box["width"] - left - edge) / span[0], (box["height"] - edge) / span[1])

    def screen(point):
        x = box["x"] + left + (box["width"] - left) / 2 + (point[0] - low[0] - span[0] / 2) * scale
        return x, box["y"] + box["height"] / 2 - (point[1] - low[1] - span[1] / 2) * scale

    return points, screen


def around(points):
    """An outline around the middle of the points."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return points.mean(0) + 0.3 * np.ptp(points, axis=0) * np.column_stack([np.cos(angles), np.sin(angles)])


def pixels_of(page):
    """(H, W, 3) int: the points as they are drawn."""
    link = page.locator("canvas.points").evaluate("canvas => canvas.toDataURL()")
    with Image.open(io.BytesIO(base64.b64decode(link.split(",")[1]))) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def drag(page, corners):
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner, steps=6)
    page.mouse.up()


def test_the_map_answers_hover_click_lasso_box_and_legend(address, page):
    make_imageset(600, side=16)
    folder = make_run(n=120)
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    points, screen = open_map(page, address, folder)
    ids = np.load(folder / "embedding_ids.npy")
    lonely = int(np.argmax(np.linalg.norm(points - points.mean(0), axis=1)))

    page.mouse.move(*screen(points[lonely]))
    page.locator(".map .card:not([hidden])").wait_for()
    assert f"image {ids[lonely]}" in page.locator(".map .card .words").inner_text()

    page.mouse.click(*screen(points[lonely]))
    page.get_by_role("heading", name=f"Image {ids[lonely]}").wait_for()
    page.get_by_text("Most like it").wait_for()

    outline = around(points)
    drag(page, [screen(corner) for corner in outline])
    page.get_by_text("inside the outline").wait_for()
    expected = int(in_polygon(points, outline).sum())
    told = int(page.get_by_role("heading", name="images").inner_text().split()[0])
    assert abs(told - expected) <= max(2, 0.05 * expected)
    assert page.locator(".st-key-selection-grid .tile, .gallery .tile").first.is_visible()

    page.locator("canvas.over").focus()
    page.keyboard.press("Escape")
    page.get_by_text("Nothing is selected.").wait_for()
    page.keyboard.press("b")
    first = page.locator(".map .legend button").first
    count = int(first.locator("small").inner_text())
    first.click()
    assert first.get_attribute("aria-pressed") == "false"
    low, high = points.min(0) - 0.2, points.max(0) + 0.2
    drag(page, [screen(low), screen(high)])
    page.get_by_text("inside the box").wait_for()
    assert int(page.get_by_role("heading", name="images").inner_text().split()[0]) == len(points) - count
    assert errors == []


def test_a_name_given_in_place_is_on_the_map_and_stays_under_another_k(address, page):
    make_imageset(600, side=16)
    folder = make_run(n=90)
    page.goto(f"{address}/Clusters?run={folder.name}&k=3")
    page.locator(".strips .row").first.wait_for()
    page.locator(".headbox button[title=Rename]").first.click()
    page.locator(".headbox input").fill("upright bars")
    page.keyboard.press("Enter")
    page.locator(".legend button", has_text="upright bars").wait_for()
    page.goto(f"{address}/Clusters?run={folder.name}&k=4")
    page.locator(".legend button", has_text="upright bars").wait_for()
    page.get_by_text("named in k = 3").first.wait_for()


def digits_run():
    """A run on the digits that ship; its embedding is their pixels."""
    imageset = store.load("digits")
    folder = make_run(n=150, spec={"dataset": "digits"})
    ids = np.load(folder / "embedding_ids.npy")
    np.save(folder / "embedding.npy", np.asarray(imageset.pixels[ids], np.float32).reshape(len(ids), -1))
    for file in folder.glob("clusters_*"):
        file.unlink()
    return folder


def test_three_named_clusters_keep_their_names_over_a_reload_and_other_k(address, page):
    folder = digits_run()
    page.goto(f"{address}/Clusters?run={folder.name}&k=8")
    page.locator(".strips .row").first.wait_for()
    names = ("round ones", "thin ones", "the rest")
    for number, name in enumerate(names):
        page.locator(".headbox button[title=Rename]").nth(number).click()
        page.locator(".headbox input").fill(name)
        page.keyboard.press("Enter")
        page.locator(".legend button", has_text=name).wait_for()
    named = [set(np.flatnonzero(stored_clusters(RunFolder(folder.name), 8).ids == c).tolist()) for c in range(3)]
    page.reload()
    for name in names:
        page.locator(".legend button", has_text=name).wait_for()
    page.get_by_role("slider").first.press("ArrowRight")
    page.wait_for_url("**k=9*")
    page.get_by_text("named in k = 8").nth(2).wait_for()
    titles = page.locator(".headbox").all_inner_texts()
    ids = stored_clusters(RunFolder(folder.name), 9).ids
    for name, members in zip(names, named, strict=True):
        told = next(text for text in titles if text.startswith(name))
        cluster = int(re.search(r"cluster (\d+)", told)[1])
        assert members & set(np.flatnonzero(ids == cluster).tolist())
        assert max(range(9), key=lambda c: _alike(members, ids, c)) == cluster


def _alike(members, ids, cluster):
    """Members in common, as a share of all of both."""
    others = set(np.flatnonzero(ids == cluster).tolist())
    return len(members & others) / len(members | others)


def test_a_cell_of_the_matrix_selects_on_both_maps(address, page):
    make_imageset(600, side=16)
    first, second = make_run(n=60), make_run(n=60, spec={"seed": 8}, seed=2)
    page.goto(f"{address}/Compare?run={first.name}&beside={second.name}&ka=3&kb=3")
    page.locator(".map[data-ready]").nth(1).wait_for()
    cell = page.locator(".matrix .cell:not(.none)").first
    cell.wait_for()
    count = cell.inner_text()
    cell.click()
    page.get_by_role("heading", name=f"{count} images").wait_for()
    page.get_by_text("Clusters of B that they are in").wait_for()


def test_a_copied_address_shows_the_same_view_in_another_browser(address, page):
    make_imageset(600, side=16)
    folder = make_run(n=120)
    points, screen = open_map(page, address, folder)
    drag(page, [screen(corner) for corner in around(points)])
    page.get_by_text("inside the outline").wait_for()
    page.locator(".map .legend button").first.click()
    page.mouse.move(*screen(points.mean(0)))
    page.mouse.move(5, 5)  # away, so that the map is not taken any more
    page.mouse.move(*screen(points.mean(0)))
    page.mouse.wheel(0, -300)  # scrolls the page
    page.wait_for_timeout(800)
    assert "at=" not in page.url
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    page.wait_for_url("**at=**")
    page.wait_for_url("**hide=**")
    link = page.url
    told = page.get_by_role("heading", name="images").inner_text()
    other = page.context.browser.new_page(viewport=page.viewport_size)
    other.goto(link)
    other.locator(".map[data-ready]").wait_for()
    other.get_by_role("heading", name=told).wait_for()
    assert other.locator(".map .legend button").first.get_attribute("aria-pressed") == "false"
    other.wait_for_timeout(1500)
    assert other.url == link
    first, second = pixels_of(page), pixels_of(other)
    assert (first != 255).any(axis=2).mean() > 0.01, "points are in sight"
    assert (np.abs(first - second).max(axis=2) > 60).mean() < 0.008, "an address has five digits: edges differ, no more"


def test_the_keyboard_goes_from_point_to_point(address, page):
    make_imageset(300, side=16)
    folder = make_run(n=60)
    open_map(page, address, folder)
    canvas = page.locator("canvas.over")
    canvas.focus()
    page.keyboard.press("ArrowRight")
    card = page.locator(".map .card .words")
    card.wait_for()
    before = card.inner_text()
    page.keyboard.press("ArrowRight")
    assert card.inner_text() != before
    image = card.inner_text().split("image")[-1].strip()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=f"Image {image}").wait_for()
