"""What it keeps: a bar for each descriptor, column and the classes, from a forecast that is solved beside the page."""

from __future__ import annotations

import html
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.ui.compose import bars, forecasts, groups, wishes
from pages.ui.compose.forecasts import ALL, FEW, FIXED, VIEWS, WHOLE, Answer, Question, forecast_worker
from pages.ui.kit import cache, frame, session
from ssrl_core.analysis.descriptors import DESCRIPTORS
from ssrl_core.datasets.columns import says_where_from
from ssrl_core.specs.composition import Composition

if TYPE_CHECKING:
    from ssrl_core.forecast import Forecast

_POLL_S = 0.3
_INPUT_KEY, _ICC_KEY, _LAST_KEY = "compose-keep-input", "compose-keep-icc", "compose-keep-last"
_COLUMNS_KEY = "compose-keep-columns"
_ABOUT_COLUMNS = "Also show columns that seem to say where an image comes from: plate, field, replicate, numbers."
_ABOUT = (
    "A forecast, before any training: fixed random features of the views, and one linear map of them that keeps what "
    "views of one image have in common. A bar is how well the result still tells a thing on images that it was not "
    "solved on (R², for classes accuracy); the outline is the same without any steps, the fine line the 95 % interval."
)
_ABOUT_ICC = "Share of a descriptor's variance that the views of one image have in common: 1 untouched, 0 destroyed."
_ABOUT_INPUT = (
    "Steps without chance (a fixed centre crop) can belong to what the network is shown of an image afterwards, or "
    "only to its training. What is cut away there cannot be kept."
)

CSS = bars.CSS + groups.CSS + wishes.CSS


def keep(shown: Composition, imageset: Any, beside: Composition | None) -> None:
    """The section.

    Args:
        shown: the draft without the steps that these images refuse.
        beside: a second composition, to set beside.
    """
    st.subheader("What it keeps", anchor=False, help=_ABOUT)
    question = Question(shown, beside, imageset.name, imageset.fingerprint, _input(shown))
    top = st.container()
    fold = st.expander("What each step costs", key="compose-keep-steps", on_change="rerun")
    ask = partial(forecast_worker().ask, session.visitor(), question, imageset, by_step=bool(fold.open))
    answer = ask()
    wished = wishes.of_page(imageset.name)
    with top:
        if not answer.error:
            wishes.section(imageset, answer.found or _last(answer, imageset.name), wished)
        _live(_bars, answer, not answer.done(), ask, imageset, wishes.marks_of(wished))
    if fold.open:
        with fold:
            _live(_steps, answer, not answer.done(by_step=True), ask, shown)
    if answer.found is not None:
        _about_a_bar(question, imageset, answer.found)
    wishes.listen()  # not above the bars, where it would take room
    if found := _last(answer, imageset.name):
        groups.groups(imageset, found, old=found is not answer.found)
    if answer.refined:
        st.session_state[_LAST_KEY] = (imageset.name, answer.found)


def _about_a_bar(question: Question, imageset: Any, found: Forecast) -> None:
    """Images from one extreme of a descriptor to the other; a click on a bar's name opens it."""
    fold = st.expander("What a bar is about", key=wishes.ABOUT_KEY, on_change="rerun")
    if not fold.open:
        return
    rows = {row.name: row for row in found.kept if row.kind != "classes"}
    with fold:
        if st.session_state.get(wishes.ABOUT_KEY + "-name") not in rows:
            st.session_state[wishes.ABOUT_KEY + "-name"] = next(iter(rows))
        name = st.selectbox(
            "Bar",
            list(rows),
            key=wishes.ABOUT_KEY + "-name",
            format_func=lambda name: bars.titled(name, rows[name].kind),
            label_visibility="collapsed",
            persist_state="session",
        )
        ids, values = forecasts.measured(question, imageset)
        about = DESCRIPTORS[name].sentence if name in DESCRIPTORS else "A column of the table."
        groups.extremes(imageset, ids, values[name], about)


def _live(draw: Any, answer: Answer, polling: bool, *args: Any) -> None:
    """Draw a part; while something of it is missing it is drawn again and again, by itself."""
    st.fragment(run_every=_POLL_S if polling else None)(draw)(*args, polling=polling)


def _input(shown: Composition) -> str:
    """What the network is shown of an image; only asked where the composition has steps without chance."""
    if not _certain(shown.renamed("any")):
        return WHOLE
    chosen = st.segmented_control(
        "Pictures that are embedded",
        (WHOLE, FIXED),
        default=WHOLE,
        key=_INPUT_KEY,
        format_func={WHOLE: "whole", FIXED: "as the fixed steps leave them"}.__getitem__,
        help=_ABOUT_INPUT,
        required=True,
        persist_state="session",
    )
    return str(chosen or WHOLE)


