"""The charts of an item, and the images that the paper's figures show: clusters, or cells of each condition."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.ui.kit import cache, frame
from pages.ui.kit.frame import IMAGE_GROUND, QUIET
from pages.ui.paper import items, runs
from ssrl_core.library.paper import MOST_SWEEPS, charts
from ssrl_core.paper import bases, galleries, running, words
from ssrl_core.paper.galleries import Gallery
from ssrl_core.paper.item import Scale

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


_SMALL_ONES = ("table-3", "table-4", "table-8", "figure-6", "figure-7", "figure-8", "figure-12")
"""A chart a sweep, on one scale."""
_LARGE_PX = 48
CSS = f"""
.paper-rows div {{ display: grid; grid-template-columns: minmax(0, 1fr) 9.5rem; gap: .7rem; align-items: center;
  margin-bottom: 4px; }}
.paper-rows img {{ width: 100%; max-width: 640px; display: block; background: {IMAGE_GROUND}; border-radius: 3px;
  image-rendering: auto; }}
.paper-rows span {{ color: {QUIET}; font-size: .8rem; line-height: 1.3; }}
.paper-rows.above div {{ grid-template-columns: minmax(0, 1fr); gap: .1rem; margin-bottom: .5rem; }}
.paper-rows.above img {{ grid-row: 2; max-width: none; }}
@media (max-width: 640px) {{ .paper-rows div {{ grid-template-columns: minmax(0, 1fr); gap: .1rem; }} }}
"""


def show_charts(name: str, scale: Scale) -> None:
    """The charts of an item that has results."""
    figures = _figures(name, scale, items.mark(name, scale))
    if not figures:
        return
    frame.section("Chart")
    evidence = running.evidence(name, scale)
    names = evidence.specs if evidence.is_solved else evidence.sweep_ids()
    there = sum(not one.endswith(bases.TESTED) for one in names)
    if there > MOST_SWEEPS <= len(figures):
        rest = "the numbers of all are told here too" if evidence.is_solved else "the Classes and Train pages have all"
        frame.quiet(f"At most {MOST_SWEEPS} of the {there} sweeps are drawn; {rest}.")
    if key := words.chart_key(name):
        frame.quiet(key)
    across = min(2, len(figures)) if name in _SMALL_ONES else 1
    for start in range(0, len(figures), across):
        for number, place in enumerate(st.columns(across), start):
            if number < len(figures):
                with place:
                    _draw(figures[number], f"paper-chart-{name}-{scale}-{number}")


def _draw(figure: Figure, key: str) -> None:
    """A chart, its finding above it: as a title inside it would not wrap."""
    if figure.layout.meta:
        frame.finding(str(figure.layout.meta))
    frame.chart(figure, key)


@cache.kept(least=4)
def _figures(name: str, scale: Scale, mark: tuple[Any, ...]) -> list[Figure]:
    return charts(name, items.evidence_of(name, scale))


def show_galleries(name: str, scale: Scale) -> None:
    """The clusters of every composition, one beside the other, two a row; what is wrong with one is told in its
    place."""
    shown = _galleries(name, scale, items.mark(name, scale))
    if not shown:
        return
    frame.section("The clusters", galleries.above(name, running.evidence(name, scale)))
    for start in range(0, len(shown), 2):
        for place, one in zip(st.columns(2, gap="medium"), shown[start : start + 2], strict=False):
            with place, frame.guard():
                st.html(f"<b>{html.escape(one.title)}</b>")
                _show(one, above=_is_large(one))
                if one.run:
                    frame.link("pages/4_Clusters.py", "Look at this run", icon="bubble_chart", run=one.run)


@cache.kept(spinner="Finding typical images", least=8)
def _galleries(name: str, scale: Scale, mark: tuple[Any, ...]) -> list[Gallery]:
    return galleries.galleries(name, items.evidence_of(name, scale))


def _show(one: Gallery, *, above: bool) -> None:
    if one.problem:
        frame.quiet(one.problem)
        return
    from ssrl_core.datasets import store as image_sets

    st.html(_rows_html(one, str(image_sets.load(one.dataset).fingerprint), above))


def _is_large(one: Gallery) -> bool:
    """Whether its images leave no room for words beside them."""
    from ssrl_core.datasets import store as image_sets

    return not one.problem and max(image_sets.load(one.dataset).shape[1:]) > _LARGE_PX


@cache.kept(spinner="Drawing images", least=8)
def _rows_html(one: Gallery, fingerprint: str, above: bool) -> str:
    """Rows of images with a caption each, beside them or above, which leaves more room."""
    from ssrl_core.datasets import store as image_sets

    imageset, parts = image_sets.load(one.dataset), []
    for ids, text in one.rows:
        picture, caption = base64.b64encode(galleries.picture(imageset, ids)).decode(), html.escape(text)
        parts.append(f'<div><img alt="{caption}" src="data:image/png;base64,{picture}"><span>{caption}</span></div>')
    return f'<div class="paper-rows{" above" if above else ""}">{"".join(parts)}</div>'


def show_conditions() -> None:
    """Figure 5: cells of every condition, of each image set of cells that is here."""
    there = galleries.galleries(galleries.CONDITIONS, None)
    for one in there:
        frame.section(one.title)
        with frame.guard():
            _show(one, above=False)
        frame.link("pages/1_Data.py", "More of them", icon="photo_library", dataset=one.dataset)
    if not any(one.dataset == "simulated-cells" for one in there):
        frame.quiet("Simulated cells, of which the true response is known, are made once, within a minute or two.")
        if st.button("Make simulated cells", icon=":material/science:", key="paper-make-cells"):
            with frame.guard():
                runs.prepare_images(("simulated-cells",))
                st.rerun()
