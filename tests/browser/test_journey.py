"""From images to clusters in a real Chromium: upload, compose, train in the background, look at groups and classes."""

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssrl_core.runs.queue import processes, registry
from tests.browsing import served, tab

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CLASSES = ("bars", "discs", "rings")


@pytest.fixture
def pictures(tmp_path) -> Path:
    """A zip of class folders: 40 grey pictures of each of three things, 24 px."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:24j, -1:1:24j]
    path = tmp_path / "shapes.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in CLASSES:
            for number in range(40):
                dx, dy = rng.uniform(-0.25, 0.25, 2)
                radius = np.hypot(x - dx, y - dy)
                shape = {"bars": np.abs(x - dx) < 0.25, "discs": radius < 0.5, "rings": np.abs(radius - 0.5) < 0.15}
                grey = np.clip(200 * shape[name] + rng.normal(20, 8, x.shape), 0, 255).astype(np.uint8)
                file = io.BytesIO()
                Image.fromarray(grey).save(file, "PNG")
                archive.writestr(f"{name}/{number:03}.png", file.getvalue())
    return path


@pytest.fixture
def worker():
    """The worker that the page starts ends with the test."""
    yield
    for run in registry.list_runs():
        if run["state"] in registry.ACTIVE:
            registry.change(run["id"], wanted="stop")
    known = processes.about()
    if known is not None:
        import psutil

        process = psutil.Process(known["pid"])
        process.terminate()
        process.wait(60)


def test_a_newcomer_goes_from_a_zip_of_images_to_clusters_and_classes(pictures, worker):
    errors: list[str] = []
    with served() as address, tab(timeout_s=120) as page:
        page.on("pageerror", lambda error: errors.append(str(error)))
        import_images(page, address, pictures)
        compose(page)
        run_id = train(page)
        look_at_clusters(page, address, run_id)
        look_at_classes(page, address, run_id)
        page.goto(address)
        page.get_by_text("Newest runs").wait_for()
        page.get_by_text("shapes").first.wait_for()
    assert errors == []


def import_images(page, address, pictures):
    page.goto(f"{address}/Data")
    page.get_by_role("button", name="Import images").click()
    page.locator("input[type=file]").set_input_files(str(pictures))
    name = page.get_by_role("textbox", name="Name")
    name.wait_for()
    assert name.input_value() == "shapes"
    page.get_by_role("button", name="Import", exact=True).click()
    page.wait_for_url(re.compile("dataset=shapes"))
    for word in (*CLASSES, "120"):
        page.get_by_text(word).first.wait_for()


def compose(page):
    """One step less than the preset, one setting changed, kept under a name."""
    page.get_by_role("link", name="Use in Compose").click()
    page.get_by_role("heading", name="Compose").wait_for()
    assert "dataset=shapes" in page.url
    page.locator(".cell canvas").first.wait_for()
    page.get_by_role("button", name=re.compile("Inversion")).click()
    page.locator('[class*="st-key-vl-remove-"] button').first.click()
    page.get_by_text("Edited, not saved").wait_for()
    page.get_by_role("button", name="Save").first.click()
    name = page.get_by_role("textbox", name="Name")
    name.fill("shapes-turned")
    name.press("Enter")
    page.locator(".st-key-vl-save button").click()
    page.get_by_text("Saved as shapes-turned").wait_for()
    page.keyboard.press("Escape")


def train(page):
    page.get_by_role("link", name="Train", exact=True).click()
    page.get_by_role("heading", name="Train").wait_for()
    page.get_by_role("button", name=re.compile("Start from")).click()
    page.get_by_role("button", name="Quick look", exact=True).click()
    page.get_by_role("spinbutton", name="Epochs", exact=True).wait_for()
    for label, value in (("Image set", "shapes"), ("Composition", "shapes-turned")):
        choose(page, label, value)
    for label, value in (("Epochs", "3"), ("Images", "84"), ("Images in a batch", "32")):
        box = page.get_by_role("spinbutton", name=label, exact=True)
        box.fill(value)
        box.press("Enter")
        page.wait_for_timeout(800)
    page.locator(".st-key-train-launch button").click()
    page.wait_for_url(re.compile("run="))
    page.get_by_text("This network").first.wait_for(timeout=300_000)
    return re.search(r"run=([\w-]+)", page.url)[1]


def look_at_clusters(page, address, run_id):
    page.goto(f"{address}/Clusters?run={run_id}")
    page.locator(".map[data-ready]").wait_for()
    page.get_by_text(re.compile("AMI")).first.wait_for()
    page.locator(".gallery .tile").first.wait_for()


def look_at_classes(page, address, run_id):
    page.goto(f"{address}/Classes?run={run_id}")
    page.locator(".js-plotly-plot").first.wait_for()
    page.get_by_text(re.compile("rings")).first.wait_for()


def choose(page, label, value):
    box = page.get_by_role("combobox", name=re.compile(f"{re.escape(label)}$|{re.escape(label)}"))
    box.first.click()
    box.first.fill(value)
    page.get_by_role("option", name=re.compile(value)).first.click()
    page.wait_for_timeout(800)