def input_of(composition: Composition) -> str:
    """What is embedded of an image under a composition, as it was chosen last: `evaluate.input` of a run."""
    chosen = str(st.session_state.get(_INPUT_KEY) or WHOLE)
    return chosen if _certain(composition.renamed("any")) else WHOLE


@cache.kept
def _certain(composition: Composition) -> bool:
    from ssrl_core.compositions.draws import fixed_steps

    return bool(fixed_steps(composition).views[0].steps)


def _last(answer: Answer, dataset: str) -> Forecast | None:
    """The refined forecast, else the one that this session saw last on these images."""
    if answer.refined:
        return answer.found
    name, found = st.session_state.get(_LAST_KEY, (None, None))
    return found if name == dataset and not answer.error else None


def _bars(ask: Any, imageset: Any, marks: dict[str, str], *, polling: bool) -> None:
    """What is known so far; while it is refined this part asks again, by itself."""
    answer: Answer = ask()
    if answer.error:
        st.warning(answer.error, icon=":material/info:")
    found = answer.found or _last(answer, imageset.name)
    if found is not None:
        _refine_words(answer)
        if warned := _warned(answer):
            st.html("".join(f'<p class="vl-fight">{html.escape(text)}</p>' for text in warned))
        icc = bool(st.session_state.get(_ICC_KEY))
        hidden = () if st.session_state.get(_COLUMNS_KEY) else _where_from(found)
        if hidden:
            frame.quiet(f"Not shown, as they seem to say where an image comes from: {', '.join(hidden)}.")
        harder = ""
        if answer.found is None or answer.refined:
            harder = bars.harder_html(found, imageset.label_ids) + bars.pairs_html(found, imageset.label_ids)
        st.html(bars.bars_html(found, old=answer.found is None, icc=icc, below=harder, marks=marks, hidden=hidden))
        with st.container(horizontal=True):
            st.toggle("ICC", key=_ICC_KEY, help=_ABOUT_ICC, persist_state="session")
            if _where_from(found):
                st.toggle("All columns", key=_COLUMNS_KEY, help=_ABOUT_COLUMNS, persist_state="session")
    elif not answer.error:
        frame.quiet("Looking at the first images …")
        st.html('<div class="vl-kept-skeleton"></div>')
    if polling and answer.done():
        st.rerun()


def _where_from(found: Forecast) -> list[str]:
    """Columns that say where an image comes from, by their names; nobody wishes to keep them."""
    return [row.name for row in found.kept if row.kind == "column" and says_where_from(row.name)]


def _warned(answer: Answer) -> list[str]:
    return forecasts.warnings(answer.found) if answer.found is not None and answer.refined else []


def _refine_words(answer: Answer) -> None:
    """From how many images this is, and whether more come."""
    found = answer.found
    if found is None:
        words = "Looking anew …"
    elif answer.refined or answer.error:
        words = f"{frame.count(found.images, 'image')} × {VIEWS} views, solved on one half."
    else:
        words = f"First look at {frame.count(min(found.images, FEW), 'image')}, refining with up to {ALL:,} …"
    working = not answer.done()
    bar = frame.progress_bar(answer.share) if working else '<div class="vl-bar" style="visibility:hidden"></div>'
    st.html(f'<div class="vl-quiet vl-kept-state">{html.escape(words)}{bar}</div>')


def _steps(ask: Any, shown: Composition, *, polling: bool) -> None:
    """What is kept without each step, as it is found; every step has its row from the beginning."""
    answer: Answer = ask()
    names = [step.sentence() for group in shown.views for step in group.steps if step.enabled]
    if not names:
        frame.quiet("There is no step that is switched on.")
    elif answer.found is not None and not answer.error:
        begun = answer.refined
        done = answer.steps if begun else []
        frame.quiet("Points of R² or accuracy." if answer.stepped else _leaving_out(len(done), len(names), begun))
        st.html(bars.steps_html(answer.found, done, names[len(done) :]))
        if begun and not answer.stepped:
            st.html(frame.progress_bar(answer.share))
    if polling and answer.done(by_step=True):
        st.rerun()


def _leaving_out(done: int, count: int, begun: bool) -> str:
    return (
        f"Leaving out one step after another: {done} of {count} …" if begun else "It begins when the bars are refined."
    )
