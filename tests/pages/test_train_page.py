"""The Train page: the sentence and what it entails, launching, the queue, the sheet of a run."""

from __future__ import annotations

import io
import subprocess

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages.ui.train import draft as drafts
from pages.ui.train import queue, sheet, start
from ssrl_core import stores
from ssrl_core.datasets.creation import create
from ssrl_core.errors import SpecError
from ssrl_core.runs.folder.results import Results
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import processes, registry
from ssrl_core.specs import parts
from ssrl_core.specs.composition import load
from ssrl_core.specs.run import RunSpec
from tests.kit import ROOT, make_imageset, make_run


@pytest.fixture
def started(monkeypatch):
    """Times that a worker was asked for; none is really started."""
    asked = []
    monkeypatch.setattr(processes, "start_coordinator", lambda wait_s=20.0: asked.append(1) or True)
    return asked


@pytest.fixture(autouse=True)
def starts_from_the_quick_look(monkeypatch):
    """These tests are of trainings: what the page starts from on a machine with a GPU."""
    monkeypatch.setattr(drafts, "first", lambda: drafts.QUICK)


def page(**query: str) -> AppTest:
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=90).run()
    for name, value in query.items():
        test.query_params[name] = value
    test.switch_page("pages/3_Train.py").run()
    for name, value in query.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def text_of(test: AppTest) -> str:
    boxes = [*test.error, *test.warning, *test.info, *test.caption, *test.subheader, *test.code]
    return " ".join([*(str(block.proto.body) for block in test.get("html")), *(str(box.value) for box in boxes)])


def kit_page(**query: str) -> AppTest:
    if not stores.data_root().joinpath("kit").exists():
        make_imageset()
    return page(dataset="kit", **query)


# the draft


@pytest.mark.parametrize("name", drafts.STARTS)
def test_every_start_is_a_valid_run_with_every_method(name):
    draft = drafts.fresh(drafts.STARTS[name].spec)
    drafts.spec_of(draft)
    for method in ("simclr", "byol", "moco_v2_plus"):
        drafts.spec_of(drafts.put(draft, "method.name", method))


def test_another_method_brings_its_own_optimizer_unless_one_was_chosen():
    plain = drafts.fresh({"dataset": "kit", "method": "simclr", "terms": "identity"})
    assert drafts.put(plain, "method.name", "moco_v2_plus")["optimizer"]["name"] == "sgd"
    chosen = drafts.put(drafts.put(plain, "optimizer.name", "adam"), "optimizer.lr", 0.003)
    assert drafts.put(chosen, "method.name", "moco_v2_plus")["optimizer"]["lr"] == 0.003


def test_the_queue_follows_the_batch():
    draft = drafts.fresh(drafts.STARTS["mnist-small"].spec)
    assert drafts.put(draft, "batch_size", 96)["method"]["queue_size"] % 96 == 0
    drafts.spec_of(drafts.put(draft, "batch_size", 96))


def test_a_draft_is_never_changed_in_place():
    draft = drafts.fresh(drafts.STARTS["quick"].spec)
    before = drafts.spec_of(draft)
    drafts.put(draft, "optimizer.lr", 1.0)
    drafts.add_term(draft, "identity")
    drafts.set_composition(draft, 0, "identity")
    drafts.put(draft, "method.name", "byol")
    assert drafts.spec_of(draft) == before


@pytest.mark.parametrize(
    ("text", "seeds"), [("5", [5]), ("5-7", [5, 6, 7]), ("5–7, 12", [5, 6, 7, 12]), (" 1,1 2 ", [1, 2])]
)
def test_seeds_are_read_as_people_write_them(text, seeds):
    assert drafts.read_seeds(text) == seeds
    assert drafts.read_seeds(drafts.seeds_text(seeds)) == seeds


@pytest.mark.parametrize("text", ["", "five", "9-5", "1-1000", "-3", "99999999999"])
def test_bad_seeds_are_refused(text):
    with pytest.raises(SpecError, match="seeds must be"):
        drafts.read_seeds(text)


def test_an_inline_composition_survives_the_form():
    spec = {"dataset": "kit", "method": "simclr", "terms": [{"composition": {"name": "mine", "steps": []}}]}
    draft = drafts.fresh(spec)
    assert drafts.composition_name(draft, 0) == ("mine", False)
    assert drafts.spec_of(drafts.put(draft, "epochs", 3)).terms[0].composition.name == "mine"


