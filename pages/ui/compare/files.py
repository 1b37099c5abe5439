"""Taking the comparison home: both maps, the matrix and the images that moved as figures, with their tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.clusters import files
from pages.ui.compare.maps import told
from pages.ui.compare.matrix import contingency_of, order_of
from pages.ui.compare.moved import typical_of_moved
from pages.ui.compare.scene import Pair, Side
from pages.ui.kit import frame
from ssrl_core.analysis.comparison import moved
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
            draw = lambda kind, side=side: map_of(pair, side, colour, kind)  # noqa: E731
            files.row(f"Map of {side.letter}", name, draw, bool(side.method))
        matrix = lambda kind: matrix_of(pair, kind)  # noqa: E731
        files.row("Matrix", "compared-clusters", matrix, table=lambda: contingency_table(pair))
        gone = bool(moved(*pair.clusters).any())
        files.row("Moved", "compared-moved", lambda kind: moved_of(pair, kind), gone)
        frame.quiet("At 300 dpi or as vectors, fonts embedded. The address of this page shows the same view again.")
    st.download_button(
        "Table of all images",
        lambda: table_of(pair).to_csv(index=False).encode(),
        "compared-images.csv",
        "text/csv",
        icon=":material/download:",
        type="primary",
        on_click="ignore",
    )


def map_of(pair: Pair, side: Side, colour: str, kind: str) -> bytes:
    """The map of one side as it is coloured now; a selection stands out."""
    about, other = told(pair, side, colour)[0], pair.b if side is pair.a else pair.a
    judged = files.judged(side.scene.layouts[side.method][1])
    caption = (
        f"{LAYOUTS[side.method].title} of the embeddings of {len(side.scene.ids)} images by {side.letter} "
        f"({side.title}), coloured by {about.title}; {other.letter} is {other.title}. "
        f"Clusters by k-means (k = {pair.a.k} and {pair.b.k}) in the embeddings, not on the maps."
        f"{judged} Image set {side.scene.imageset.title}."
    )
    title = f"{side.letter}: {side.title}"
    return files.drawn(side.scene, side.method, about, kind, title=title, caption=caption)


def moved_of(pair: Pair, kind: str) -> bytes:
    """The images that moved, those most typical of their cluster in A first."""
    shown, gone = typical_of_moved(pair)
    share, k = percent(len(gone) / len(pair.ids)), (pair.a.k, pair.b.k)
    caption = (
        f"{len(shown)} of {len(gone)} images ({share} of {len(pair.ids)}) whose cluster in A ({pair.a.title}, k = "
        f"{k[0]}) is not the match of their cluster in B ({pair.b.title}, k = {k[1]}); clusters are matched one to one "
        "by the images they share. The most typical of their cluster in A first."
    )
    return files.grid_of(
        pair.a.scene.imageset, pair.ids[shown], kind, title="Images that moved between A and B", caption=caption
    )


def contingency_table(pair: Pair) -> pd.DataFrame:
    """Images shared by each cluster of A (rows) and of B (columns)."""
    table = contingency_of(pair)
    columns = [f"B: {pair.b.names.short(c)}" for c in range(pair.b.clustering.k)]
    rows = [f"A: {pair.a.names.short(c)}" for c in range(pair.a.clustering.k)]
    return pd.DataFrame(table, columns=columns).assign(cluster=rows)[["cluster", *columns]]


def matrix_of(pair: Pair, kind: str) -> bytes:
    """The contingency as a file."""
    table = contingency_of(pair)
    order = order_of(table)
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
    table = pair.a.scene.table.iloc[pair.rows_a].reset_index(drop=True)
    table["image_id"] = pair.ids
    table = table[["image_id", *[c for c in table.columns if c not in ("image_id", "order", "label_id")]]]
    for side, ids in zip((pair.a, pair.b), pair.clusters, strict=True):
        table[f"cluster_{side.letter.lower()}"] = ids
        table[f"name_{side.letter.lower()}"] = [side.names.mark(int(c)).name if c >= 0 else "" for c in ids]
    table["moved"] = np.asarray(moved(*pair.clusters))
    return table
