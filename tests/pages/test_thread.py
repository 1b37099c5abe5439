"""One thread through the pages: images, composition and run that one page chose are what the next opens with."""

import time

import pytest

from pages.ui.kit import choices
from ssrl_core.datasets import store as image_sets
from ssrl_core.datasets.kinds import of_cells
from ssrl_core.runs.queue import processes
from ssrl_core.specs.composition import load, save
from tests.kit import make_imageset, make_run
from tests.paging import opened, text_of

DATA, COMPOSE, TRAIN, CLUSTERS = (f"pages/{page}.py" for page in ("1_Data", "2_Compose", "3_Train", "4_Clusters"))


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch):
    monkeypatch.setattr(processes, "start_coordinator", lambda **_: True)


def moved(test, page):
    """The same visitor on another page, by the sidebar: its address says nothing."""
    test.query_params.clear()
    test = test.switch_page(page).run()
    assert not test.exception, test.exception[0].value
    return test


def test_images_and_composition_travel_from_page_to_page():
    make_imageset(name="mine", c=3, side=48)
    save(load("sololearn-symmetric").renamed("my-views"))
    test = opened(DATA, {"dataset": "mine"})
    test = moved(test, COMPOSE)
    assert test.selectbox(key="choose-dataset").value == "mine"
    test.selectbox(key="choose-composition").set_value("my-views").run()
    test = moved(test, TRAIN)
    assert test.selectbox(key="train-dataset.name").value == "mine"
    assert test.selectbox(key="train-term-0").value == "my-views"
    make_imageset(name="other", c=3, side=48)
    test.run().selectbox(key="train-dataset.name").set_value("other").run()
    assert moved(test, DATA).selectbox(key="choose-dataset").value == "other"


def test_what_is_chosen_on_train_stays_when_other_pages_are_only_looked_at():
    make_imageset(name="mine")
    make_imageset(name="other")
    test = opened(TRAIN, {"dataset": "mine", "composition": "identity"})
    test = moved(moved(test, COMPOSE), TRAIN)
    assert test.selectbox(key="train-dataset.name").value == "mine"
    assert test.selectbox(key="train-term-0").value == "identity"


def test_an_edited_composition_goes_to_training_as_it_stands():
    make_imageset(name="mine")
    test = opened(COMPOSE, {"dataset": "mine", "composition": "mnist-first-set"})
    first = next(button for button in test.button if button.key.startswith("vl-open-"))
    uid = first.key.rpartition("-")[2]
    test.toggle(key=f"vl-on-{uid}").set_value(False).run()
    test.button(key="vl-train").click().run()
    assert not test.exception
    assert test.selectbox(key="train-term-0").value == "mnist-first-set (as in the file)"


def test_photographs_are_never_put_under_a_preset_for_digits():
    make_imageset(name="photos", c=3, side=48)
    make_imageset(name="grey", c=1, side=28)
    assert choices.suited("photos", "mnist-first-set") == "cifar-base"
    assert choices.suited("grey", "mnist-second-set") == "mnist-second-set"
    assert choices.suited("photos", "identity") == "identity"
    assert of_cells("simulated-cells")
    test = opened(COMPOSE, {"dataset": "grey"})
    assert test.selectbox(key="choose-composition").value == "mnist-first-set"
    test.selectbox(key="choose-dataset").set_value("photos").run()
    assert test.selectbox(key="choose-composition").value == "cifar-base"
    test = opened(TRAIN, {"dataset": "grey", "composition": "mnist-first-set"})
    test.selectbox(key="train-dataset.name").set_value("photos").run()
    assert test.selectbox(key="train-term-0").value == "cifar-base"


def test_a_run_that_is_done_is_what_the_look_pages_open_with():
    older, _ = (make_run(spec={"epochs": e}).name for e in (2, 3))
    test = opened(TRAIN, {"run": older})
    assert moved(test, CLUSTERS).selectbox(key="choose-run").value == older


def test_images_that_are_not_made_yet_are_made_in_the_background_and_then_the_run_is_queued():
    test = opened(TRAIN, {"dataset": "digits", "composition": "identity"})
    assert "not here yet (1,797 images" in text_of(test)
    test.button(key="train-launch").click().run()
    until = time.monotonic() + 120
    while not image_sets.is_ready("digits") and time.monotonic() < until:
        time.sleep(0.2)
    time.sleep(0.5)  # the job says that it is done
    test.run().run()
    assert "run" in test.query_params
