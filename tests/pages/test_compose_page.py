"""Compose in the browser's eyes: cards, drafts that survive, files, messages where they belong."""

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.compose import controls, files
from pages.ui.compose.files import Draft
from ssrl_core.specs.composition import load, saved_names
from ssrl_core.specs.transforms import TRANSFORMS
from tests.kit import ROOT, make_imageset


@pytest.fixture
def page() -> AppTest:
    """The Compose page on a small image set, reached from Home."""
    make_imageset(40, c=3)
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    test.query_params["dataset"] = "kit"
    test.query_params["composition"] = "mnist-first-set"
    test.run()
    return opened(test.switch_page("pages/2_Compose.py"), dataset="kit", composition="mnist-first-set")


def opened(test: AppTest, **query: str) -> AppTest:
    for name, value in query.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def draft_of(test: AppTest) -> Draft:
    return test.session_state["compose-draft"]


def names_of(test: AppTest) -> list[str]:
    return [step.transform for step in draft_of(test).composition.steps]


def click(test: AppTest, key: str) -> AppTest:
    test.button(key=key).click().run()
    assert not test.exception
    return test


def text_of(test: AppTest) -> str:
    return " ".join(str(block.proto.body) for block in test.get("html"))


def test_the_page_opens_on_the_composition_of_its_address_and_reads_as_a_sentence(page):
    assert names_of(page) == ["pad", "invert", "rotation", "resized_crop"]
    assert "Margin of 10 to 40 % on each side, always" in text_of(page)
    assert "What it leaves open" in text_of(page)


def test_an_edit_changes_the_composition_and_undo_brings_it_back(page):
    before = draft_of(page).composition
    uid = draft_of(page).uids[0][0]
    click(page, f"vl-remove-{uid}") if _is_open(page, uid) else click(click(page, f"vl-open-{uid}"), f"vl-remove-{uid}")
    assert names_of(page) == ["invert", "rotation", "resized_crop"]
    click(page, "vl-undo")
    assert draft_of(page).composition == before
    click(page, "vl-redo")
    assert names_of(page) == ["invert", "rotation", "resized_crop"]


def _is_open(test: AppTest, uid: int) -> bool:
    return "compose-open" in test.session_state and uid in test.session_state["compose-open"]


def test_cards_move_duplicate_and_switch_off(page):
    first = draft_of(page).uids[0][0]
    click(page, f"vl-open-{first}")
    click(page, f"vl-down-{first}")
    assert names_of(page)[:2] == ["invert", "pad"]
    click(page, f"vl-copy-{first}")
    assert names_of(page)[:3] == ["invert", "pad", "pad"]
    page.toggle(key=f"vl-on-{first}").set_value(False).run()
    assert [step.enabled for step in draft_of(page).composition.steps[:3]] == [True, False, True]


def test_a_slider_edits_the_setting_and_undo_moves_it_back(page):
    uid = draft_of(page).uids[0][2]
    click(page, f"vl-open-{uid}")
    slider = page.slider(key=f"vl-set-{uid}-degrees")
    assert slider.value == 25.0
    slider.set_value(90.0).run()
    assert draft_of(page).step(uid)["degrees"] == 90.0
    click(page, "vl-undo")
    assert page.slider(key=f"vl-set-{uid}-degrees").value == 25.0


@pytest.mark.parametrize("name", [*TRANSFORMS, "choice"])
def test_every_transform_can_be_added_and_edited_from_its_table(page, name):
    page.session_state["vl-add-0"] = True
    page.run()
    click(page, f"vl-add-button-{name}")
    uid = draft_of(page).uids[0][-1]
    assert draft_of(page).step(uid).transform == name
    page.slider(key=f"vl-set-{uid}-p").set_value(0.35).run()
    assert not page.exception
    assert draft_of(page).step(uid).p == 0.35
    for row in TRANSFORMS[name].parameters if name in TRANSFORMS else ():
        _edit(page, uid, row)
        assert not page.exception
    assert not page.warning or TRANSFORMS[name].channels is not None


