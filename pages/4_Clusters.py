"""Clusters: which images does this run put together?"""

import streamlit as st

from pages.ui.clusters import scores, strips
from pages.ui.kit import frame
from pages.ui.map import panel, selection
from pages.ui.map.evaluated import clustered, open_run, scores_of
from pages.ui.map.files import as_csv, image_table
from pages.ui.runs import choosing

place = frame.open_page(
    "Clusters",
    "Which images does this run put together?",
    css=panel.CSS + scores.CSS,
)
scores.explain_unfinished(st.query_params.get("run"))
choosing.need_a_run()
columns = st.columns([3.4, 2.6, 1.9, 2, 2.4], vertical_alignment="bottom")
with columns[0]:
    run_id = choosing.choose_run(usable=choosing.has_embedding)
with frame.guard():
    run = open_run(run_id)
    choice = scores.choose_view(run, columns[1:])
    shown = clustered(run, choice.k, choice.method)
    score_place = st.container(key="cluster-scores")  # filled once the map stands: scores of a new k take seconds
    with place:
        scores.figures(shown, choice)
        st.download_button(
            "Table of all images",
            lambda: as_csv(image_table(shown)),
            f"{run_id}-k{choice.k}.csv",
            "text/csv",
            icon=":material/download:",
            type="primary",
            on_click="ignore",
        )
    payload = scores.payload_of(shown, choice)
    scores.send_points(payload)
    selection.read_address(run)
    scores.images_map(shown, payload)
    found = scores_of(run, choice.k, choice.method)
    with score_place:
        scores.show_scores(run, found, choice.layout)
    strips.strips(shown)
    scores.images_table(shown)
    strips.effects_table(shown)
    scores.details(shown, found)
    scores.send_pictures(payload)
