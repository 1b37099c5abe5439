"""The recipe: a card for each step, the menu of transforms, undo and redo, and the kinds of views."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from pages.ui.compose import files
from pages.ui.compose import files as drafts
from pages.ui.compose.controls import card_label, edit_step, new_step
from pages.ui.compose.files import DRAFT, Draft
from pages.ui.kit import cache, choices, frame
from ssrl_core.compositions.pairs import pair_columns
from ssrl_core.errors import SSRLError
from ssrl_core.specs.composition import IMAGE, Step, ViewGroup
from ssrl_core.specs.transforms import TRANSFORMS, Transform
from ssrl_core.specs.yaml_files import parse_yaml

ROLES = {"global": "all networks", "local": "the student only"}
LOCAL_COUNT, LOCAL_SCALE = 6, (0.05, 0.25)
_ABOUT_ROLE = (
    "SwAV and DINO make many small views beside two large ones; the network that teaches sees the large ones only."
)
_ABOUT_PAIR = (
    "What counts as equal is what the network learns to ignore. Pairs of one compound make all that differs within a "
    "compound stop mattering; scores of that compound are then taught, not found."
)
_KINDS = {"geometry": "Geometry", "colour": "Colour", "pixel": "Blur and cover"}
_OPEN = "compose-open"  # numbers of the steps whose cards are open
_CHOICE_SENTENCE = "Takes one of several alternatives, each as often as its weight says."

CSS = """
.st-key-vl-recipe, .st-key-vl-recipe [data-testid="stTabPanel"] > div, .st-key-vl-recipe [role="tabpanel"] > div {
  gap: .5rem; }
.st-key-vl-recipe [data-testid="stAlertContainer"] { padding: .5rem .6rem; }
.st-key-vl-recipe [data-testid="stAlertContainer"] p { font-size: .86rem; line-height: 1.4; }
.st-key-vl-menu { gap: .45rem; max-width: 26rem; }
[class*="st-key-vl-card-"] { padding: .3rem .6rem; gap: .4rem; }
[class*="st-key-vl-card-"] [data-testid="stSliderTickBar"] { display: none; }
[class*="st-key-vl-open-"] button { justify-content: flex-start; min-height: 1.8rem; padding: 0; }
[class*="st-key-vl-open-"] button > div, [class*="st-key-vl-open-"] button span, [class*="st-key-vl-open-"] button p {
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; min-width: 0; text-align: left;
  justify-content: flex-start; }
