"""Taking a selection home: its rows as CSV and Parquet, its images and what they have in common as figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.clusters import files
from pages.ui.clusters.names import Names, cluster_facet
from pages.ui.clusters.scene import CLUSTER, Scene, facet
from pages.ui.clusters.table import csv, parquet
from ssrl_core.analysis.clusters import Clustering
from ssrl_core.analysis.selection import counts_of_codes
from ssrl_core.figures.sheets import counts_file

_MOST_IMAGES = 60


def buttons(scene: Scene, clustering: Clustering, names: Names, chosen: np.ndarray, words: str) -> None:
    """CSV, Parquet, and a popover with two figures.

    Args:
        chosen: (n,) bool.
        words: how they came together.
    """
    st.download_button(
        "CSV",
        lambda: csv(scene, clustering, names, chosen),
        f"{scene.run_id}-selection.csv",
        "text/csv",
        icon=":material/download:",
        type="tertiary",
        key="selection-csv",
        on_click="ignore",
    )
    st.download_button(
        "Parquet",
        lambda: parquet(scene, clustering, names, chosen),
        f"{scene.run_id}-selection.parquet",
        "application/vnd.apache.parquet",
        type="tertiary",
        key="selection-parquet",
        on_click="ignore",
    )
    with st.popover("Figures", type="tertiary"):
        options = [*scene.columns(), CLUSTER]
        column = st.session_state.get("counts-of") if st.session_state.get("counts-of") in options else options[0]
        of = (scene, clustering, names, chosen, words, column)
        files.row("Images", f"{scene.run_id}-selection", lambda kind: images_of(scene, chosen, words, kind))
        files.row(
            "Counts",
            f"{scene.run_id}-counts",
            lambda kind: counts_of(*of, kind),
            table=lambda: table_of(scene, clustering, names, chosen, column),
            able=facet(scene, clustering, column).codes is not None,
        )


def images_of(scene: Scene, chosen: np.ndarray, words: str, kind: str) -> bytes:
    """The most typical of the selected images."""
    rows = np.flatnonzero(chosen)
    shown = rows[np.argsort(scene.away_from_middle(rows), kind="stable")[:_MOST_IMAGES]]
    many = f"The {len(shown)} most typical of {len(rows)}" if len(shown) < len(rows) else f"All {len(rows)}"
    caption = f"{many} images selected {words}, the nearest to their mean in the embedding first. "
    return files.grid_of(
        scene.imageset, scene.ids[shown], kind, title="Selected images", caption=caption + files.source(scene)
    )


def table_of(scene: Scene, clustering: Clustering, names: Names, chosen: np.ndarray, column: str) -> pd.DataFrame:
    """How often each value of a column is among the selected and among all."""
    about = facet(scene, clustering, column, cluster_facet(clustering, names))
    return counts_of_codes(about.codes, about.names, chosen)


def counts_of(
    scene: Scene, clustering: Clustering, names: Names, chosen: np.ndarray, words: str, column: str, kind: str
) -> bytes:
    """The same as bars."""
    about = facet(scene, clustering, column, cluster_facet(clustering, names))
    caption = (
        f"{column} of {int(chosen.sum())} images selected {words}. Bars: share of them, with 95 % intervals (Wilson, "
        f"images taken as independent); ticks: share of all {len(chosen)} images. {files.source(scene)}"
    )
    return counts_file(
        counts_of_codes(about.codes, about.names, chosen),
        kind,
        colours=dict(zip(about.names, about.colours, strict=True)),
        title=f"What the selected images are: {column}",
        caption=caption,
    )