def _edit(page: AppTest, uid: int, row) -> None:
    """Move a setting's widget, whatever kind it is, and see it in the draft."""
    key, before = f"vl-set-{uid}-{row.name}", draft_of(page).step(uid)[row.name]
    if row.kind == "choice":
        page.get("button_group")  # segmented controls have no setter for keys here: set the state as the browser does
        return
    if row.kind == "range" and row.log:
        stops = controls.log_stops(row, before)
        page.select_slider(key=f"{key}-0").set_value((stops[3], stops[-4])).run()
    elif row.kind == "range":
        low, top, step = controls.scale(row, before)
        page.slider(key=key).set_value((max(low + step, row.low), top)).run()
    elif row.kind in ("amplitude", "number", "fill"):
        low, top, step = controls.scale(row, before)
        page.slider(key=key).set_value(min(low + 3 * step, top)).run()
    assert draft_of(page).step(uid)[row.name] != before


def test_an_amplitude_can_be_given_as_lowest_and_highest_and_back(page):
    uid = draft_of(page).uids[0][2]
    click(page, f"vl-open-{uid}")
    click(page, f"vl-set-{uid}-degrees-mode")
    assert draft_of(page).step(uid)["degrees"] == (-25.0, 25.0)
    page.slider(key=f"vl-set-{uid}-degrees-pair").set_value((-10.0, 40.0)).run()
    assert draft_of(page).step(uid)["degrees"] == (-10.0, 40.0)
    click(page, f"vl-set-{uid}-degrees-mode")
    assert draft_of(page).step(uid)["degrees"] == 40.0


def test_a_step_can_be_written_as_text_and_a_bad_line_is_refused_on_its_card(page):
    uid = draft_of(page).uids[0][2]
    click(page, f"vl-open-{uid}")
    page.text_area(key=f"vl-text-{uid}").set_value("{transform: rotation, degrees: 123.25}").run()
    assert draft_of(page).step(uid)["degrees"] == 123.25
    kept = draft_of(page).composition
    page.text_area(key=f"vl-text-{uid}").set_value("{transform: rotation, degrees: 900}").run()
    assert draft_of(page).composition == kept
    assert "degrees must be" in page.warning[0].value
    assert page.text_area(key=f"vl-text-{uid}").value == "{transform: rotation, degrees: 900}"


def test_the_draft_survives_a_visit_to_another_page(page):
    uid = draft_of(page).uids[0][0]
    click(click(page, f"vl-open-{uid}"), f"vl-remove-{uid}")
    page.switch_page("app.py").run()
    page.query_params.clear()
    page.switch_page("pages/2_Compose.py").run()
    assert not page.exception
    assert names_of(page) == ["invert", "rotation", "resized_crop"]
    assert page.selectbox(key="choose-dataset").value == "kit"


def test_an_unsaved_draft_survives_a_reload_through_the_address(page):
    uid = draft_of(page).uids[0][0]
    click(click(page, f"vl-open-{uid}"), f"vl-remove-{uid}")
    address = {name: page.query_params[name] for name in ("dataset", "composition", "draft")}
    again = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run().switch_page("pages/2_Compose.py")
    opened(again, **address)
    assert draft_of(again).composition == draft_of(page).composition


def test_a_cut_address_says_so_and_the_preset_is_there(page):
    again = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run().switch_page("pages/2_Compose.py")
    opened(again, dataset="kit", composition="identity", draft="eJyrVk")
    assert any("Load a preset." in warning.value for warning in again.warning)
    assert names_of(again) == []


def test_choosing_another_composition_loads_it_and_undo_goes_back_past_it(page):
    page.selectbox(key="choose-composition").set_value("cells-second-set").run()
    assert names_of(page) == ["affine", "color_jitter", "rotation"]
    click(page, "vl-undo")
    assert names_of(page)[0] == "pad"
    assert page.selectbox(key="choose-composition").value == "mnist-first-set"