def test_the_spec_as_a_file_reads_back_to_the_same_draft():
    draft = drafts.fresh(drafts.STARTS["paper-cells"].spec)
    from ssrl_core.specs.yaml_files import parse_yaml

    assert drafts.fresh(parse_yaml(start.spec_text(draft), "x")) == draft
    several = draft | {"seeds": [5, 6]}
    assert drafts.fresh(parse_yaml(start.spec_text(several), "x")) == several


@pytest.mark.parametrize("text", [b"", b"just words", b"dataset: kit\nmethod: simclr\nterms: nope\n", b"\xff\xfe"])
def test_a_bad_file_is_refused_with_a_reason(text):
    with pytest.raises(SpecError):
        start._read(text, "file.yaml", {})


# the page


def test_opening_the_page_starts_nothing(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a page body started a process")

    import torch  # noqa: F401 (its import may start a process)

    make_run(state="queued")
    monkeypatch.setattr(subprocess, "Popen", refuse)
    text = text_of(kit_page())
    assert "No worker is running" in text


def test_the_address_chooses_image_set_and_composition():
    test = kit_page(composition="mnist-second-set")
    assert test.selectbox(key="train-dataset.name").value == "kit"
    assert test.selectbox(key="train-term-0").value == "mnist-second-set"


def test_what_the_sentence_says_is_what_is_queued(started):
    test = kit_page()
    test.selectbox(key="train-method.name").set_value("simclr").run()
    test.number_input(key="train-epochs").set_value(3).run()
    test.number_input(key="train-batch_size").set_value(8).run()
    test.selectbox(key="train-term-0").set_value("identity").run()
    test.button(key="train-add-term").click().run()
    test.number_input(key="train-terms.1.weight").set_value(0.4).run()
    assert not test.exception
    test.button(key="train-launch").click().run()
    assert not test.exception
    (row,) = registry.list_runs()
    spec = RunSpec.from_mapping(_yaml(row["id"]))
    assert (spec.method.name, spec.epochs, spec.batch_size, spec.seed) == ("simclr", 3, 8, 5)
    assert [term.weight for term in spec.terms] == [1.0, 0.4]
    assert row["state"] == "queued"
    assert started == [1]
    assert test.query_params["run"] in (row["id"], [row["id"]])
    assert "Waits for its turn" in text_of(test)


def test_several_seeds_are_several_runs(started):
    test = kit_page()
    test.number_input(key="train-batch_size").set_value(8).run()
    test.text_input(key="train-seeds").set_value("5–7").run()
    assert test.button(key="train-launch").label == "Train 3 runs"
    test.button(key="train-launch").click().run()
    assert sorted(row["seed"] for row in registry.list_runs()) == [5, 6, 7]


def test_the_same_run_again_is_said(started):
    test = kit_page()
    test.number_input(key="train-batch_size").set_value(8).run()
    test.button(key="train-launch").click().run()
    test.button(key="train-new").click().run()
    test.button(key="train-launch").click().run()
    assert "was there already" in text_of(test)
    assert len(registry.list_runs()) == 1


def test_the_cost_is_shown_and_a_batch_that_is_too_large_is_said():
    test = kit_page()
    test.number_input(key="train-batch_size").set_value(8).run()
    assert "images/s" in text_of(test)
    test.number_input(key="train-batch_size").set_value(512).run()
    assert "to 32 or less, or take more images" in text_of(test)


def test_what_cannot_train_is_said_before_and_never_queued(started):
    test = kit_page()
    test.number_input(key="train-batch_size").set_value(8).run()
    test.selectbox(key="train-method.name").set_value("deepcluster_v2").run()
    assert "Set prototypes to" in text_of(test)
    test.button(key="train-launch").click().run()
    assert registry.list_runs() == []
    assert started == []
    test.selectbox(key="train-recipe").set_value("small").run()
    assert not test.exception
    assert test.number_input(key="train-method.prototypes").value == 100


def test_terms_are_seen_side_by_side_with_the_steps_that_fight():
    make_imageset(c=3)
    test = kit_page()
    test.selectbox(key="train-term-0").set_value("cells-figure6-right").run()
    assert "against" not in text_of(test)
    test.button(key="train-add-term").click().run()
    test.selectbox(key="train-term-1").set_value("cells-figure6-left").run()
    assert not test.exception
    said = text_of(test)
    assert "Crop and resize (term 2) against Centre crop (term 1)" in said
    assert test.selectbox(key="train-heads").value == "shared"


def test_dim_16_bit_images_are_seen_as_bright_under_the_terms_as_on_the_other_pages():
    images = make_imageset(c=1, dtype="uint16")
    dim = create("dim", np.asarray(images.pixels) // 40, images.table.drop(columns=["image_id", "label_id"]))
    picture = Image.open(io.BytesIO(start._picture.__wrapped__(dim, load("identity"), 0, 5, 4)))
    assert np.asarray(picture).max() > 200


@pytest.mark.parametrize("method", ["simclr", "moco_v2_plus", "byol", "swav"])
def test_a_recipe_sets_method_optimizer_and_batch_and_is_recognised(method):
    draft = drafts.fresh(
        {"dataset": "kit", "method": method, "terms": "identity", "batch_size": 128, "recipe": "small"}
    )
    for name in drafts.recipes_for(draft):
        changed = drafts.apply_recipe(draft, name)
        drafts.spec_of(changed)
        assert drafts.apply_recipe(draft, drafts.recipe_name(changed))["method"] == changed["method"]  # two may agree
        assert changed["terms"] == draft["terms"]
    assert drafts.recipe_name(drafts.put(draft, "method.hidden_dim", 77)) is None


def test_the_evaluation_asks_for_every_part_of_the_table(started, monkeypatch):
    row = parts.Part("spread", "Spread", "How far the embedding reaches.", takes="switch", default=False)
    monkeypatch.setitem(parts.PARTS, "spread", row)
    test = kit_page()
    test.number_input(key="train-batch_size").set_value(8).run()
    test.toggle(key="train-evaluate.spread").set_value(True).run()
    test.multiselect(key="train-evaluate.clusters").set_value([3, 5]).run()
    test.button(key="train-launch").click().run()
    assert not test.exception
    asked = RunFolder(registry.list_runs()[0]["id"]).spec().evaluate
    assert asked.parts["spread"]
    assert asked.clusters == (3, 5)


def test_a_bad_setting_is_said_where_it_was_made(started):
    test = kit_page()
    test.text_input(key="train-seeds").set_value("five").run()
    assert "seeds must be whole numbers" in text_of(test)
    test.number_input(key="train-optimizer.lr").set_value(0.0).run()
    test.button(key="train-launch").click().run()
    assert "the learning rate must be above 0" in text_of(test)
    assert registry.list_runs() == []


def test_the_draft_survives_a_visit_to_another_page():
    test = kit_page()
    test.number_input(key="train-epochs").set_value(77).run()
    test.switch_page("app.py").run()
    test.switch_page("pages/3_Train.py").run()
    assert test.number_input(key="train-epochs").value == 77


def test_an_image_set_that_must_be_fetched_cannot_be_trained_on_yet():
    test = page(dataset="mnist")
    assert test.button(key="train-launch").disabled
    assert test.button(key="job-images-mnist").label == "Fetch them"


# the sheet


def test_a_finished_run_shows_its_numbers_beside_pixels():
    run_id = make_run().name
    text = text_of(page(run=run_id))
    assert "Raw pixels" in text
    assert "Untrained" in text
    assert "95 %" in text
    assert "0.900" in text


def test_a_failed_run_says_why_and_what_to_do(started):
    run_id = make_run(state="failed").name
    test = page(run=run_id)
    assert "planted by the test kit" in text_of(test)
    test.button(key="train-sheet-resume").click().run()
    assert registry.require(run_id)["state"] == "queued"
    assert started == [1]


def test_a_lost_run_is_shown_as_lost():
    folder = make_run(state="running")
    stores.write_json(
        folder / "state.json", stores.read_json(folder / "state.json") | {"alive_at": "2020-01-01T00:00:00.000000Z"}
    )
    assert "Lost: no sign of life" in text_of(page(run=folder.name))


def test_a_run_is_stopped_and_deleted_only_after_a_second_click(started):
    run_id = make_run(state="running").name
    test = page(run=run_id)
    test.button(key="train-sheet-stop").click().run()
    assert registry.require(run_id)["state"] == "stopped"  # nobody works on it
    test.button(key="train-sheet-delete-yes").click().run()
    assert registry.get(run_id) is None
    assert "run" not in test.query_params


def test_a_run_that_is_gone_is_said():
    assert "There is no run" in text_of(page(run="nothing-here"))


def test_a_demo_run_can_be_copied_but_not_deleted():
    run_id = make_run(stores.demo_root() / "demo-run").name
    test = page(run=run_id)
    assert not [button for button in test.button if button.key == "train-sheet-delete-yes"]
    test.button(key="train-sheet-copy").click().run()
    assert test.number_input(key="train-batch_size").value == 8


def test_a_run_without_labels_says_what_was_not_measured():
    folder = make_run()
    results = stores.read_json(folder / "results.json")
    results |= {"knn": None, "linear": None, "missing": {"knn": "the image set has no labels"}}
    html = sheet.results_html(Results(results))
    assert "Not measured: the image set has no labels" in html


def test_the_queue_escapes_names():
    row = {"id": "a", "state": "failed", "reason": "<script>alert(1)</script>", "progress": 0.1}
    assert "<script>" not in queue.under_html(row)


def _yaml(run_id: str):
    from ssrl_core.specs.yaml_files import parse_yaml

    return parse_yaml((stores.runs_root() / run_id / "spec.yaml").read_text(), run_id)


def test_registry_note_is_not_lost_on_the_page():
    make_run(state="stopped")
    registry.list_runs()
    registry.path().write_bytes(b"garbage")
    assert "made again" in text_of(kit_page())


def test_memory_of_the_card_is_shown_while_a_run_is_on_it(monkeypatch):
    import pandas as pd
    import torch

    from ssrl_core.runs.child.phases import device_memory_bytes
    from ssrl_core.runs.folder.state import empty_state

    assert device_memory_bytes(torch.device("cpu")) is None
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 3_200_000_000)
    held = device_memory_bytes(torch.device("cuda:0"))
    state, metrics = empty_state("a") | {"device_memory_bytes": held}, pd.DataFrame({"effective_rank": []})
    for name, shown in (("running", True), ("done", False)):
        assert ("3.2 GB" in sheet._facts({"state": name}, state, metrics)) is shown


def test_a_solved_run_is_a_method_of_the_page_and_is_never_called_trained():
    test = kit_page()
    method = next(box for box in test.selectbox if box.label == "Method")
    assert "Spectral (solved, not trained)" in method.options
    method.set_value("spectral").run()
    assert not test.exception
    assert any(box.label == "Features" for box in test.selectbox)
    assert not any(box.label == "Epochs" for box in test.number_input)
    assert "not trained" in text_of(test)
    next(box for box in test.selectbox if box.label == "Method").set_value("simclr").run()
    assert not test.exception
    assert any(box.label == "Network" for box in test.selectbox)


def test_a_setting_of_the_method_before_that_comes_late_changes_nothing():
    quick = drafts.fresh(drafts.STARTS[drafts.QUICK].spec)
    assert drafts.put(quick, "method.bank", "random") == quick
    assert drafts.put(quick, "method.hidden_dim", 64)["method"]["hidden_dim"] == 64


def test_whether_a_step_fits_is_said_before_it_is_launched(monkeypatch):
    from ssrl_core.runs.worker import estimate

    test = kit_page()
    test.number_input(key=next(one.key for one in test.number_input if one.label == "Images in a batch")).set_value(8)
    test.run()
    test.button(key="train-memory").click().run()
    assert not test.exception
    assert "A step holds about" in text_of(test)
    assert "images at a time fit" in text_of(test)
    monkeypatch.setattr(start, "_memory_words", start._memory_words.__wrapped__)
    monkeypatch.setattr(estimate, "has_gpu", lambda: True)  # with a card nobody has to ask
    monkeypatch.setattr(estimate, "card_bytes", lambda device: 1.203e9)
    test.run()
    assert "the card has" in text_of(test)
    assert "do not fit" in text_of(test) or "Not even two images fit" in text_of(test)
