"""The finished example on Home: the same images, two choices; a tour of three stops; three ways on."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.home.runs import thumbnail
from pages.ui.kit import cache, frame
from pages.ui.kit.frame import ACCENT, PANEL, QUIET
from ssrl_core.datasets.made.example import STROKES
from ssrl_core.figures.style import palette, whole_percent
from ssrl_core.runs import example
from ssrl_core.runs.folder.results import Results

Array = np.ndarray[Any, Any]
_TYPICAL = 8
_ACROSS = 2  # groups side by side
_MAP = (560, 250)
_KEPT, _LOST = 0.6, 0.4  # share that is read from the network: kept above, lost below, else blurred
_MOST = 3
_SHOWN_BY = {
    "digit": "which digit it is",
    "writer": "who wrote it",
    "thickness_px": "how thick the pen is",
    "slant_deg": "how far it slants",
    "size": "how large it is",
    "x_px": "where it stands",
}
_TOUR = "home-tour"

CSS = f"""
.vl-choice {{ margin: 0 0 .3rem; line-height: 1.4; }}
.vl-choice b {{ font-size: 1.12rem; font-weight: 600; display: block; }}
.vl-choice span {{ color: {QUIET}; font-size: .9rem; }}
.vl-says {{ margin: .2rem 0 0; line-height: 1.45; max-width: 60ch; }}
.vl-says b {{ font-weight: 600; }}
.vl-stop {{ background: {PANEL}; border-left: 3px solid {ACCENT}; border-radius: 0 6px 6px 0; padding: .55rem .9rem;
  margin: 0; line-height: 1.45; max-width: 90ch; }}
.vl-stop b {{ font-weight: 600; }}
.vl-stop small {{ color: {QUIET}; display: block; font-size: .8rem; }}
[class*="st-key-vl-way-"] {{ gap: .2rem; height: 100%; }}
[class*="st-key-vl-way-"] a {{ padding-left: 0; padding-right: 0; }}
[class*="st-key-vl-way-"] a p {{ font-weight: 600; font-size: 1.02rem; }}
"""
_STOPS = (
    "<b>One set of images, two choices.</b> On both sides are the same drawn digits. What differs is which changes of "
    "an image a network is told to overlook: its transformations. Nothing else.",
    "<b>Other choices, other groups.</b> Each point is an image, each colour a group that a computer found; beside its "
    "colour are the eight most typical images of each group. Left they are the digits, right they are ways of writing.",
    "<b>Every choice keeps something and loses something.</b> There is no best one: it depends on what you ask. Below "
    "are three ways on: see it with cells, see how a choice is made, or begin with images of yours.",
)


@dataclass(frozen=True)
class Choice:
    """One side: a run of the example, ready to be shown.

    Attributes:
        does: its transformations as a sentence.
        groups: PNG of eight typical images of each group.
    """

    run_id: str
    name: str
    does: str
    map: bytes
    groups: bytes
    says: str


def is_here() -> bool:
    """Whether the example ships with this copy."""
    return example.run_id("first") is not None and example.run_id("second") is not None


def show(*, tour: bool) -> None:
    """The two choices and the ways on.

    Args:
        tour: begin the tour by itself, until it is left.
    """
    stop = st.session_state.setdefault(_TOUR, 0 if tour else None)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(width="content"):
            frame.section(
                "The same images, two choices",
                "A finished example. What counts as “the same picture” decides what a network tells apart.",
            )
        if stop is None:
            frame.action("Show me around", "signpost", _go, 0, key="home-tour-begin", type="tertiary")
    _stop(0)
    with frame.guard():
        columns = st.columns(2, gap="large")
        choices = [_choice(str(example.run_id(name))) for name in ("first", "second")]
        for column, choice in zip(columns, choices, strict=True):
            with column:
                st.html(f'<p class="vl-choice"><b>{html.escape(choice.name)}</b><span>{choice.does}</span></p>')
                st.image(choice.map, width="stretch", alt=f"Map of the images: {choice.name}")
                st.image(choice.groups, width="stretch", alt="Eight typical images of each group, beside its colour")
                st.html(f'<p class="vl-says">{choice.says}</p>')
        _stop(1)
    _stop(2)
    _ways()


def _stop(number: int) -> None:
    """A stop of the tour, if it is the one that is open."""
    if st.session_state.get(_TOUR) != number:
        return
    with st.container(key="home-tour", gap="xsmall"):
        st.html(f'<p class="vl-stop"><small>Stop {number + 1} of {len(_STOPS)}</small>{_STOPS[number]}</p>')
        with st.container(horizontal=True, gap="small"):
            if number + 1 < len(_STOPS):
                frame.action("Next", "arrow_downward", _go, number + 1, key="home-tour-next")
            frame.action("Leave the tour", "close", _go, None, key="home-tour-leave", type="tertiary")


def _go(stop: int | None) -> None:
    st.session_state[_TOUR] = stop


def _ways() -> None:
    """Three cards: the cells, how it was chosen, one's own images."""
    cells = example.run_id("right")
    ways: tuple[tuple[str, str, str, str, dict[str, str]], ...] = (
        (
            "pages/8_Show.py",
            "See the cells",
            "co_present",
            "The same with cells: which compound changes them, how, and at what dose?",
            {"run": cells} if cells else {},
        ),
        (
            "pages/2_Compose.py",
            "How was this chosen?",
            "tune",
            "The transformations of the first choice, with what each does to an image and what it keeps.",
            {"dataset": STROKES, "composition": "mnist-first-set"},
        ),
        (
            "pages/1_Data.py",
            "Do this with my images",
            "photo_library",
            "A folder, a zip, a table or microscope fields; then the same two steps.",
            {},
        ),
    )
    for number, (column, (file, verb, icon, sentence, query)) in enumerate(zip(st.columns(3), ways, strict=True)):
        with column, st.container(border=True, key=f"vl-way-{number}"):
            frame.link(file, verb, icon=icon, **query)
            frame.quiet(sentence)


