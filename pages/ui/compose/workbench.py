"""The workbench: recipe, views, meaning. One fragment, so that an edit runs nothing else of the page."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st

from pages.ui.compose import draft as drafts
from pages.ui.compose import files, found, meaning, preview, wishes
from pages.ui.compose import recipe as recipes
from pages.ui.compose.draft import DRAFT, Draft
from pages.ui.compose.preview import Sample
from pages.ui.kit import choices, frame, session
from ssrl_core.errors import SSRLError
from ssrl_core.specs.composition import Composition, load
from ssrl_core.specs.presets_table import PRESETS_TABLE

DEFAULT = "mnist-first-set"

CSS = f"""{found.CSS}
.vl-sentence {{ font-size: 1.02rem; line-height: 1.4; height: 2.8em; margin: .2rem 0 0; overflow: hidden;
  display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; }}
.vl-silent {{ color: {frame.QUIET}; font-size: .86rem; line-height: 1.4; min-height: 1.4em; }}
.vl-silent summary {{ cursor: pointer; }}
.vl-strip-title {{ font-size: .9rem; color: {frame.QUIET}; margin-top: .4rem; }}
.vl-strip-title b {{ color: {frame.INK}; font-weight: 600; margin-right: .4rem; }}
.st-key-vl-views {{ position: sticky; top: 1rem; container-type: inline-size; }}
@media (max-width: 1000px) {{
  .st-key-vl-bench {{ flex-direction: column !important; }}
  .st-key-vl-bench > div {{ width: 100% !important; max-width: 100% !important; flex: none !important; }}
  .st-key-vl-bench > div:has(> .st-key-vl-views) {{ order: -1; }}
  .st-key-vl-views {{ position: static; }}
}}
@media (max-width: 640px) {{
  .st-key-vl-scene [data-testid="stHorizontalBlock"] {{ display: grid; grid-template-columns: 1fr 1fr; }}
  .st-key-vl-scene [data-testid="stColumn"] {{ min-width: 0; width: auto; }}
}}
"""


@st.fragment
def workbench() -> None:
    """Everything below the heading."""
    with st.container(key="vl-scene"):
        columns = st.columns(4, gap="small")
    with columns[0]:
        name = choices.choose_dataset(default="strokes")
    with columns[1]:
        draft = _chosen_draft(name)
    with columns[2]:
        which = preview.choose_images()
    with columns[3]:
        views = preview.choose_views()
    saved = files.is_kept(draft)
    _address(draft, saved)
    _reads_as(draft, saved)
    with frame.guard():
        imageset = choices.open_imageset(name)
        _benches(draft, imageset, which, views)


def _benches(draft: Draft, imageset: Any, which: str, views: int) -> None:
    refused = preview.refusals(draft.composition, draft.uids, imageset)
    shown = preview.without(draft.composition, draft.uids, refused)
    _roll_unless_locked(shown)
    with st.container(horizontal=True, wrap=False, gap="medium", key="vl-bench"):
        left = st.container(width=320, key="vl-recipe")
        with st.container(width="stretch", key="vl-views"):  # first of all: an edit is looked for here
            wishes.of_page(imageset.name)
            face = found.place()
            sample = _sample(imageset, which, views)
            if face == wishes.FOUND:
                found.front(sample)
            else:
                _views(sample, shown)
        with left:
            _recipe(draft, refused, imageset)
        with st.container(width=320, key="vl-meaning"):
            meaning.meaning(shown, imageset, seed=preview.seed())


def _chosen_draft(dataset: str) -> Draft:
    """The draft, after what the user or the address chose was put into it; a preset follows the kind of images."""
    draft, before = DRAFT.get(), st.session_state.get("compose-chosen")
    if draft is not None and draft.origin != before and st.session_state.get("choose-composition") == before:
        st.session_state["choose-composition"] = draft.origin  # undo went back past a loading
    if draft is not None and dataset != st.session_state.get("compose-dataset"):
        _suit(draft, dataset)
    st.session_state["compose-dataset"] = dataset
    chosen = choices.choose_composition(default=choices.suited(dataset, DEFAULT))
    if draft is None:
        draft = _first_draft(chosen)
        DRAFT.put(draft)
        files.know(chosen)
        st.session_state[files.NAME_KEY] = files.suggest_name(chosen)
    elif chosen not in (before, draft.origin):
        draft = _loaded(draft, chosen)
    st.session_state["compose-chosen"] = chosen
    return draft


def _suit(draft: Draft, dataset: str) -> None:
    """Where other images were chosen, an unedited preset for another kind gives way to one for theirs."""
    fitting = choices.suited(dataset, draft.origin)
    if fitting != draft.origin and choices.linked("composition") is None and files.is_kept(draft):
        choices.travels("composition", fitting)


def _first_draft(chosen: str) -> Draft:
    """What the address holds: an unsaved draft, or the composition that it names."""
    token = st.query_params.get("draft")
    if token:
        try:
            return drafts.fresh(choices.from_token(token), chosen)
        except SSRLError as error:
            frame.show_error(error)
    return drafts.fresh(load(chosen), chosen)


def _loaded(draft: Draft, chosen: str) -> Draft:
    try:
        draft = drafts.load_into(draft, load(chosen), chosen)
    except SSRLError as error:  # a saved file that somebody broke; the draft stays
        frame.show_error(error)
        return draft
    DRAFT.put(draft)
    files.know(chosen)
    st.session_state[files.NAME_KEY] = files.suggest_name(chosen)
    return draft


def _address(draft: Draft, saved: bool) -> None:
    """Keep an unsaved draft in the address, so that a reload or a link brings it back."""
    token = "" if saved else choices.to_token(draft.composition)
    if st.query_params.get("draft", "") != token:
        if token:
            st.query_params["draft"] = token
        else:
            st.query_params.pop("draft", None)


def _reads_as(draft: Draft, saved: bool) -> None:
    """The composition as a sentence, and where its source is silent."""
    text = html.escape(draft.composition.sentence())
    text = text[:1].upper() + text[1:]
    edited = "" if saved else "Edited, not saved. "
    preset = PRESETS_TABLE.get(draft.origin)
    about = edited
    if preset is not None:
        source = html.escape(f"{edited}From {preset.source}.")
        silent = html.escape(preset.silent)
        about = f"<details><summary>{source} What it leaves open</summary>{silent}</details>" if silent else source
    st.html(f'<p class="vl-sentence" title="{text}">{text}.</p><div class="vl-silent">{about}</div>')


def _recipe(draft: Draft, refused: dict[int, SSRLError], imageset: Any) -> None:
    recipes.tools(draft, imageset)
    groups = draft.composition.views
    if len(groups) == 1:
        recipes.recipe(draft, 0, refused, imageset)
    else:
        names = [frame.plain(f"{group.name} × {group.count}") for group in groups]
        for number, tab in enumerate(st.tabs(names, key="compose-group", on_change="rerun")):
            if tab.open:
                with tab:
                    recipes.recipe(draft, number, refused, imageset)
    choices.show_fights([draft.composition])


def _sample(imageset: Any, which: str, views: int) -> Sample:
    """The images and draws, with the tools that change them."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="vl-tools"):
        st.button(
            "Roll", icon=":material/casino:", help="Roll the dice: other draws, the same images", on_click=preview.roll
        )
        session.show("compose-seed-shown", preview.seed())
        st.number_input(
            "Seed of the draws",
            0,
            2**32 - 1,
            key="compose-seed-shown",
            width=96,
            label_visibility="collapsed",
            on_change=_take_seed,
        )
        st.toggle(
            "Lock",
            value=True,
            key="compose-locked",
            persist_state="session",
            help="On: every view keeps its draws while you edit. Off: every edit rolls the dice.",
        )
        if which == "one":
            st.number_input(
                "Image",
                0,
                imageset.count - 1,
                key="compose-one",
                persist_state="session",
                width=88,
                label_visibility="collapsed",
            )
        else:
            st.button("", icon=":material/shuffle:", help="Other images", on_click=preview.other_images)
        st.toggle(
            "Draws", key="compose-captions", persist_state="session", help="Write under each view what was drawn."
        )
    ids = preview.image_ids(
        imageset,
        which,
        seed=st.session_state.get("compose-image-seed", 0),
        one=int(st.session_state.get("compose-one", 0)),
    )
    return Sample(imageset, ids, views, preview.seed())