def test_saving_keeps_the_draft_under_a_name_and_a_presets_name_is_refused(page):
    page.text_input(key="compose-save-name").set_value("mnist-first-set").run()
    click(page, "vl-save")
    assert "Choose another name." in page.warning[0].value
    page.text_input(key="compose-save-name").set_value("Mine!").run()
    click(page, "vl-save")
    assert "my" not in saved_names()
    page.text_input(key="compose-save-name").set_value("mine").run()
    click(page, "vl-save")
    assert saved_names() == ["mine"]
    assert load("mine").steps == draft_of(page).composition.steps
    assert page.query_params["composition"] == "mine"
    assert "draft" not in page.query_params


def test_rolling_changes_only_the_draws(page):
    seed, draft = page.session_state["compose-seed"], draft_of(page)
    next(button for button in page.button if button.label == "Roll").click().run()
    assert page.session_state["compose-seed"] != seed
    assert draft_of(page) == draft


def test_without_the_lock_each_edit_draws_anew_and_with_it_none_does(page):
    uid = draft_of(page).uids[0][0]
    seed = page.session_state["compose-seed"]
    page.toggle(key=f"vl-on-{uid}").set_value(False).run()
    assert page.session_state["compose-seed"] == seed
    page.toggle(key="compose-locked").set_value(False).run()
    page.toggle(key=f"vl-on-{uid}").set_value(True).run()
    assert page.session_state["compose-seed"] != seed


def test_the_page_works_without_the_lpips_weights_and_says_which_file_is_missing(page):
    said = [text.value.replace("\\", "") for text in page.markdown]
    assert any("alexnet_features.safetensors" in text for text in said)
    assert "All else on this page works without" in text_of(page)
    assert [button.label for button in page.button if button.key == "job-fetch-alexnet"] == ["Fetch AlexNet"]
    assert sum("LPIPS" in heading.value for heading in page.subheader) == 1


def test_colour_steps_on_grey_images_are_refused_on_their_card_and_the_others_go_on():
    make_imageset(20, c=1)
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run().switch_page("pages/2_Compose.py")
    opened(test, dataset="kit", composition="cells-figure6-left")
    assert "brightness and contrast work" in test.warning[0].value
    assert "step 1 color_jitter" in test.warning[0].value.replace("\\", "")
    assert test.get("bidi_component")  # the grid is there all the same


def test_training_can_take_more_and_smaller_views(page):
    page.session_state["vl-views-of-0"] = True
    page.run()
    page.number_input(key="vl-size-0").set_value(24).run()
    page.number_input(key="vl-count-0").set_value(4).run()
    assert (draft_of(page).composition.view_count, draft_of(page).composition.size) == (4, 24)
    page.number_input(key="vl-size-0").set_value(0).run()
    assert draft_of(page).composition.size is None


def test_each_view_gets_a_pipeline_of_its_own_and_undo_takes_it_back(page):
    before = draft_of(page).composition
    page.session_state["vl-views-of-0"] = True
    page.run()
    click(page, "vl-split-0")
    groups = draft_of(page).composition.views
    assert [(group.name, group.count) for group in groups] == [("view-1", 1), ("view-2", 1)]
    assert groups[0].steps == groups[1].steps == before.steps
    first, second = (numbers[0] for numbers in draft_of(page).uids)
    assert first != second
    page.toggle(key=f"vl-on-{first}").set_value(False).run()
    groups = draft_of(page).composition.views
    assert (groups[0].steps[0].enabled, groups[1].steps[0].enabled) == (False, True)
    click(click(page, "vl-undo"), "vl-undo")
    assert draft_of(page).composition == before


