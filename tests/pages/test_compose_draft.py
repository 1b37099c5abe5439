"""The draft of a composition: edits, history, files, cards."""

from dataclasses import replace

import pytest

from pages.ui.compose import controls, files
from pages.ui.compose import files as compose_draft
from pages.ui.compose.controls import card_label, new_step
from pages.ui.kit import choices
from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import Composition, Step, dump, load, preset_names
from ssrl_core.specs.transforms import TRANSFORMS


def test_a_draft_is_never_changed_in_place():
    draft = compose_draft.fresh(load("mnist-first-set"), "mnist-first-set")
    before = (draft.composition, draft.uids)
    uid = draft.uids[0][1]
    for new in (
        compose_draft.add(draft, Step("invert")),
        compose_draft.remove(draft, uid),
        compose_draft.duplicate(draft, uid),
        compose_draft.move(draft, uid, 1),
        compose_draft.change(draft, uid, lambda step: replace(step, p=0.1)),
    ):
        assert (draft.composition, draft.uids) == before
        assert compose_draft.undo(new).composition == draft.composition
        assert compose_draft.undo(new).uids == draft.uids
        assert compose_draft.redo(compose_draft.undo(new)).composition == new.composition


def test_moving_past_the_end_and_changing_nothing_leave_no_trace_in_the_history():
    draft = compose_draft.fresh(load("mnist-first-set"), "mnist-first-set")
    assert compose_draft.move(draft, draft.uids[0][0], -1) is draft
    assert compose_draft.change(draft, draft.uids[0][0], lambda step: step) is draft
    assert compose_draft.undo(draft) is draft


def test_a_refused_edit_leaves_the_draft_as_it_was():
    draft = compose_draft.fresh(load("mnist-first-set"), "mnist-first-set")
    uid = draft.uids[0][2]
    with pytest.raises(SpecError, match="degrees must be"):
        compose_draft.change(draft, uid, lambda step: compose_draft.set_value(step, "degrees", 999.0))


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_survives_the_address_and_both_file_forms(name):
    composition = load(name)
    assert choices.from_token(choices.to_token(composition)) == composition
    for text in (dump(composition), files.as_json(composition)):
        read, note = files.read_file(text.encode())
        assert (read, note) == (composition, "")
        assert text in (dump(read), files.as_json(read))


@pytest.mark.parametrize("token", ["", "!!!", "eJyrVk", choices.to_token(Composition("a"))[:-9]])
def test_a_damaged_token_is_a_message(token):
    with pytest.raises(SpecError, match="Address"):
        choices.from_token(token)


def test_a_foreign_file_is_read_and_the_loss_of_its_comments_is_said():
    read, note = files.read_file(b"# mine\nname: mine\nsteps: [{transform: invert}]\n")
    assert read.steps == (Step("invert"),)
    assert "Comments" in note
    with pytest.raises(SpecError, match="UTF-8"):
        files.read_file(b"\xff\xfe\x00")


@pytest.mark.parametrize("name", [*TRANSFORMS, "choice"])
def test_a_new_card_says_its_name_once(name):
    label = card_label(new_step(name)).partition(" ")[2]  # without the icon
    title = TRANSFORMS[name].title if name in TRANSFORMS else "One of"
    assert label.lower().count(title.lower()) == 1


@pytest.mark.parametrize("row", [p for t in TRANSFORMS.values() for p in t.parameters if p.kind in ("range", "number")])
def test_a_sliders_stops_hold_the_default_and_reach_it(row):
    low, top, step = controls.scale(row, row.default)
    for value in row.default if isinstance(row.default, tuple) else (row.default,):
        assert low <= value <= top
        if not row.log:
            assert abs((value - low) / step - round((value - low) / step)) < 1e-6


def test_an_exact_value_makes_the_slider_fine_enough():
    row = TRANSFORMS["color_jitter"].parameter("hue")
    _, _, step = controls.scale(row, 0.125)
    assert abs(0.125 / step - round(0.125 / step)) < 1e-6
    _, top, _ = controls.scale(TRANSFORMS["gaussian_blur"].parameter("sigma"), (0.1, 30.0))
    assert top == 30.0
