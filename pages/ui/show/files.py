"""Downloads of the Show page: figures and galleries as files, the table, the methods; and what prints.

A browser that prints does not draw charts again, so pictures of them lie ready for paper.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any

import streamlit as st
from plotly.graph_objects import Figure

from pages.ui.kit import cache, frame
from pages.ui.show.cells import Look, ShownCells, gallery_png, table_of
from ssrl_core import stores
from ssrl_core.analysis.plates import plate_reading
from ssrl_core.exports.card import paragraph
from ssrl_core.figures.sheets import figure_file
from ssrl_core.figures.style import percent
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.folder.verdict import in_words, standing, verdict

_PRINTABLE, _PRINTABLE_AFTER_S = "show-printable", 1.5

CSS = """
.vl-paper { display: none; width: 100%; }
@media print {
  .vl-paper { display: block; break-inside: avoid; }
  .stPlotlyChart, .stElementContainer:has(.stPlotlyChart) { display: none !important; }
}
"""


class PrintedFigures:
    """Places for pictures beside the charts of a page; the first of a visit are drawn once the page stands."""

    def __init__(self) -> None:
        self._places: list[tuple[Any, Figure, str]] = []

    def keep(self, fig: Figure, words: str) -> None:
        """Let a figure be seen on paper, here; `words` are read out for it."""
        self._places.append((st.empty(), fig, words))

    def draw(self) -> None:
        """Draw the pictures; the charts are on the screen already."""
        if not st.session_state.get(_PRINTABLE):
            st.fragment(run_every=_PRINTABLE_AFTER_S)(self._prepare)(count())
            return
        for place, fig, words in self._places:
            place.html(_picture(fig, words))

    def _prepare(self, turns: Iterator[int]) -> None:
        """What draws for paper takes as long to load as all else on the page."""
        if next(turns):
            for _, fig, words in self._places:
                _picture(fig, words)
            st.session_state[_PRINTABLE] = True
            st.rerun()


@cache.kept(by=lambda fig, words: (str(fig.to_json()), words), least=8)
def _picture(fig: Figure, words: str) -> str:
    drawn = base64.b64encode(figure_file(fig, "svg", width_mm=84, height_mm=62)).decode()
    return f'<img class="vl-paper" alt="{html.escape(words)}" src="data:image/svg+xml;base64,{drawn}">'


def gallery_files(cells: ShownCells, look: Look, count: int) -> None:
    """Each gallery as a PNG with its scale bar."""
    with st.container(horizontal=True, gap="small"):
        for group in cells.groups:
            ids = cells.run.ids[group.rows[:count]]
            if len(ids):
                st.download_button(
                    f"{group.name} (PNG)",
                    partial(gallery_png, cells.run.imageset, ids, look),
                    f"{stores.as_slug(group.name, fallback='group')}.png",
                    "image/png",
                    key=f"show-gallery-{group.number}",
                    type="tertiary",
                    on_click="ignore",
                )


def table_file(cells: ShownCells) -> None:
    """Every cell with its group, as CSV."""
    st.download_button(
        "Table of all cells",
        lambda: stores.csv_text(table_of(cells)).encode(),
        f"{cells.run.run_id}-cells.csv",
        "text/csv",
        icon=":material/download:",
        type="primary",
        on_click="ignore",
        key="show-table",
    )


def verdict_words(cells: ShownCells) -> str:
    """How well the network sorts, beside raw pixels and an untrained one, in a few words."""
    spec, results = RunFolder(cells.run.run_id).spec(), cells.run.results
    said = standing(results, spec.method.name)
    if not said:
        return verdict(results, trained=spec.is_trained, solved=spec.is_solved)
    return f"Beside the labels that are known ({cells.run.label}), the sorting is {said[0].lower()}{said[1:]}."


def methods(cells: ShownCells) -> None:
    """How it was made, folded: the paragraph for a paper, its sources, and the words that were avoided above."""
    with st.expander("How this was made (methods)", icon=":material/history_edu:"):
        text, sources = paragraph(RunFolder(cells.run.run_id), cells.k)
        st.html(f'<p style="max-width:90ch;line-height:1.6">{html.escape(text)}</p>')
        frame.quiet(in_words(cells.run.results, RunFolder(cells.run.run_id).spec()))
        st.html("<ul>" + "".join(f"<li>{html.escape(source)}</li>" for source in sources) + "</ul>")
        frame.quiet(
            "A group is a cluster found by k-means in the network's embedding; the most typical cells are those "
            "nearest to its centroid. Groups are named on the Clusters page."
        )
        _plates(cells)
        st.download_button(
            "Methods (text)",
            "\n\n".join([text, *sources]),
            "methods.txt",
            "text/plain",
            type="tertiary",
            on_click="ignore",
            key="show-methods",
        )


def _plates(cells: ShownCells) -> None:
    """Whether the plate can be read from what the network sees: then groups may be plates."""
    if cells.plates is None or cells.wells is None:
        return
    found = plate_reading(cells.run.x, cells.plates, cells.wells)
    if found is not None:
        frame.quiet(
            f"Can the plate be read from a cell? Its nearest cells in other wells name the right one of "
            f"{found.plates} plates for {percent(found.accuracy)} of {found.n:,} cells; by chance it would be "
            f"{percent(found.chance)}. Where it is much more, groups may be plates."
        )