def _take_seed() -> None:
    st.session_state["compose-seed"] = int(st.session_state["compose-seed-shown"])


def _roll_unless_locked(shown: Composition) -> None:
    before = st.session_state.get("compose-shown")
    if before is not None and before != shown and not st.session_state.get("compose-locked", True):
        preview.roll()
    st.session_state["compose-shown"] = shown


def _views(sample: Sample, shown: Composition) -> None:
    beside = meaning.beside_in_grid()
    compositions = [("A", shown), ("B", beside)] if beside is not None else [("", shown)]
    with frame.guard():
        packed = preview.grid(sample, compositions)
        header = packed[0]
        picked = min(int(st.session_state.get("compose-picked", 1)), header["columns"] * header["rows"] - 1)
        picked += picked % header["columns"] == 0
        preview.show(
            packed,
            key="compose-grid",
            captions=bool(st.session_state.get("compose-captions")),
            picked=picked,
            on_pick=_pick,
        )
        _strip(sample, compositions, picked, header["columns"])


def _strip(sample: Sample, compositions: list[tuple[str, Composition]], picked: int, columns: int) -> None:
    """The picked view, step by step."""
    row, view = divmod(picked, columns)
    image, which = divmod(row, len(compositions))
    mark, composition = compositions[which]
    image_id = sample.image_ids[min(image, len(sample.image_ids) - 1)]
    words = f"{mark} · " if mark else ""
    about = html.escape(f"{words}{preview.row_words(sample.imageset, image_id)}, view {view}")
    st.html(f'<div class="vl-strip-title"><b>Step by step</b> {about}</div>')
    packed = preview.steps_strip(sample, composition, image_id, view - 1)
    preview.show(packed, key="compose-strip", captions=True, most=170)


def _pick() -> None:
    picked = st.session_state["compose-grid"].get("picked")
    if picked:
        st.session_state["compose-picked"] = int(picked["index"])
