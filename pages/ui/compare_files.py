"""Taking the comparison home: the matrix as a figure, and the table behind it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import cluster_files
from pages.ui.compare_matrix import contingency_of, order_of
from pages.ui.compare_scene import Pair
from ssrl_core.analysis.comparison import moved
from ssrl_core.figures.matrix_file import matrix_file


def figures(pair: Pair) -> None:
    """A popover with the matrix in three formats, and a button for the table of images."""
    with st.popover("Figures", icon=":material/image:", help="Figures for a paper, with their captions"):
        cluster_files.row("Matrix", "compared-clusters", lambda kind: matrix_of(pair, kind))
    st.download_button(
        "Table of all images",
        lambda: table_of(pair).to_csv(index=False).encode(),
        "compared-images.csv",
        "text/csv",
        icon=":material/download:",
        type="primary",
        on_click="ignore",
    )


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