@cache.kept
def _choice(run_id: str) -> Choice:
    from ssrl_core.analysis.clusters import nearest
    from ssrl_core.datasets.pictures import png
    from ssrl_core.runs.evaluation.clustering import stored_clusters
    from ssrl_core.runs.folder.run_folder import RunFolder, imageset_of

    run = RunFolder(run_id)
    spec, results = run.spec(), run.results()
    k = results.counts[0]
    groups, (x, ids) = stored_clusters(run, k), run.embedding()
    points, _ = next(iter(run.layouts().values()))
    colours = palette(k)
    rows, _ = nearest(x, groups, _TYPICAL)
    width, height = _MAP
    return Choice(
        run_id=run_id,
        name=str(spec.name),
        does=html.escape(_does(spec)),
        map=png(thumbnail(points, groups.ids, colours, width=width, height=height)),
        groups=png(group_sheet(imageset_of(spec), [ids[own[own >= 0]] for own in rows], colours)),
        says=kept_words(results),
    )


def _does(spec: Any) -> str:
    sentence = " + ".join(term.composition.sentence() for term in spec.terms)
    return f"Overlooks: {sentence}."


def group_sheet(imageset: Any, groups: Iterable[Array], colours: list[str]) -> Array:
    """Typical images of each group in a row beside its colour, two groups side by side.

    Args:
        groups: image ids of each group, the most typical first.
        colours: `#rrggbb` of each.

    Returns:
        (H, W, 3) uint8.
    """
    from ssrl_core.datasets.pictures import BACKGROUND, rgb_of

    strips = []
    for ids, colour in zip(groups, colours, strict=False):
        shown = rgb_of(imageset, ids)
        side = shown.shape[1]
        strip = np.full((side + 4, (side + 2) * _TYPICAL + 14, 3), BACKGROUND, np.uint8)
        strip[1:-3, 2:7] = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        for place, picture in enumerate(shown[:_TYPICAL]):
            left = 10 + place * (side + 2)
            strip[1 : 1 + side, left : left + side] = picture
        strips.append(strip)
    if len(strips) % _ACROSS:
        strips.append(np.full_like(strips[0], BACKGROUND))
    pairs = [np.concatenate(strips[i : i + _ACROSS], axis=1) for i in range(0, len(strips), _ACROSS)]
    return np.concatenate(pairs).repeat(2, axis=0).repeat(2, axis=1)


def kept_words(results: Results) -> str:
    """What can still be read from the network, and what no longer, as HTML."""
    found = {row["name"]: float(row["value"]) for row in (results.entry("read") or {}).get("rows", ())}
    told = {words: found[name] for name, words in _SHOWN_BY.items() if name in found}
    kept = sorted((w for w in told if told[w] >= _KEPT), key=lambda w: -told[w])[:_MOST]
    lost = sorted((w for w in told if told[w] <= _LOST), key=lambda w: told[w])[:_MOST]
    blurred = sorted((w for w in told if _LOST < told[w] < _KEPT), key=lambda w: -told[w])[:_MOST]
    parts = [
        f"<b>{verb}</b> {frame.joined([f'{w} ({whole_percent(max(0.0, told[w]))})' for w in words])}."
        for verb, words in (("Keeps", kept), ("Blurs", blurred), ("Loses", lost))
        if words
    ]
    return " ".join(parts).replace(" %", "&nbsp;%")  # a number and its sign stay on one line
