"""Figures as they stand on paper: a browser that prints does not draw charts again, so pictures lie ready for it."""

from __future__ import annotations

import base64
from typing import Any

import streamlit as st
from plotly.graph_objects import Figure

from ssrl_core.figures.files import figure_file

CSS = """
.vl-paper { display: none; width: 100%; }
@media print {
  .vl-paper { display: block; break-inside: avoid; }
  .stPlotlyChart, .stElementContainer:has(.stPlotlyChart) { display: none !important; }
}
"""


class Paper:
    """Places for pictures beside the charts of a page, filled when the page stands."""

    def __init__(self) -> None:
        self._places: list[tuple[Any, Figure, str]] = []

    def keep(self, fig: Figure, words: str) -> None:
        """Let a figure be seen on paper, here; `words` are read out for it."""
        self._places.append((st.empty(), fig, words))

    def lay(self) -> None:
        """Draw the pictures; the charts are on the screen already."""
        for place, fig, words in self._places:
            place.html(_picture(str(fig.to_json()), words, _fig=fig))


@st.cache_data(max_entries=64, show_spinner=False)
def _picture(text: str, words: str, _fig: Figure) -> str:
    import html

    drawn = base64.b64encode(figure_file(_fig, "svg", width_mm=84, height_mm=62)).decode()
    return f'<img class="vl-paper" alt="{html.escape(words)}" src="data:image/svg+xml;base64,{drawn}">'
