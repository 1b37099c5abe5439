"""Where there is no GPU the Train page starts from a run that is solved, and offers it beside every training."""

from __future__ import annotations

import re

import pytest

from pages.ui.train import draft as drafts
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import registry, submitting
from ssrl_core.runs.worker import estimate
from ssrl_core.specs.run import RunSpec
from tests.kit import make_imageset
from tests.pages.test_train_page import kit_page, started, text_of  # noqa: F401 (a fixture)
from tests.runs.test_phases import work


@pytest.fixture(autouse=True)
def without_gpu(monkeypatch):
    monkeypatch.setattr(estimate, "has_gpu", lambda: False)


def labels(boxes):
    return [box.label for box in boxes]


def test_untouched_the_page_solves_and_says_what_a_training_would_take(started):  # noqa: F811
    test = kit_page()
    assert test.button(key="train-launch").label == "Solve"
    said = text_of(test)
    assert "solved in closed form, not trained" in said
    assert "A short training of a tiny network on these images takes about" in said
    boxes = labels(test.number_input)
    assert not {"Epochs", "Images in a batch", "Learning rate", "Warm-up epochs"} & set(boxes)
    test.button(key="train-launch").click().run()
    assert not test.exception
    [row] = registry.list_runs()
    assert row["method"] == "spectral"
    assert RunFolder(row["id"]).spec().evaluate.parts["read"] is True


def test_beside_a_training_the_page_offers_to_solve_it():
    test = kit_page()
    next(box for box in test.selectbox if box.label == "Method").set_value("simclr").run()
    assert "There is no GPU here." in text_of(test)
    assert "Learning rate" in labels(test.number_input)
    test.button(key="train-solve-it").click().run()
    assert not test.exception
    assert test.button(key="train-launch").label == "Solve"
    assert next(box for box in test.selectbox if box.label == "Composition").value == "mnist-rotation-crop"


def test_with_a_gpu_the_page_starts_from_a_training(monkeypatch):
    monkeypatch.setattr(estimate, "has_gpu", lambda: True)
    assert drafts.first() == drafts.QUICK
    test = kit_page()
    assert test.button(key="train-launch").label == "Train"
    assert "There is no GPU" not in text_of(test)


def test_with_a_slow_gpu_the_page_starts_from_what_is_solved(monkeypatch):
    """A stand-in for a card on which a run was measured to take longer than one waits."""
    monkeypatch.setattr(estimate, "has_gpu", lambda: True)
    for speed, start in ((500.0, drafts.SOLVED), (5000.0, drafts.QUICK)):
        monkeypatch.setattr(estimate, "_measured", lambda spec, side, speed=speed: (speed, "a-run"))
        assert drafts.first() == start


def test_what_a_gpu_starts_from_learns_for_as_long_as_was_shown_to_teach():
    """Five minutes of one processor by the speed of the table (bench forecast: above raw pixels after them)."""
    spec = RunSpec.from_mapping(drafts.STARTS[drafts.QUICK].spec)
    one_processor_s = spec.limit_train * spec.epochs / (estimate.from_table(spec, 28) / estimate.cores())
    assert one_processor_s >= 300
    assert spec.schedule.warmup_epochs == 0


def test_the_images_are_measured_as_the_page_says():
    test = kit_page()
    next(box for box in test.selectbox if box.label == "Images shown").set_value("fixed_steps").run()
    assert not test.exception
    assert drafts.spec_of(test.session_state["train-draft"]).evaluate.input == "fixed_steps"


def test_the_sheet_has_a_verdict_and_asks_for_what_can_be_read(started):  # noqa: F811
    make_imageset(90, side=20)
    plain = {
        "dataset": "kit",
        "method": {"name": "spectral", "bank": "live", "views": 2, "dim": 4},
        "terms": "mnist-rotation-crop",
        "evaluate": {"clusters": [3], "layouts": [], "linear": None},
    }
    run = RunFolder(submitting.submit(RunSpec.from_mapping(plain), start=False)["id"])
    work(run)
    registry.change(run.id, state="done")
    test = kit_page(run=run.id)
    assert re.search("than raw pixels|good as raw pixels", text_of(test))
    test.button(key=f"train-read-{run.id}").click().run()
    assert not test.exception
    work(run)
    registry.change(run.id, state="done")
    test = kit_page(run=run.id)
    assert "beside the forecast" in text_of(test)
    assert not any(button.key == f"train-read-{run.id}" for button in test.button)
