"""Two people in two browsers at once: nothing is lost, and who came second is told."""

from __future__ import annotations

import os
from contextlib import contextmanager

import pytest

from ssrl_core.runs.folder import annotations
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import registry, submitting
from ssrl_core.specs.composition import Composition, load, save
from ssrl_core.specs.run import RunSpec
from tests.browsing import served, settled, tab
from tests.kit import make_imageset, make_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]
MINE = {"name": "mine", "steps": [{"transform": "rotation", "degrees": 30}, {"transform": "gaussian_blur"}]}


@contextmanager
def two_people():
    """(address, Ann's page, Ben's page); no script of a page may fail."""
    errors = []
    with served() as address, tab(timeout_s=60) as ann:
        ben = ann.context.browser.new_page(viewport={"width": 1440, "height": 1000})
        ben.set_default_timeout(60_000)
        for page in (ann, ben):
            page.on("pageerror", lambda error: errors.append(str(error)))
        try:
            yield address, ann, ben
        except BaseException:
            if folder := os.environ.get("SSRL_TEST_SCREENS"):
                ben.screenshot(path=os.path.join(folder, "failed-ben.png"))
            raise
    assert errors == []


def name_cluster(page, number: int, name: str) -> None:
    head = page.locator(".strips .row .headbox", has_text=f"Cluster {number}").first
    head.locator("button[title=Rename]").click()
    page.locator(".headbox input").fill(name)
    page.keyboard.press("Enter")
    page.wait_for_timeout(500)
    settled(page)


def told(page) -> str:
    return " ".join(page.locator("[data-testid=stAlert]").all_inner_texts())


def test_two_name_the_clusters_of_one_run_and_one_deletes_it():
    make_imageset(600, side=16)
    run = RunFolder(make_run(n=90).name)
    make_run(n=90, spec={"seed": 6})
    registry.reconcile()
    with two_people() as (address, ann, ben):
        for page in (ann, ben):
            page.goto(f"{address}/Clusters?run={run.id}&k=3")
            page.locator(".strips .row").first.wait_for()
            settled(page)
        name_cluster(ann, 0, "by Ann")
        name_cluster(ben, 1, "by Ben")
        name_cluster(ann, 2, "also Ann")
        name_cluster(ben, 2, "also Ben")
        assert all(word in told(ben) for word in ("somebody else", "also Ann", "also Ben"))
        said = annotations.read(run)["clusters"]["clusters_kmeans_k3_s0"]
        assert {number: one["name"] for number, one in said.items()} == {"0": "by Ann", "1": "by Ben", "2": "also Ann"}
        ann.goto(f"{address}/Train?run={run.id}")
        ann.get_by_role("button", name="Delete").first.click()
        ann.locator(".st-key-train-sheet-delete-yes button").click()
        ann.get_by_role("heading", name="Train").wait_for()
        settled(ann)
        ben.locator(".headbox button[title=Rename]").first.click()
        ben.locator(".headbox input").fill("too late")
        ben.keyboard.press("Enter")
        ben.get_by_text("was deleted meanwhile").first.wait_for()
        assert not run.path.exists()


def test_one_stops_what_the_other_starts():
    make_imageset()
    spec = {"dataset": "kit", "backbone": "tiny_cnn", "method": "simclr", "terms": "identity", "batch_size": 8}
    run_id = submitting.submit(RunSpec.from_mapping(spec), start=False)["id"]
    with two_people() as (address, ann, ben):
        for page in (ann, ben):
            page.goto(f"{address}/Train?run={run_id}")
            page.locator(".st-key-train-sheet-stop button").wait_for()
        ben.locator(".st-key-train-sheet-stop button").click()
        ann.get_by_text("Stopped").first.wait_for()
        assert registry.require(run_id)["state"] == "stopped"


def test_two_change_the_same_composition():
    make_imageset(30, c=3)
    save(Composition.from_mapping(MINE))
    with two_people() as (address, ann, ben):
        for page in (ann, ben):
            page.goto(f"{address}/Compose?dataset=kit&composition=mine&images=4&views=2")
            page.locator(".st-key-compose-grid-room canvas").first.wait_for()
        for page, step in ((ann, "Blur"), (ben, "Rotation")):
            page.get_by_role("button", name=step).first.click()
            page.locator('[class*="st-key-vl-remove-"] button').first.click()
            page.get_by_text("Edited, not saved").wait_for()
            page.get_by_role("button", name="Save").first.click()
            page.locator(".st-key-vl-save button").click()
            if page is ann:
                page.get_by_text("Saved as mine").wait_for()
        ben.get_by_text("Somebody else saved another “mine” meanwhile").wait_for()
        assert [step.transform for step in load("mine").views[0].steps] == ["rotation"]
        ben.locator(".st-key-vl-save button").click()
        ben.get_by_text("Saved as mine").wait_for()
        assert [step.transform for step in load("mine").views[0].steps] == ["gaussian_blur"]
