"""Downloads of the comparison: both maps, the matrix and the images that moved as figures, with their tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.compare.maps import facets_of
from pages.ui.compare.matrix import column_order, contingency_of, typical_of_moved
from pages.ui.compare.pair import Pair, Side
from pages.ui.kit import frame
from pages.ui.map import files
from ssrl_core.analysis.comparison import changed_cluster
from ssrl_core.analysis.layouts import LAYOUTS
from ssrl_core.figures.sheets import matrix_file
from ssrl_core.figures.style import percent


def figures(pair: Pair, colour: str) -> None:
    """A popover with every figure of the page in three formats, and a button for the table of images.

    Args:
        colour: what both maps are coloured by.
    """
    with st.popover("Figures", icon=":material/image:", help="Figures for a paper, with their captions"):
        for side in (pair.a, pair.b):
            name = f"compared-map-{side.letter.lower()}"
            draw = lambda kind, side=side: map_file_of(pair, side, colour, kind)  # noqa: E731
            files.figure_row(f"Map of {side.letter}", name, draw, bool(side.layout))
        matrix = lambda kind: matrix_of(pair, kind)  # noqa: E731
        files.figure_row("Matrix", "compared-clusters", matrix, table=lambda: contingency_table(pair))
        gone = bool(changed_cluster(*pair.clusters).any())
        files.figure_row("Moved", "compared-moved", lambda kind: moved_file(pair, kind), gone)
        frame.quiet(files.FORMATS)
    st.download_button(
        "Table of all images",
        lambda: files.as_csv(table_of(pair)),
        "compared-images.csv",
        "text/csv",
        icon=":material/download:",
        type="primary",
        on_click="ignore",
    )


def map_file_of(pair: Pair, side: Side, colour: str, kind: str) -> bytes:
    """The map of one side as it is coloured now; a selection stands out."""
    facet, other = facets_of(pair, side, colour)[0], pair.other(side)
    caption = (
        f"{LAYOUTS[side.layout].title} of the embeddings of {len(side.run.ids)} images by {side.letter} "
        f"({side.title}), coloured by {facet.title}; {other.letter} is {other.title}. Clusters by k-means (k = "
        f"{pair.a.k} and {pair.b.k}) in the embeddings, not on the maps."
        f"{files.trust_words(side.run.layouts[side.layout][1])} Image set {side.run.imageset.title}."
    )
    title = f"{side.letter}: {side.title}"
    return files.map_figure(side.run, side.layout, facet, kind, title=title, caption=caption)


def moved_file(pair: Pair, kind: str) -> bytes:
    """The images that moved, those most typical of their cluster in A first."""
    shown, gone = typical_of_moved(pair)
    share, k = percent(len(gone) / len(pair.ids)), (pair.a.k, pair.b.k)
    caption = (
        f"{len(shown)} of {len(gone)} images ({share} of {len(pair.ids)}) whose cluster in A ({pair.a.title}, k = "
        f"{k[0]}) is not the match of their cluster in B ({pair.b.title}, k = {k[1]}); clusters are matched one to one "
        "by the images they share. The most typical of their cluster in A first."
    )
    title = "Images that moved between A and B"
    return files.grid_figure(pair.a.run.imageset, pair.ids[shown], kind, title=title, caption=caption)


def contingency_table(pair: Pair) -> pd.DataFrame:
    """Images shared by each cluster of A (rows) and of B (columns)."""
    table = contingency_of(pair)
    columns = [f"B: {pair.b.names.short(c)}" for c in range(pair.b.clustering.k)]
    rows = [f"A: {pair.a.names.short(c)}" for c in range(pair.a.clustering.k)]
    return pd.DataFrame(table, columns=columns).assign(cluster=rows)[["cluster", *columns]]


def matrix_of(pair: Pair, kind: str) -> bytes:
    """The contingency as a file."""
    table = contingency_of(pair)
    order = column_order(table)
    return matrix_file(
        table[:, order],
        [pair.a.names.short(c) for c in range(pair.a.clustering.k)],
        [pair.b.names.short(c) for c in order],
        kind,
        row_title=f"A: {pair.a.title}",
        column_title=f"B: {pair.b.title}",
        title="Which clusters share images",
        caption=f"Images shared by the clusters of A ({pair.a.title}, k = {pair.a.k}) and B ({pair.b.title}, "
        f"k = {pair.b.k}), {len(pair.ids)} images. Shade: share of the row; columns in the order of their matches.",
    )


def table_of(pair: Pair) -> pd.DataFrame:
    """One row an image: what is known of it, its clusters on both sides, and whether it moved."""
    table = files.image_rows(pair.a.run.table.iloc[pair.rows_a], pair.ids)
    for side, ids in zip((pair.a, pair.b), pair.clusters, strict=True):
        table[f"cluster_{side.letter.lower()}"] = ids
        table[f"name_{side.letter.lower()}"] = [side.names.mark(int(c)).name if c >= 0 else "" for c in ids]
    table["moved"] = np.asarray(changed_cluster(*pair.clusters))
    return table