[class*="st-key-vl-open-"] button > div { width: 100%; }
[class*="st-key-vl-card-off-"] button p { opacity: .5; }
[class*="st-key-vl-entry-"] button { justify-content: flex-start; padding: 0; min-height: 1.6rem; }
"""


def recipe(draft: Draft, group: int, refusals: Mapping[int, SSRLError], imageset: Any) -> None:
    """All cards of one view group.

    Args:
        refusals: by step number, what these images cannot take (a colour step on one channel), shown on its card.
    """
    numbers = draft.uids[group]
    if not numbers:
        frame.quiet("No steps: every view is the image as it is. Add one.")
    for position, uid in enumerate(numbers):
        _card(draft.step(uid), uid, first=position == 0, last=position == len(numbers) - 1, refusal=refusals.get(uid))
    with st.container(horizontal=True, gap="xsmall"):
        _add_menu(group)
        views_popover(draft, group, imageset)


def tools(draft: Draft, imageset: Any) -> None:
    """What concerns the whole composition."""
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        files.presets_popover()
        files.file_popover(draft, max(imageset.shape[1:]))
        for verb, icon, change, any_there in (
            ("Undo", "undo", drafts.undo, draft.past),
            ("Redo", "redo", drafts.redo, draft.future),
        ):
            symbol, key = f":material/{icon}:", f"vl-{icon}"
            st.button(
                "", key=key, icon=symbol, help=verb, disabled=not any_there, on_click=DRAFT.edit, args=("draft", change)
            )


def _card(step: Step, uid: int, *, first: bool, last: bool, refusal: SSRLError | None) -> None:
    opened = is_open(uid)
    off = "" if step.enabled else "off-"
    with st.container(border=True, key=f"vl-card-{off}{uid}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
            st.button(
                card_label(step),
                key=f"vl-open-{uid}",
                type="tertiary",
                width="stretch",
                help=step.sentence(),
                on_click=toggle_open,
                args=(uid,),
            )
            key = f"vl-on-{uid}"
            choices.show(key, step.enabled)
            st.toggle("On", key=key, label_visibility="collapsed", on_change=_switch, args=(uid, key))
        if refusal is not None:
            frame.show_error(refusal)
        DRAFT.show_note(uid)
        if opened:
            _opened(step, uid, first=first, last=last)


def is_open(uid: int) -> bool:
    """Whether a card shows its controls."""
    return uid in st.session_state.get(_OPEN, frozenset())


def toggle_open(uid: int) -> None:
    """Open a card, or close it."""
    st.session_state[_OPEN] = st.session_state.get(_OPEN, frozenset()) ^ {uid}


def open_only(uid: int) -> None:
    """Open this card and close the others."""
    st.session_state[_OPEN] = frozenset({uid})


def _switch(uid: int, key: str) -> None:
    on = st.session_state[key]
    DRAFT.edit(uid, drafts.change, uid, lambda step: replace(step, enabled=on))


def _opened(step: Step, uid: int, *, first: bool, last: bool) -> None:
    row = TRANSFORMS.get(step.transform)
    frame.quiet(row.sentence if row else _CHOICE_SENTENCE)
    edit_step(step, f"vl-set-{uid}", lambda edit: DRAFT.edit(uid, drafts.change, uid, edit))
    _as_text(step, uid)
    with st.container(horizontal=True, gap="xsmall"):
        _act("arrow_upward", "Earlier", uid, "up", drafts.move, uid, -1, disabled=first)
        _act("arrow_downward", "Later", uid, "down", drafts.move, uid, 1, disabled=last)
        _act("content_copy", "Duplicate", uid, "copy", drafts.duplicate, uid)
        _act("delete", "Remove", uid, "remove", drafts.remove, uid)


def _act(
    icon: str, words: str, uid: int, verb: str, change: Callable[..., Draft], *args: Any, disabled: bool = False
) -> None:
    key = f"vl-{verb}-{uid}"
    symbol = f":material/{icon}:"
    st.button(
        "", key=key, icon=symbol, help=words, disabled=disabled, on_click=DRAFT.edit, args=("draft", change, *args)
    )


def _as_text(step: Step, uid: int) -> None:
    """The step as a line of its file: every allowed value can be written here exactly."""
    with st.expander("As text", key=f"vl-text-expander-{uid}"):
        key = f"vl-text-{uid}"
        if DRAFT.noted(uid) is None:  # a line that was refused stays, to be mended
            choices.show(key, json.dumps(step.to_mapping(), ensure_ascii=False))
        st.text_area("The step as in a file", key=key, height="content", on_change=_take_text, args=(uid, key))


def _take_text(uid: int, key: str) -> None:
    text = st.session_state[key]
    DRAFT.edit(uid, drafts.change, uid, lambda _: Step.from_mapping(parse_yaml(text, "Step"), "Step"))


def _add_menu(group: int) -> None:
    """Every transform with its sentence, by kind."""
    menu = st.popover("Add a step", icon=":material/add:", key=choices.menu_key("vl-add"), on_change="rerun")
    if not menu.open:
        return
    with menu, st.container(key="vl-menu"):
        for kind, heading in _KINDS.items():
            frame.group(heading)
            for row in TRANSFORMS.values():
                if row.kind == kind:
                    _add_entry(row.name, row, row.sentence, group)
        frame.group("Alternatives")
        _add_entry("choice", None, _CHOICE_SENTENCE, group)


def _add_entry(name: str, row: Transform | None, sentence: str, group: int) -> None:
    title, icon = (row.title, row.icon) if row else ("One of", "alt_route")
    symbol = f":material/{icon}:"
    with st.container(key=f"vl-entry-{name}", gap=None):
        st.button(title, key=f"vl-add-button-{name}", icon=symbol, type="tertiary", on_click=_add, args=(name, group))
        frame.quiet(sentence)


def _add(name: str, group: int) -> None:
    DRAFT.edit("draft", drafts.add, new_step(name), group)
    draft = DRAFT.get()
    if draft is not None:
        open_only(draft.uids[group][-1])
    choices.close_menu("vl-add")


def views_popover(draft: Draft, group: int, imageset: Any) -> None:
    """Name, number, size and role of one kind of views; whose views pair; another kind beside it."""
    menu = st.popover("Views", icon=":material/burst_mode:", key=f"vl-views-of-{group}", on_change="rerun")
    if not menu.open:
        return
    view = draft.composition.views[group]
    with menu:
        if len(draft.composition.views) > 1:
            _field(st.text_input, "Name", group, "name", view.name, str.strip)
        _field(st.number_input, "Views of each image in training", group, "count", view.count, int, 1, 64)
        _field(
            st.number_input, "Side in px", group, "size", view.size or 0, _side, 0, 4096,
            help="0 leaves the views as large as the images.",
        )  # fmt: skip
        if len(draft.composition.views) > 1:
            _role(view, group)
        _pairs(draft, group, _pair_columns(imageset))
        DRAFT.show_note(("group", group))
        _more(draft, group, min(imageset.shape[1:]))


def _field(
    widget: Callable[..., Any], label: str, group: int, name: str, value: Any, read: Callable[[Any], Any], *bounds: Any,
    **more: Any,
) -> None:  # fmt: skip
    """One value of the group; what is refused is said in the popover."""
    key = f"vl-{name}-{group}"
    choices.show(key, value)

    def take() -> None:
        changes = {name: read(st.session_state[key])}
        DRAFT.edit(("group", group), drafts.change_group, group, **changes)

    widget(label, *bounds, key=key, on_change=take, **more)


_pair_columns = cache.kept(by=lambda imageset: (imageset, tuple(map(str, imageset.table))))(pair_columns)


def _pairs(draft: Draft, group: int, columns: list[str]) -> None:
    """Whose views count as equal: those of one image, or of different images that share a value."""
    pair = draft.composition.pair
    options = list(dict.fromkeys([IMAGE, *columns, pair]))
    if len(options) == 1:
        return
    key = f"vl-pair-{group}"
    choices.show(key, pair)

    def take() -> None:
        DRAFT.edit(("group", group), drafts.change_pair, st.session_state[key])

    st.selectbox("A pair is two views of", options, key=key, on_change=take, format_func=_pair_label, help=_ABOUT_PAIR)


def _pair_label(pair: str) -> str:
    """A pair in words."""
    return "one image" if pair == IMAGE else f"different images of one {pair}"


def _side(value: int) -> int | None:
    return int(value) or None


def _role(view: ViewGroup, group: int) -> None:
    _field(
        st.segmented_control, "Seen by", group, "role", view.role, str, list(ROLES),
        format_func=ROLES.__getitem__, required=True, help=_ABOUT_ROLE,
    )  # fmt: skip


def _more(draft: Draft, group: int, side: int) -> None:
    """Other kinds of views."""
    view = draft.composition.views[group]
    frame.action(
        "A pipeline for each view",
        "call_split",
        _change,
        drafts.split_group,
        group,
        key=f"vl-split-{group}",
        disabled=view.count < 2,
        help="Parts these views in two kinds with the same steps, which can then be changed apart, as BYOL does.",
    )
    frame.action(
        "Small local views beside these",
        "grid_view",
        _change,
        _with_local,
        group,
        side,
        key=f"vl-local-{group}",
        help=f"{LOCAL_COUNT} views of half the side from small crops, as SwAV and DINO take them.",
    )
    if len(draft.composition.views) > 1:
        frame.action(f"Remove {view.name}", "delete", _change, drafts.remove_group, group, key=f"vl-drop-{group}")


def _change(change: Callable[..., Draft], group: int, *args: Any) -> None:
    DRAFT.edit(("group", group), change, group, *args)


def _with_local(draft: Draft, group: int, side: int) -> Draft:
    """Local views that begin with the steps of a group, and with small crops."""
    view = draft.composition.views[group]
    steps = tuple(_small_crop(step) for step in view.steps)
    if not any(step.transform == "resized_crop" for step in steps):
        steps = (Step("resized_crop", settings={"scale": LOCAL_SCALE}), *steps)
    size = max(1, (view.size or side) // 2)
    return drafts.add_group(draft, group, name="local", count=LOCAL_COUNT, size=size, role="local", steps=steps)


def _small_crop(step: Step) -> Step:
    if step.transform != "resized_crop":
        return step
    return replace(step, settings={**step.settings, "scale": LOCAL_SCALE})
