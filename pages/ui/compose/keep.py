"""What it keeps: a bar for each descriptor, column and the classes, from a forecast that is solved beside the page."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from pages.ui.compose import bars, forecasts, wishes
from pages.ui.compose.forecasts import ALL, FEW, FIXED, VIEWS, WHOLE, Answer, Question, forecast_worker
from pages.ui.kit import cache, choices, frame, gallery, jobs
from pages.ui.kit.gallery import ImageRow
from ssrl_core.analysis.descriptors import DESCRIPTORS, titled
from ssrl_core.datasets.columns import says_where_from
from ssrl_core.figures.style import palette, whole_percent
from ssrl_core.specs.composition import Composition

if TYPE_CHECKING:
    from ssrl_core.forecast import Forecast


Array = np.ndarray[Any, Any]
_WIDE, _HIGH, _EDGE, _DOT = 320, 220, 6, 2.4
_TYPICAL = 6
_BETWEEN = 18
_MOSTLY = 0.5
_OLD = "Of the composition before the last edit; the new ones come with the refined bars."

GROUPS_CSS = f"""
.vl-groups-map {{ width: 100%; border: 1px solid {frame.LINE}; border-radius: 4px; display: block; }}
"""


def groups(imageset: Any, found: Forecast, *, old: bool) -> None:
    """The section.

    Args:
        old: of the composition before the last edit; said, so that nobody takes it for the new one.
    """
    k, agreement = int(found.clusters["k"]), found.clusters["ami"]
    with st.container(key="vl-groups", gap="small"):
        with st.container(gap="xxsmall"):
            st.markdown("**Groups it would find**")
            agree = "" if agreement is None else f" They agree with the classes by AMI {max(agreement, 0.0):.2f}."
            images = frame.count(len(found.image_ids), "test image")
            about = f"Map of {images}, coloured by the {k} groups that k-means finds."
            frame.quiet(_OLD if old else f"{about}{agree}")
        colours = palette(k)
        faded = f"<style>.st-key-vl-groups {{ opacity: {0.4 if old else 1}; }}</style>"
        st.html(faded + map_html(flattened(found.embedding), found.cluster_ids, colours))
        gallery.show_rows(imageset, _image_rows(imageset, found, colours), key="compose-groups", columns=_TYPICAL)


def extremes(imageset: Any, ids: Array, values: Array, about: str) -> None:
    """Images of the set from the lowest to the highest value of a thing, evenly over their ranks.

    Args:
        ids, values: (n,) the images and what was measured of them; NaN is left out.
    """
    chosen = ranked(values, _BETWEEN)
    tips = tuple(f"{values[place]:.3g}" for place in chosen)
    low, high = tips[0], tips[-1]
    row = ImageRow(ids[chosen], title=f"{low} to {high}, from left to right and down", tips=tips, said=about)
    gallery.show_rows(imageset, [row], key="compose-extremes", columns=_TYPICAL)


def ranked(values: Array, most: int) -> Array:
    """Places of values from the lowest to the highest, at most so many, evenly over their ranks."""
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    chosen: Array = order[np.linspace(0, len(order) - 1, min(most, len(order))).round().astype(int)]
    return chosen


def flattened(embedding: Array) -> Array:
    """(n,k) embeddings to (n,2): the two directions in which they spread most (PCA)."""
    centred = embedding - embedding.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    places: Array = centred @ directions[:2].T
    return np.pad(places, ((0, 0), (0, 2 - places.shape[1])))


def map_html(places: Array, cluster_ids: Array, colours: Sequence[str]) -> str:
    """The map as a picture; the furthest percent of points sit on its edge and do not press the rest together.

    Args:
        places: (n,2).
    """
    low, high = np.quantile(places, [0.01, 0.99], axis=0)
    shares = np.clip((places - low) / np.maximum(high - low, 1e-9), 0, 1)
    x, y = _EDGE + shares[:, 0] * (_WIDE - 2 * _EDGE), _HIGH - _EDGE - shares[:, 1] * (_HIGH - 2 * _EDGE)
    dots = "".join(
        f'<circle cx="{a:.1f}" cy="{b:.1f}" r="{_DOT}" fill="{colours[group]}" fill-opacity=".8"/>'
        for a, b, group in zip(x, y, cluster_ids, strict=True)
    )
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {_HIGH}">{dots}</svg>'
    data = base64.b64encode(svg.encode()).decode()
    return f'<img class="vl-groups-map" alt="Map of the groups" src="data:image/svg+xml;base64,{data}">'


def nearest(embedding: Array, cluster_ids: Array, cluster: int, most: int) -> Array:
    """Places of the members that lie nearest to the middle of their group."""
    members = np.flatnonzero(cluster_ids == cluster)
    away = np.square(embedding[members] - embedding[members].mean(axis=0)).sum(axis=1)
    order: Array = members[np.argsort(away, kind="stable")][:most]
    return order


def _image_rows(imageset: Any, found: Forecast, colours: Sequence[str]) -> list[ImageRow]:
    """A row for each group, the largest first."""
    sizes = np.bincount(found.cluster_ids, minlength=len(colours))
    labels = np.asarray(imageset.label_ids)[found.image_ids]
    image_rows = []
    for cluster in np.argsort(-sizes, kind="stable"):
        if sizes[cluster]:
            ids = found.image_ids[nearest(found.embedding, found.cluster_ids, int(cluster), _TYPICAL)]
            share = f"{whole_percent(sizes[cluster] / len(labels))} of the images"
            words = _mostly(labels[found.cluster_ids == cluster], imageset.classes)
            image_rows.append(ImageRow(ids, title=f"{share}{words}", colour=colours[cluster]))
    return image_rows


def _mostly(labels: Array, classes: Sequence[str]) -> str:
    """`, 86 % of them 7`, or "" where no class has half of the group."""
    known = labels[labels >= 0]
    if not len(known):
        return ""
    counts = np.bincount(known)
    share = counts.max() / len(labels)
    return f", {whole_percent(share)} of them {classes[int(counts.argmax())]}" if share >= _MOSTLY else ""


_POLL_S = 0.2
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

CSS = bars.CSS + GROUPS_CSS + wishes.CSS


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
    ask = partial(forecast_worker().ask, choices.visitor(), question, imageset, by_step=bool(fold.open))
    answer = ask()
    wished = wishes.of_page(imageset.name)
    with top:
        if not answer.error:
            wishes.section(imageset, answer.found or _last(answer, imageset.name), wished)
        marks = wishes.marks_of(wished)
        jobs.live(_bars, ask, imageset, marks, polling=not answer.done(), every_s=_POLL_S)
    if fold.open:
        with fold:
            jobs.live(_steps, ask, shown, polling=not answer.done(by_step=True), every_s=_POLL_S)
    if answer.found is not None:
        _about_a_bar(question, imageset, answer.found)
    wishes.listen()  # not above the bars, where it would take room
    if found := _last(answer, imageset.name):
        groups(imageset, found, old=found is not answer.found)
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
            format_func=lambda name: titled(name, rows[name].kind),
            label_visibility="collapsed",
            persist_state="session",
        )
        ids, values = forecasts.measured(question, imageset)
        about = DESCRIPTORS[name].sentence if name in DESCRIPTORS else "A column of the table."
        extremes(imageset, ids, values[name], about)


def _input(shown: Composition) -> str:
    """What the network is shown of an image; only asked where the composition has steps without chance."""
    if not _certain(shown.renamed("any")):
        return WHOLE
    words = {WHOLE: "whole", FIXED: "as the fixed steps leave them"}
    return choices.pick("Pictures that are embedded", words, key=_INPUT_KEY, help=_ABOUT_INPUT)


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
        frame.warn(answer.error)
    found = answer.found or _last(answer, imageset.name)
    if found is not None:
        _refine_words(answer)
        if warned := _warned(answer):
            st.html("".join(f'<p class="vl-fight">{html.escape(text)}</p>' for text in warned))
        icc = bool(st.session_state.get(_ICC_KEY))
        hidden = () if st.session_state.get(_COLUMNS_KEY) else _where_from(found)
        harder = ""
        if answer.found is None or answer.refined:
            harder = bars.harder_html(found, imageset.label_ids) + bars.pairs_html(found, imageset.label_ids)
        st.html(bars.bars_html(found, old=answer.found is None, icc=icc, below=harder, marks=marks, hidden=hidden))
        if hidden:
            frame.quiet(f"Not shown, as they seem to say where an image comes from: {', '.join(hidden)}.")
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
