"""Clusters: which images does this run put together?"""

import streamlit as st

from pages.ui.clusters import address, apart, files, numbers, panel, state, strips
from pages.ui.clusters import rows as cluster_rows
from pages.ui.clusters.choice import Choice, choose_view, unfinished
from pages.ui.clusters.names import Names, cluster_facet, names_of
from pages.ui.clusters.scene import Scene, clusters_of, facet, load_scene, scores_of, stamp_of
from pages.ui.clusters.sent import answer, facet_name, pictures, pictures_name, places, told_facets, told_on
from pages.ui.clusters.table import csv
from pages.ui.kit import frame
from pages.ui.map.address import keep_views, view_of
from pages.ui.map.view import answer_asks, send_blocks, show_map
from pages.ui.map.wire import pack_map
from pages.ui.runs import choosing
from ssrl_core.analysis.clusters import Clustering

MAP_HEIGHT = 580


@st.fragment
def look(scene: Scene, clustering: Clustering, choice: Choice, names: Names) -> None:
    """The map and, at its right, what one selected on it."""
    address.keep(scene)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        draw_map(scene, clustering, choice, names)
    with right, st.container(gap="xsmall"), frame.guard():
        panel.panel(scene, clustering, choice, names)


def draw_map(scene: Scene, clustering: Clustering, choice: Choice, names: Names) -> None:
    if not choice.layout:
        why = scene.results.missing.get("layouts", "this run was evaluated without layouts")
        frame.empty(f"No map: {why}.", stop=False)
        return
    points = scene.layouts[choice.layout][0]
    named = cluster_facet(clustering, names)
    colour = facet(scene, clustering, choice.colour, named)
    now = state.selected(scene.images)
    view = view_of("", colour, map_of=f"{scene.run_id}/{choice.layout}")
    block = pack_map(
        places=f"{scene.run_id}/{scene.stamp}/{choice.layout}",
        facets=[facet_name(scene, choice, name, named) for name in told_on(scene, choice)],
        pictures=pictures_name(scene),
        selected=scene.mask(now.image_ids) if len(now.image_ids) else None,
        focus=-1 if now.focus is None else scene.row_of(now.focus),
        height=MAP_HEIGHT,
        at=view.at,
        hidden=view.hidden,
    )
    show_map(block, key="cluster-map", on_done=lambda event: state.on_map(scene, points, colour, event))


place = frame.open_page(
    "Clusters",
    "Which images does this run put together?",
    icon="bubble_chart",
    css=panel.CSS + numbers.CSS,
)
unfinished(st.query_params.get("run"))
columns = st.columns([3.4, 2.6, 1.9, 2, 2.4], vertical_alignment="bottom")
with columns[0]:
    run_id = choosing.choose_run(usable=choosing.has_embedding)
with frame.guard():
    scene = load_scene(run_id, stamp_of(run_id))
    choice = choose_view(scene, columns[1:])
    clustering = clusters_of(scene, choice.k, choice.method)
    names = names_of(scene, clustering, choice.k, choice.method)
    scored = st.container(key="cluster-scores")  # filled once the map is there: scores of a new k take seconds
    with place:
        files.figures(scene, clustering, choice, names)
        st.download_button(
            "Table of all images",
            lambda: csv(scene, clustering, names),
            f"{run_id}-k{choice.k}.csv",
            "text/csv",
            icon=":material/download:",
            type="primary",
            on_click="ignore",
        )
    send_blocks(
        {
            "cluster-places": places(scene, choice),
            **told_facets(scene, clustering, choice, cluster_facet(clustering, names)),
        }
    )
    address.restore(scene)
    look(scene, clustering, choice, names)
    scores = scores_of(scene, choice.k, choice.method)
    with scored:
        numbers.numbers(scene, scores, choice.layout)
    strips.strips(scene, clustering, choice, names)
    cluster_rows.rows(scene, clustering, names)
    apart.table(scene, clustering, names, choice.k, choice.method)
    numbers.details(scene, scores, choice)
    send_blocks({"cluster-pictures": pictures(scene)})
    named = cluster_facet(clustering, names)
    keep_views({"": facet(scene, clustering, choice.colour, named)}, key="cluster-views")
    answer_asks(lambda name, rows: answer(scene, name, rows), key="cluster-asks")
