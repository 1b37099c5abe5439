"""The images that moved: put together otherwise on one side than on the other, and what is selected, seen from both."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.ui.clusters import panel, state
from pages.ui.clusters.choice import Choice
from pages.ui.clusters.scene import CLUSTER
from pages.ui.compare.scene import Pair
from pages.ui.kit import frame, gallery
from ssrl_core.analysis.clusters import distances_to_own
from ssrl_core.analysis.comparison import moved
from ssrl_core.analysis.selection import counts_of_codes

_SHOWN = 48


def moved_images(pair: Pair) -> None:
    """Those that moved, the ones most typical of their cluster in A first, and a button that selects them all."""
    a, b = pair.clusters
    gone = np.flatnonzero(moved(a, b))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        frame.section("Images that moved")
        if len(gone) and st.button(f"Select all {len(gone)}", key="moved-select", icon=":material/select_all:"):
            state.select(pair.a.scene.images, pair.ids[gone], "moved between A and B")
            st.rerun()
    if not len(gone):
        frame.quiet("None: every cluster of A has its match in B.")
        return
    frame.quiet(
        "Their cluster in A is not the match of their cluster in B; the most typical of their cluster in A first."
    )
    shown, _ = typical_of_moved(pair)
    names_a, names_b = pair.a.names, pair.b.names
    gallery.show_grid(
        pair.a.scene.imageset,
        pair.ids[shown],
        tile_px=64,
        captions=[f"A{a[i]} → B{b[i]}" for i in shown],  # names are too long for a tile: they are in the tips
        tips=[f"image {pair.ids[i]}\n{names_a.title(int(a[i]))} of A, {names_b.title(int(b[i]))} of B" for i in shown],
        picked=state.selected(pair.a.scene.images).focus,
        key="moved-grid",
        on_pick=lambda event: state.on_gallery(pair.a.scene, pair.a.clustering.ids, event),
    )


def typical_of_moved(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """(at most 48,), (m,): places among the shared images of those to show and of all that moved."""
    gone = np.flatnonzero(moved(*pair.clusters))
    away = distances_to_own(pair.a.scene.x, pair.a.clustering)[pair.rows_a[gone]]
    return gone[np.argsort(away, kind="stable")[:_SHOWN]], gone


def selection(pair: Pair) -> None:
    """What is selected, with its clusters on both sides."""
    now = state.selected(pair.a.scene.images)
    choice = Choice(pair.a.method, CLUSTER, pair.a.k)
    panel.panel(pair.a.scene, pair.a.clustering, choice, pair.a.names)
    chosen = np.isin(pair.ids, now.image_ids)
    if chosen.any():
        for side, ids in zip((pair.a, pair.b), pair.clusters, strict=True):
            frame.quiet(f"Clusters of {side.letter} that they are in")
            names = [side.names.title(c) for c in range(side.clustering.k)]
            colours = {name: side.names.colour(c) for c, name in enumerate(names)}
            st.html(panel.bars(counts_of_codes(ids, names, chosen), colours))
