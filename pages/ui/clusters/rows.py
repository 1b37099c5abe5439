"""The images as a table, whose rows can be selected like points on the map."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.ui.clusters import state
from pages.ui.clusters.names import Names
from pages.ui.clusters.scene import Scene
from pages.ui.clusters.table import frame_of
from pages.ui.kit import frame
from ssrl_core.analysis.clusters import Clustering

MOST_ROWS = 5_000


def rows(scene: Scene, clustering: Clustering, names: Names) -> None:
    """Folded: what is selected, or all images; ticked rows become the selection."""
    with st.expander("Images as a table"):
        if not st.toggle("Show it", key="rows-show"):
            return
        now = state.selected(scene.images)
        chosen = scene.mask(now.image_ids) if len(now.image_ids) else np.ones(len(scene.ids), bool)
        table = frame_of(scene, clustering, names)[chosen]
        if len(table) > MOST_ROWS:
            frame.quiet(f"The first {MOST_ROWS} of {len(table)} rows; the button above the map takes all of them home.")
        shown = table.head(MOST_ROWS)
        event = st.dataframe(
            shown, key="rows-table", hide_index=True, on_select="rerun", selection_mode="multi-row", height=340
        )
        ticked = list(event["selection"]["rows"])
        if ticked:
            images = shown["image_id"].to_numpy()[ticked]
            st.button(
                f"Select these {len(ticked)}",
                key="rows-select",
                on_click=state.select,
                args=(scene.images, images, "ticked in the table"),
            )
