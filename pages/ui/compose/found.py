"""What a search has found: a handful of compositions, each with a strip of views, what it keeps, and its price."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.compose import draft as drafts
from pages.ui.compose import files, preview, wishes
from pages.ui.compose.bars import bar_html
from pages.ui.compose.draft import DRAFT
from pages.ui.compose.preview import Sample
from pages.ui.compose.wishes import FOUND, PLACE_KEY, VIEWS
from pages.ui.kit import choices, frame, jobs, session
from ssrl_core.analysis.descriptors import titled
from ssrl_core.figures.style import whole_percent
from ssrl_core.forecast.searching import so_far
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.wishes import Wishes

if TYPE_CHECKING:
    from ssrl_core.forecast import Found, Search

_POLL_S = 2.0
_IMAGES, _VIEWS = 2, 5
_MOST_PRICES = 4
_OPENED = "compose-found-opened"
_GOES_ON = "These are asked again with more images at the end."
_STOPPED = "The search was stopped: “Go on” tries the rest."

CSS = f"""
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
    session.show(PLACE_KEY, st.session_state.get(PLACE_KEY) or VIEWS)
    chosen = st.segmented_control(
        "What is shown here",
        (VIEWS, FOUND),
        key=PLACE_KEY,
        format_func={VIEWS: "Views of the draft", FOUND: "Found for your wishes"}.__getitem__,
        label_visibility="collapsed",
        required=True,
        persist_state="session",
    )
    return str(chosen or VIEWS)


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
