"""Clusters: which images does this run put together?"""

import numpy as np
import streamlit as st

from pages.ui import choose, cluster_numbers, cluster_panel, cluster_state, cluster_strips, frame
from pages.ui.cluster_choice import Choice, choose_view, unfinished
from pages.ui.cluster_scene import (
    Scene,
    cluster_facet,
    clusters_of,
    facet,
    label_facet,
    load_scene,
    scores_of,
    stamp_of,
)
from pages.ui.cluster_table import csv
from pages.ui.map_pictures import pictures_block
from pages.ui.map_view import send_pictures, show_map
from pages.ui.map_wire import pack_points
from ssrl_core.analysis.clusters import Clustering

MAP_HEIGHT = 580


@st.fragment
def look(scene: Scene, clustering: Clustering, choice: Choice) -> None:
    """The map and, at its right, what one selected on it."""
    left, right = st.columns([3, 2], gap="medium")
    with left:
        draw_map(scene, clustering, choice)
    with right, st.container(gap="xsmall"), frame.guard():
        cluster_panel.panel(scene, clustering)


def draw_map(scene: Scene, clustering: Clustering, choice: Choice) -> None:
    if not choice.layout:
        why = (scene.results.get("missing") or {}).get("layouts", "this run was evaluated without layouts")
        frame.empty(f"No map: {why}.", stop=False)
        return
    points = scene.layouts[choice.layout][0]
    colour = facet(scene, clustering, choice.colour)
    others = [f for f in (label_facet(scene), cluster_facet(clustering)) if f and f.title != colour.title]
    now = cluster_state.selected(scene.run_id)
    block = pack_points(
        points,
        colour,
        also=tuple(others),
        image_ids=scene.ids,
        selected=np.isin(scene.ids, now.image_ids) if len(now.image_ids) else None,
        focus=-1 if now.focus is None else scene.row_of(now.focus),
        layout=f"{scene.run_id}/{choice.layout}/{scene.stamp}",
        pictures=f"{scene.run_id}/{scene.stamp}",
        height=MAP_HEIGHT,
    )
    show_map(block, key="cluster-map", on_done=lambda event: cluster_state.on_map(scene, points, colour, event))


@st.cache_data(max_entries=3, show_spinner=False)
def pictures(run_id: str, stamp: str) -> bytes | None:
    scene = load_scene(run_id, stamp)
    return pictures_block(scene.imageset, scene.ids, f"{run_id}/{stamp}")


place = frame.open_page(
    "Clusters",
    "Which images does this run put together?",
    icon="bubble_chart",
    css=cluster_panel.CSS + cluster_numbers.CSS,
)
unfinished(st.query_params.get("run"))
columns = st.columns([4, 2.4, 2, 3], vertical_alignment="bottom")
with columns[0]:
    run_id = choose.choose_run()
with frame.guard():
    scene = load_scene(run_id, stamp_of(run_id))
    choice = choose_view(scene, columns[1:])
    clustering = clusters_of(scene, choice.k)
    scores = scores_of(scene, choice.k)
    with place:
        st.download_button(
            "Table of all images",
            lambda: csv(scene, clustering),
            f"{run_id}-k{choice.k}.csv",
            "text/csv",
            icon=":material/download:",
            type="primary",
            on_click="ignore",
        )
    cluster_numbers.numbers(scene, scores, choice.layout)
    look(scene, clustering, choice)
    cluster_strips.strips(scene, clustering)
    seen = st.session_state.setdefault("scores-seen", {}).setdefault(run_id, {})
    seen[choice.k] = scores
    cluster_numbers.details(scene, scores, seen, choice.k)
    send_pictures(pictures(run_id, scene.stamp), key="cluster-pictures")
