"""The workbench: recipe, views, meaning; in the middle the views or what a search has found.

One fragment, so that an edit runs nothing else. Of what was found each composition has a strip of views, what it keeps,
and its price.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.ui.compose import files, meaning, preview, wishes
from pages.ui.compose import files as drafts
from pages.ui.compose import recipe as recipes
from pages.ui.compose.bars import bar_html
from pages.ui.compose.files import DRAFT, Draft
from pages.ui.compose.preview import Sample
from pages.ui.compose.wishes import FOUND, PLACE_KEY, VIEWS
from pages.ui.kit import choices, frame, gallery, jobs
from ssrl_core.analysis.descriptors import titled
from ssrl_core.errors import SSRLError
from ssrl_core.figures.style import whole_percent
from ssrl_core.forecast.searching import so_far
from ssrl_core.specs.composition import Composition, load
from ssrl_core.specs.presets_table import PRESETS_TABLE
from ssrl_core.specs.wishes import Wishes

if TYPE_CHECKING:
    from ssrl_core.forecast import Found, Search


_POLL_S = 2.0
_IMAGES, _VIEWS = 2, 5
_MOST_PRICES = 4
_OPENED = "compose-found-opened"
_GOES_ON = "These are asked again with more images at the end."
_STOPPED = "The search was stopped: “Go on” tries the rest."

FOUND_CSS = f"""
[class*="st-key-vl-found-"] {{ padding: .7rem .8rem; gap: .5rem; }}
.vl-found-said {{ font-size: .95rem; line-height: 1.4; margin: 0; }}
.vl-found-rows {{ max-width: 420px; }}
.vl-found-rows .vl-kept {{ grid-template-columns: minmax(0, 150px) minmax(60px, 1fr) 48px; }}
.vl-found-rows .vl-kept b.wish {{ position: static; width: auto; height: auto; margin: 0 .4em 0 0; border: 0;
  background: none; font-weight: 400; color: {frame.QUIET}; }}
.vl-found-rows .ignore i {{ background: {frame.QUIET}; }}
.vl-found-price {{ font-size: .86rem; line-height: 1.4; color: {frame.QUIET}; margin: 0; }}
"""


def place() -> str:
    """Which face the middle of the page shows: the views of the draft, or what was found for the wishes."""
    wished = wishes.WISHES.get()
    if wished is None:
        return VIEWS
    choices.show(PLACE_KEY, st.session_state.get(PLACE_KEY) or VIEWS)
    words = {VIEWS: "Views of the draft", FOUND: "Found for your wishes"}
    return choices.pick("What is shown here", words, key=PLACE_KEY, first=None, label_visibility="collapsed")


def front(sample: Sample) -> None:
    """The compositions that were found; while the search runs they are looked for again and again."""
    wished = wishes.WISHES.get()
    if wished is None:
        return
    running = jobs.is_running(wishes.job_name(wished))
    st.session_state.pop(_OPENED, None)
    with frame.guard():
        st.fragment(run_every=_POLL_S if running else None)(_front)(sample, wished, running=running)


def _front(sample: Sample, wished: Wishes, *, running: bool) -> None:
    if st.session_state.get(_OPENED):
        st.rerun()  # a click in here draws this part alone; the draft that it opened is shown outside
    found = so_far(wished, sample.imageset.fingerprint, sample.imageset.label)
    if found is None:
        begun = "The first compositions are tried …" if running else "Nothing was searched for these wishes yet."
        frame.quiet(begun)
        return
    answer, whole = found
    frame.quiet(_about(answer, whole=whole, running=running))
    for note in answer.notes:
        st.html(f'<p class="vl-fight">{html.escape(note)}</p>')
    for one in answer.front:
        _card(one, wished, sample)


def _about(answer: Search, *, whole: bool, running: bool) -> str:
    tried = frame.count(answer.tried, "composition")
    these = frame.count(len(answer.front), "composition")
    rest = (
        "Shares are of what the same images tell without any steps; a share above 100 % is real: a crop can show more "
        "of a thing than the whole picture."
    )
    if whole:
        return f"{these} of {tried} tried, none of which does better in every wish than another. {rest}"
    return f"The first look at {tried}: {these} so far. {_GOES_ON if running else _STOPPED}"


def _card(one: Found, wished: Wishes, sample: Sample) -> None:
    name = one.composition.name
    with st.container(border=True, key=f"vl-found-{name}"):
        sentence = one.sentence[:1].upper() + one.sentence[1:]
        origin = f" <small>({html.escape(one.origin)})</small>" if one.origin != "found" else ""
        st.html(f'<p class="vl-found-said">{html.escape(sentence)}.{origin}</p>')
        few = Sample(sample.imageset, sample.image_ids[:_IMAGES], _VIEWS, sample.seed)
        preview.show(preview.grid(few, [("", one.composition)]), key=f"found-{name}", most=110)
        st.html(kept_html(one, wished.wishes))
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            frame.action("Open as draft", "tune", _open, one.composition, key=f"found-open-{name}")
            choices.link_to_train("Train with it", sample.imageset.name, one.composition, wished.input)


def kept_html(one: Found, wanted: Mapping[str, str]) -> str:
    """What is kept of each wish, then what else is lost."""
    rows = []
    for name, wish in wanted.items():
        share = one.kept.get(name)
        if share is None:
            continue
        said = whole_percent(max(share, 0.0))
        of = f'<span><b class="wish">{wish}</b>{html.escape(titled(name, "descriptor"))}</span>'
        drawn = f'<s style="width:100%"></s><i style="width:{100 * min(max(share, 0.0), 1.0):.0f}%"></i>'
        rows.append(bar_html(of, drawn, said, kind=wish))
    return f'<div class="vl-found-rows">{"".join(rows)}</div><p class="vl-found-price">{html.escape(_price(one))}</p>'


def _price(one: Found) -> str:
    lost = [
        f"{titled(name, 'descriptor')} {whole_percent(share)}" for name, share in list(one.price.items())[:_MOST_PRICES]
    ]
    price = f"Its price: loses {', '.join(lost)}." if lost else "It loses nothing else."
    ami = one.clusters["ami"]
    return price if ami is None else f"{price} Groups agree with the classes by AMI {max(ami, 0.0):.2f}."


def _open(composition: Composition) -> None:
    """Callback: one of them becomes the draft; undo brings back what was there."""
    draft = DRAFT.get()
    if draft is not None:
        DRAFT.put(drafts.load_into(draft, composition, draft.origin))
        st.session_state[files.NAME_KEY] = composition.name
    st.session_state[PLACE_KEY] = VIEWS
    st.session_state[_OPENED] = True


DEFAULT = "mnist-first-set"

CSS = f"""{FOUND_CSS}
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
            face = place()
            sample = _sample(imageset, which, views)
            if face == wishes.FOUND:
                front(sample)
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
        choices.show("compose-seed-shown", preview.seed())
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
    picked = gallery.heard("compose-grid", "picked", {"index": int})
    if picked:
        st.session_state["compose-picked"] = max(0, picked.get("index", 0))
