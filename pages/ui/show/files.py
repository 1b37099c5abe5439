"""What one takes home from the Show page: figures as files, the table of all cells, the methods."""

from __future__ import annotations

import html

import streamlit as st
from plotly.graph_objects import Figure

from pages.ui.kit import frame
from pages.ui.show.pictures import Look, gallery_png
from pages.ui.show.scene import Told, table_of
from ssrl_core import stores
from ssrl_core.analysis.plates import plate_reading
from ssrl_core.exports.paragraph import paragraph
from ssrl_core.figures.files import KINDS, figure_file
from ssrl_core.figures.style import percent
from ssrl_core.runs.folder.run_folder import RunFolder


def figure_files(fig: Figure, name: str, caption: str) -> None:
    """Three small buttons; a file is made when it is asked for."""
    with st.container(horizontal=True, gap="small"):
        for kind, mime in KINDS.items():
            st.download_button(
                kind.upper(),
                lambda kind=kind: figure_file(fig, kind, caption=caption),
                f"{stores.as_slug(name, fallback='figure')}.{kind}",
                mime,
                key=f"show-file-{name}-{kind}",
                type="tertiary",
                on_click="ignore",
                help=caption,
            )


def gallery_files(told: Told, look: Look, count: int) -> None:
    """Each gallery as a PNG with its scale bar."""
    with st.container(horizontal=True, gap="small"):
        for group in told.groups:
            ids = told.scene.ids[group.rows[:count]]
            if len(ids):
                st.download_button(
                    f"{group.name} (PNG)",
                    lambda ids=ids: gallery_png(told.scene.imageset, ids, look),
                    f"{stores.as_slug(group.name, fallback='group')}.png",
                    "image/png",
                    key=f"show-gallery-{group.number}",
                    type="tertiary",
                    on_click="ignore",
                )


def table_file(told: Told) -> None:
    """Every cell with its group, as CSV."""
    st.download_button(
        "Table of all cells",
        lambda: table_of(told).to_csv(index=False).encode(),
        f"{told.scene.run_id}-cells.csv",
        "text/csv",
        icon=":material/download:",
        type="primary",
        on_click="ignore",
        key="show-table",
    )


def _plates(told: Told) -> None:
    """Whether the plate can be read from what the network sees: then groups may be plates."""
    if told.plates is None or told.wells is None:
        return
    found = plate_reading(told.scene.x, told.plates, told.wells)
    if found is not None:
        frame.quiet(
            f"From which of the {found.plates} plates a cell is, its neighbours in other wells name in "
            f"{percent(found.accuracy)} of {found.n:,} cells; by chance it would be {percent(found.chance)}. Where "
            "it is much more, groups may be plates."
        )


def methods(told: Told) -> None:
    """How it was made, folded: the paragraph for a paper, its sources, and the words that were avoided above."""
    with st.expander("How this was made (methods)", icon=":material/history_edu:"):
        text, sources = paragraph(RunFolder(told.scene.run_id), told.clustering.k)
        st.html(f'<p style="max-width:90ch;line-height:1.6">{html.escape(text)}</p>')
        st.html("<ul>" + "".join(f"<li>{html.escape(source)}</li>" for source in sources) + "</ul>")
        frame.quiet(
            "A group is a cluster found by k-means in the network's embedding; the most typical cells are those "
            "nearest to its centroid. Groups are named on the Clusters page."
        )
        _plates(told)
        st.download_button(
            "Methods (text)",
            "\n\n".join([text, *sources]),
            "methods.txt",
            "text/plain",
            type="tertiary",
            on_click="ignore",
            key="show-methods",
        )