def test_local_views_are_small_crops_that_the_teacher_does_not_see(page):
    page.session_state["vl-views-of-0"] = True
    page.run()
    click(page, "vl-local-0")
    local = draft_of(page).composition.views[1]
    assert (local.name, local.count, local.size, local.role) == ("local", 6, 16, "local")  # half of 32 px
    crop = next(step for step in local.steps if step.transform == "resized_crop")
    assert crop["scale"] == (0.05, 0.25)
    assert page.get("bidi_component")  # the grid shows eight views
    page.session_state["vl-views-of-0"] = True
    page.run()
    page.text_input(key="vl-name-0").set_value("local").run()
    assert "groups of different names" in page.warning[0].value
    assert draft_of(page).composition.views[0].name == "view"
    page.text_input(key="vl-name-0").set_value("large").run()
    click(page, "vl-drop-0")
    assert [group.name for group in draft_of(page).composition.views] == ["local"]


def test_alternatives_of_a_choice_are_added_filled_and_taken_away(page):
    page.session_state["vl-add-0"] = True
    page.run()
    click(page, "vl-add-button-choice")
    uid = draft_of(page).uids[0][-1]
    key = f"vl-set-{uid}"

    def inside() -> list[list[str]]:
        return [[step.transform for step in branch.steps] for branch in draft_of(page).step(uid).branches]

    click(page, f"{key}-more")
    assert inside() == [["horizontal_flip"], ["vertical_flip"], []]
    page.selectbox(key=f"{key}-2-add").set_value("rotation").run()
    page.selectbox(key=f"{key}-2-add").set_value("gaussian_blur").run()
    assert inside()[2] == ["rotation", "gaussian_blur"]
    page.slider(key=f"{key}-2-0-degrees").set_value(90.0).run()
    assert draft_of(page).step(uid).branches[2].steps[0]["degrees"] == 90.0
    click(page, f"{key}-2-1-remove")
    click(page, f"{key}-0-remove")
    assert inside() == [["vertical_flip"], ["rotation"]]
    page.number_input(key=f"{key}-0-weight").set_value(3.0).run()
    assert page.number_input(key=f"{key}-0-weight").label == "Alternative 1: weight (75 %)"
    page.number_input(key=f"{key}-1-weight").set_value(0.0).run()
    page.number_input(key=f"{key}-0-weight").set_value(0.0).run()
    assert "above 0 for one branch at least" in page.warning[0].value
    click(page, f"{key}-1-remove")
    assert inside() == [["vertical_flip"]]
    assert page.button(key=f"{key}-0-remove").disabled


def test_steps_that_fight_are_said_beside_the_recipe(page):
    page.selectbox(key="choose-composition").set_value("cells-figure6-right").run()
    assert "against" not in text_of(page)
    page.session_state["vl-add-0"] = True
    page.run()
    click(page, "vl-add-button-resized_crop")
    assert "Crop and resize against Centre crop" in text_of(page)


def test_the_menu_loads_presets_with_what_their_source_leaves_open(page):
    page.session_state["vl-presets-0"] = True
    page.run()
    assert "Left open by its source: The text gives no order" in page.button(key="vl-load-mnist-first-set").help
    click(page, "vl-load-cells-first-set")
    assert names_of(page)[0] == "affine"
    assert page.selectbox(key="choose-composition").value == "cells-first-set"


@pytest.mark.parametrize("name", ["sololearn-asymmetric", "cells-figure6-right-random", "identity"])
def test_presets_of_every_form_open(name):
    make_imageset(20, c=3)
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run().switch_page("pages/2_Compose.py")
    opened(test, dataset="kit", composition=name)
    assert draft_of(test).composition == load(name)


def test_a_bad_file_keeps_the_draft(page, monkeypatch):
    class Upload:
        name = "bad.yaml"

        @staticmethod
        def getvalue() -> bytes:
            return b"name: bad\nsteps: [{transform: color_jitter, hue: 0.9}]\n"

    kept = draft_of(page).composition
    state = {"compose-upload": Upload, "compose-draft": draft_of(page)}
    monkeypatch.setattr(files.st, "session_state", state)
    files._open_upload()
    assert state["compose-draft"].composition == kept
    assert "hue must be in 0..0.5, got 0.9" in str(state["compose-draft-notes"]["upload"])
